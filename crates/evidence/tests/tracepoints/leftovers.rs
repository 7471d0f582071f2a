//! What is left of a watch: nothing, or what the next one sweeps.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};

use keepalive_lab_evidence::KernelWatch;

use crate::Test;
use crate::deaths::watch;
use crate::places::mount_tracefs;

pub(crate) const TESTS: &[Test] = &[
    ("a_dropped_watch_leaves_no_instance_thread_descriptor_or_mount", a_dropped_watch_leaves_nothing),
    ("a_killed_process_leaves_an_instance_that_the_next_watch_sweeps", a_killed_process_is_swept_after),
];

/// The argument that makes this binary list the instances there are.
pub(crate) const LIST: &str = "--list-instances";

/// The argument that makes this binary hold a watch until it is killed.
pub(crate) const HOLD: &str = "--hold-a-watch-until-killed";

/// Runs in a child, which mounts tracefs where only it sees it.
pub(crate) fn list() -> ExitCode {
    mount_tracefs();
    for entry in fs::read_dir("/sys/kernel/tracing/instances").expect("tracefs") {
        println!("{}", entry.expect("an entry").file_name().to_string_lossy());
    }
    ExitCode::SUCCESS
}

/// Runs in a child.
pub(crate) fn hold() -> ! {
    let watch = KernelWatch::start(&[7654], drop);
    println!("{}", if watch.is_ok() { "watching" } else { "blind" });
    loop {
        std::thread::park();
    }
}

/// The instances of one process.
fn instances_of(pid: u32) -> Vec<String> {
    let child =
        Command::new(std::env::current_exe().expect("this binary")).arg(LIST).output().expect("start");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let names = String::from_utf8(child.stdout).expect("names");
    let prefix = format!("keepalive-lab-{pid}-");
    names.lines().filter(|name| name.starts_with(&prefix)).map(ToOwned::to_owned).collect()
}

fn a_dropped_watch_leaves_nothing() {
    let count = |folder: &str| fs::read_dir(folder).expect("/proc").count();
    let state = || {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("/proc");
        (mounts, count("/proc/self/fd"), count("/proc/self/task"))
    };
    let before = state();
    let (watch, _events) = watch();
    assert_eq!(instances_of(std::process::id()).len(), 1);
    assert_eq!(state().0, before.0, "the mount is seen by nobody");
    assert_ne!(state(), before);
    drop(watch);
    assert_eq!(instances_of(std::process::id()), [""; 0]);
    assert_eq!(state(), before);
}

/// A process that parks for ever: it must not outlive a test that fails.
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn a_killed_process_is_swept_after() {
    let mounts = || fs::read_to_string("/proc/self/mounts").expect("/proc");
    let before = mounts();
    let child = Command::new(std::env::current_exe().expect("this binary"))
        .arg(HOLD)
        .stdout(Stdio::piped())
        .spawn()
        .expect("start");
    let Holder(child) = &mut Holder(child);
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("read");
    assert_eq!(line, "watching\n");

    // While it lives, nobody takes its instance away.
    drop(watch());
    assert_eq!(instances_of(child.id()).len(), 1);

    child.kill().expect("kill -9");
    child.wait().expect("wait");
    assert_eq!(instances_of(child.id()).len(), 1, "a killed process cannot clean up");
    assert_eq!(mounts(), before);
    let (watch, _events) = watch();
    assert!(watch.swept() >= 1);
    assert_eq!(instances_of(child.id()), [""; 0]);
}
