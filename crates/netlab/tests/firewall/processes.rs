//! Programs that wait are never left behind; and iptables-legacy, whose rules netlink can't see.
//!
//! These tests run this executable again: as a process that can be killed, and with a `PATH` in which
//! iptables is the legacy one.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keepalive_lab_netlab::IpVersion::V4;
use keepalive_lab_netlab::firewall::{Program, Tool, plan};

use crate::probe::Fate::{Arrived, Lost};
use crate::probe::{Packet::Udp, send};
use crate::{Test, firewall, pair};

pub(crate) const TESTS: &[Test] = &[
    ("a_waiting_program_is_ended_by_drop", a_waiting_program_is_ended_by_drop, Some(Program::Iptables)),
    (
        "a_waiting_program_ends_when_the_runner_is_killed",
        ends_when_the_runner_is_killed,
        Some(Program::Iptables),
    ),
    (
        "rules_of_iptables_legacy_are_taken_back",
        rules_of_iptables_legacy_are_taken_back,
        Some(Program::Iptables),
    ),
];

/// What a child of these tests is asked to do.
const TASK: &str = "KEEPALIVE_LAB_FIREWALL_TEST";

/// A line that only the program understands.
const LINE: (Tool, &str) = (Tool::Iptables, "-A OUTPUT -p udp -m multiport --dports 7,9 -j DROP");

pub(crate) fn is_child() -> bool {
    std::env::var_os(TASK).is_some()
}

pub(crate) fn child() {
    match std::env::var(TASK).as_deref() {
        Ok("wait") => wait_with_a_program(),
        Ok("drop") => drop_a_program(),
        Ok("legacy") => use_legacy(),
        other => panic!("no such task: {other:?}"),
    }
}

fn start(task: &str, prepare: impl FnOnce(&mut Command)) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this executable"));
    command.env(TASK, task).stdin(Stdio::piped()).stdout(Stdio::piped());
    prepare(&mut command);
    command.spawn().expect("this executable runs")
}

/// Processes whose parent is `parent`, those that only wait to be reaped left out.
fn children_of(parent: u32) -> Vec<u32> {
    let stat = |pid: u32| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let is_child = |pid: &u32| {
        let stat = stat(*pid);
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        fields.next().is_some_and(|state| state != "Z") && fields.next() == Some(parent.to_string().as_str())
    };
    let entries = fs::read_dir("/proc").expect("/proc is there");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(is_child).collect()
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

fn wait_with_a_program() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    let line = plan(&[LINE]).remove(0).expect("no mistake in it");
    let _prepared = firewall.prepare(&line).expect("prepare");
    println!("ready");
    // Until the parent closes its end, or kills this process.
    let _ = std::io::stdin().read(&mut [0]);
}

fn ends_when_the_runner_is_killed() {
    let mut runner = start("wait", |_| {});
    let mut ready = String::new();
    let stdout = runner.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut ready).expect("the child speaks");
    assert_eq!(ready, "ready\n");
    let programs = children_of(runner.id());
    assert_eq!(programs.len(), 1, "{programs:?}");
    runner.kill().expect("SIGKILL");
    runner.wait().expect("reaped");
    let deadline = Instant::now() + Duration::from_secs(5);
    while is_alive(programs[0]) {
        assert!(Instant::now() < deadline, "the program is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn drop_a_program() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    let line = plan(&[LINE]).remove(0).expect("no mistake in it");
    let prepared = firewall.prepare(&line).expect("prepare");
    let own = std::process::id();
    assert_eq!(children_of(own).len(), 1);
    drop(prepared);
    assert_eq!(children_of(own), []);
}

fn a_waiting_program_is_ended_by_drop() {
    assert!(start("drop", |_| {}).wait().expect("reaped").success());
}

fn use_legacy() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    let line = plan(&[LINE]).remove(0).expect("no mistake in it");
    let prepared = firewall.prepare(&line).expect("prepare");
    let id = firewall.apply(prepared).expect("apply").added.expect("the line can be taken back");
    assert_eq!(send(&pair, Udp(1, 7)), Lost);
    assert_eq!(firewall.counter(id).expect("in force"), None);
    let removed = firewall.remove(id).expect("remove");
    assert_eq!(removed.counter, None);
    assert_eq!(send(&pair, Udp(1, 7)), Arrived);
}

/// A folder that vanishes with the value.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn rules_of_iptables_legacy_are_taken_back() {
    let legacy = Path::new("/usr/sbin/iptables-legacy-restore");
    if !legacy.exists() {
        println!("iptables-legacy is not installed: nothing to try");
        return;
    }
    let folder = Folder(std::env::temp_dir().join(format!("keepalive-lab-firewall-{}", std::process::id())));
    fs::create_dir_all(&folder.0).expect("a folder");
    let script = folder.0.join("iptables-nft-restore");
    fs::write(&script, format!("#!/bin/sh\nexec {} \"$@\"\n", legacy.display())).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("chmod");
    let mut child = start("legacy", |command| {
        command.env("PATH", &folder.0);
    });
    assert!(child.wait().expect("reaped").success());
}
