//! What is left when a pair, or the process that holds it, is gone: nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use keepalive_lab_netlab::{Builder, Namespace, Pair};
use nix::sched::{CloneFlags, setns};

use crate::{Test, VERSIONS, builder, pair};

pub(crate) const TESTS: &[Test] = &[
    ("building_and_dropping_leaves_no_descriptor", building_and_dropping_leaves_no_descriptor),
    ("the_own_namespace_is_not_touched", the_own_namespace_is_not_touched),
    ("a_dropped_pair_takes_its_namespaces_and_links_with_it", a_dropped_pair_takes_all_with_it),
    ("a_killed_process_takes_its_pairs_with_it", a_killed_process_takes_its_pairs_with_it),
    ("a_link_is_laid_where_the_kernel_has_put_devices_before", a_link_is_laid_beside_other_devices),
];

/// The argument that makes this binary build pairs and wait to be killed.
pub(crate) const HOLD_PAIRS: &str = "--hold-pairs-until-killed";

/// The kernel takes a namespace down by itself, some time after the last descriptor is closed.
const KERNEL_CLEANS_WITHIN: Duration = Duration::from_secs(20);

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("/proc").count()
}

fn building_and_dropping_leaves_no_descriptor() {
    let before = descriptors();
    let builder = builder();
    let pairs: Vec<Pair> = (0..10).map(|index| pair(&builder, index, VERSIONS[0])).collect();
    assert!(descriptors() > before);
    let started = Instant::now();
    drop(pairs);
    assert!(started.elapsed() < Duration::from_millis(50), "dropping ten pairs took {:?}", started.elapsed());
    drop(builder);
    assert_eq!(descriptors(), before);
}

fn the_own_namespace_is_not_touched() {
    let state = || {
        ["dev", "route", "if_inet6", "fib_trie"]
            .map(|file| fs::read_to_string(format!("/proc/self/net/{file}")).unwrap_or_default())
            .map(|text| text.lines().map(without_counters).collect::<Vec<_>>())
    };
    let before = state();
    assert!(!before[0].is_empty());
    let builder = builder();
    let pairs = VERSIONS.map(|version| pair(&builder, 0, version));
    assert_eq!(state(), before);
    drop((pairs, builder));
    assert_eq!(state(), before);
}

/// Links are listed with their counters behind a colon.
fn without_counters(line: &str) -> String {
    line.split(':').next().unwrap_or(line).to_owned()
}

/// Network namespaces that any process holds: as its own, or by a descriptor.
fn namespaces_in_use() -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    let mut note = |path: &Path| {
        let target = fs::read_link(path).unwrap_or_default().to_string_lossy().into_owned();
        let inode = target.strip_prefix("net:[").and_then(|rest| rest.strip_suffix(']'));
        found.extend(inode.and_then(|inode| inode.parse::<u64>().ok()));
    };
    for process in fs::read_dir("/proc").expect("/proc").flatten() {
        note(&process.path().join("ns/net"));
        for descriptor in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            note(&descriptor.path());
        }
    }
    found
}

/// Whether the namespace behind `descriptor` still has its link: a veth pair goes as a whole, so
/// this end goes with the namespace of the other.
fn has_link(descriptor: &OwnedFd) -> bool {
    let home = File::open("/proc/thread-self/ns/net").expect("home");
    setns(descriptor, CloneFlags::CLONE_NEWNET).expect("enter");
    let links = fs::read_to_string("/proc/thread-self/net/dev").expect("a list of links");
    setns(home, CloneFlags::CLONE_NEWNET).expect("leave");
    links.contains("eth0:")
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < KERNEL_CLEANS_WITHIN, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A descriptor of its own for the client's namespace: a witness that outlives the pair.
fn witness(pair: &Pair) -> OwnedFd {
    let own = || File::open("/proc/thread-self/ns/net").expect("the namespace");
    pair.client.namespace().enter(own).expect("enter").into()
}

fn a_dropped_pair_takes_all_with_it() {
    let builder = builder();
    for version in VERSIONS {
        let pair = pair(&builder, 0, version);
        let inodes = [&pair.client, &pair.server].map(|host| host.namespace().inode().expect("an inode"));
        let in_use = namespaces_in_use();
        assert!(inodes.iter().all(|inode| in_use.contains(inode)));
        let witness = witness(&pair);
        assert!(has_link(&witness));
        drop(pair);
        wait_until("the kernel took the link down", || !has_link(&witness));
        drop(witness);
        let in_use = namespaces_in_use();
        assert!(!inodes.iter().any(|inode| in_use.contains(inode)));
    }
}

/// Runs in the child: builds pairs, tells the inode and a descriptor of each client, and waits.
pub(crate) fn hold_pairs() -> ! {
    let builder = Builder::new().expect("the parent could");
    let pairs: Vec<Pair> = (0..20).map(|index| pair(&builder, index, VERSIONS[index as usize % 2])).collect();
    for pair in &pairs {
        use std::os::fd::AsRawFd;
        let inodes = [&pair.client, &pair.server].map(|host| host.namespace().inode().expect("an inode"));
        println!("{} {} {}", pair.client.namespace().as_raw_fd(), inodes[0], inodes[1]);
    }
    println!("done");
    loop {
        std::thread::park();
    }
}

fn a_killed_process_takes_its_pairs_with_it() {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .arg(HOLD_PAIRS)
        .stdout(Stdio::piped())
        .spawn()
        .expect("start");
    let mut inodes = Vec::new();
    let mut witnesses = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        let line = line.expect("read");
        if line == "done" {
            break;
        }
        let numbers: Vec<u64> = line.split(' ').map(|word| word.parse().expect("a number")).collect();
        inodes.extend(&numbers[1..]);
        // Every fifth is watched from outside; the others must go without a witness.
        if inodes.len() % 10 == 0 {
            let path = format!("/proc/{}/fd/{}", child.id(), numbers[0]);
            witnesses.push(OwnedFd::from(File::open(path).expect("the child's namespace")));
        }
    }
    assert_eq!((inodes.len(), witnesses.len()), (40, 4));
    assert!(witnesses.iter().all(has_link));

    child.kill().expect("kill -9");
    child.wait().expect("wait");
    wait_until("the kernel took the links down", || !witnesses.iter().any(has_link));
    drop(witnesses);
    let in_use = namespaces_in_use();
    assert!(!inodes.iter().any(|inode| in_use.contains(inode)));
}

/// Some kernels put `tunl0` or `sit0` into every namespace, which take the indexes 2 and 3.
fn a_link_is_laid_beside_other_devices() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let crowded = || {
        let namespace = Namespace::new().expect("a namespace");
        let connection = || {
            let _runtime = runtime.enter();
            rtnetlink::new_connection().expect("a connection")
        };
        let (connection, handle, _) = namespace.enter(connection).expect("enter");
        runtime.spawn(connection);
        let veth = rtnetlink::LinkVeth::new("tunl0", "sit0").build();
        runtime.block_on(handle.link().add(veth).execute()).expect("two devices");
        namespace
    };
    let builder = builder();
    let (a, b) = (crowded(), crowded());
    assert_eq!(builder.lay_link(&a, &b).expect("free indexes"), (1002, 1003));
    let empty = Namespace::new().expect("a namespace");
    assert_eq!(builder.lay_link(&empty, &Namespace::new().expect("a namespace")).expect("a link"), (2, 3));
    builder.lay_link(&a, &empty).expect_err("both have their eth0");
}
