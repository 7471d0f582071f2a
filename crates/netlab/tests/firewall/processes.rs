//! Programs that wait are never left behind; iptables-legacy, whose rules netlink can't see; and a
//! program that takes its time to end.
//!
//! These tests run this executable again: as a process that can be killed, and with a `PATH` in which
//! iptables is the legacy one, or nft a slow one.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keepalive_lab_clock::Monotonic;
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
    (
        "what_a_program_did_is_acknowledged_before_its_end",
        what_a_program_did_is_acknowledged_before_its_end,
        Some(Program::Nft),
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
        Ok("slow") => use_a_slow_program(),
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
    run_with("legacy", "iptables-nft-restore", &format!("exec {} \"$@\"", legacy.display()));
}

/// Runs a task with a `PATH` in which `program` is this line of shell.
fn run_with(task: &str, program: &str, line: &str) {
    let name = format!("keepalive-lab-firewall-{}-{task}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    fs::create_dir_all(&folder.0).expect("a folder");
    let script = folder.0.join(program);
    fs::write(&script, format!("#!/bin/sh\n{line}\n")).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("chmod");
    let mut child = start(task, |command| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(folder.0.clone()).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders).expect("no colon in it"));
    });
    assert!(child.wait().expect("reaped").success());
}

/// How long the slow program lingers when all is done.
const LINGERS: Duration = Duration::from_secs(1);

fn use_a_slow_program() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    for line in ["add rule inet filter output udp dport { 7, 9 } drop", "flush chain inet filter output"] {
        let line = plan(&[(Tool::Nft, line)]).remove(0).expect("no mistake in it");
        let prepared = firewall.prepare(&line).expect("prepare");
        let applied = firewall.apply(prepared).expect("apply");
        let ended = Monotonic::now();
        assert!(ended - applied.called >= LINGERS, "the program was not waited for");
        assert!(applied.acknowledged - applied.called < LINGERS, "{line:?}: {applied:?}");
        assert_eq!(applied.added.is_none(), applied.deleted.len() == 1, "{applied:?}");
    }
}

fn what_a_program_did_is_acknowledged_before_its_end() {
    run_with(
        "slow",
        "nft",
        &format!("PATH=\"${{PATH#*:}}:/usr/sbin:/sbin\" nft \"$@\" && sleep {}", LINGERS.as_secs()),
    );
}
