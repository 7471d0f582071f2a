//! How QEMU is kept from outliving the run.
//!
//! The kernel kills a process when its parent's thread ends if that process has asked for it
//! (`PR_SET_PDEATHSIG`, `prctl(2)`), and the wish outlives `execve(2)`. So the runner starts itself anew as a
//! keeper, which asks, and then becomes QEMU. A runner that was killed with SIGKILL thus leaves no machine.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};

use super::QEMU;

/// The first argument of a keeper; the number of its parent process follows, then QEMU's arguments.
const ASKED: &str = "keep-machine";

/// The arguments that make this executable a keeper of QEMU, without QEMU's own.
pub(super) fn arguments() -> [OsString; 2] {
    [ASKED.into(), std::process::id().to_string().into()]
}

/// Becomes QEMU if the arguments of this process ask for it; else returns at once.
///
/// Every executable that starts machines calls this first in its `main`.
pub fn run_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == ASKED) {
        let parent = arguments.next().and_then(|number| number.to_str()?.parse().ok()).map(Pid::from_raw);
        let error = become_qemu(parent, arguments);
        eprintln!("keepalive-lab: {error}");
        std::process::exit(1);
    }
}

/// Returns only what kept it from it.
fn become_qemu(parent: Option<Pid>, arguments: impl Iterator<Item = OsString>) -> String {
    if let Err(errno) = set_pdeathsig(Signal::SIGKILL) {
        return format!("could not ask to end with the runner: {errno}");
    }
    // The parent may have gone before the wish was made.
    if parent != Some(getppid()) {
        return "the runner is gone".into();
    }
    format!("could not start {QEMU}: {}", Command::new(QEMU).args(arguments).exec())
}
