//! Processes that a run has started, found in `/proc`.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::ground::pid;

/// The variable that marks a run and all it starts.
pub(crate) const MARK: &str = "KEEPALIVE_LAB_TEST_IN";

/// All numbers of processes.
fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    entries.filter_map(|entry| entry.ok()?.file_name().to_string_lossy().parse().ok())
}

/// The name of the program and the parent (`/proc/PID/stat`, `proc(5)`); `None` where it is gone or a zombie.
fn name_and_parent(process: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (before, after) = stat.rsplit_once(')')?;
    let mut words = after.split_whitespace();
    let state = words.next()?;
    let parent = words.next()?.parse().ok()?;
    (state != "Z").then(|| (before.split_once('(').map_or("", |(_, name)| name).to_owned(), parent))
}

/// The machine that this run has started and that still lives.
pub(crate) fn qemu_of(run: Pid) -> Option<Pid> {
    let is_its = |process: &u32| {
        // The kernel keeps 15 characters of a name. QEMU is also asked for its version.
        let is_qemu = |(name, parent): (String, u32)| name.starts_with("qemu-system") && pid(parent) == run;
        let words = || fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        name_and_parent(*process).is_some_and(is_qemu)
            && words().split(|byte| *byte == 0).any(|word| word == b"-kernel")
    };
    all().find(is_its).map(pid)
}

/// Processes that live and carry the mark of this folder, by their command lines.
pub(crate) fn marked(folder: &Path) -> Vec<String> {
    let mark = format!("{MARK}={}", folder.display());
    let of_process = |process: u32| {
        let environment = fs::read(format!("/proc/{process}/environ")).ok()?;
        let is_marked = environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
        let (name, _) = name_and_parent(process).filter(|_| is_marked)?;
        Some(format!("{process} {name}"))
    };
    all().filter_map(of_process).collect()
}

/// Waits until no marked process lives, at most this long.
#[track_caller]
pub(crate) fn none_is_left(folder: &Path, within: Duration) {
    let deadline = Instant::now() + within;
    loop {
        let left = marked(folder);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{within:?} later there is still {left:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
