//! Machines where tracefs is mounted, or out of reach.

use std::path::Path;
use std::process::{Command, ExitCode};

use keepalive_lab_evidence::{KernelWatch, WatchError};
use keepalive_lab_netlab::{IpVersion, userns};
use libtest_mimic::Completion;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_dumpable;
use nix::unistd::{Gid, Uid, geteuid, setgid, setgroups, setuid};

use crate::Test;
use crate::deaths::{pair, refused, watch};

pub(crate) const TESTS: &[Test] = &[("a_tracefs_that_is_mounted_already_is_used", a_mounted_tracefs_is_used)];

/// The argument that makes this binary watch where tracefs is mounted.
pub(crate) const MOUNTED: &str = "--watch-where-tracefs-is-mounted";

/// The argument that makes this binary watch inside a user namespace.
pub(crate) const POWERLESS: &str = "--watch-in-a-user-namespace";

/// The exit code of a child that could not have a user namespace.
const REFUSED: u8 = 77;

/// Mounts tracefs at its usual place, for this process alone; it must have one thread.
pub(crate) fn mount_tracefs() {
    let nothing = None::<&str>;
    let point = ["/sys/kernel/tracing"].into_iter().find(|point| Path::new(point).is_dir());
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).expect("private");
    let point = point.expect("every kernel with tracefs has its mount point");
    match mount(nothing, point, Some("tracefs"), MsFlags::empty(), nothing) {
        // The machine has mounted it there already, as most do.
        Ok(()) | Err(Errno::EBUSY) => {}
        Err(errno) => panic!("mounting tracefs: {errno}"),
    }
}

fn run(argument: &str) {
    let child = Command::new(std::env::current_exe().expect("this binary")).arg(argument).output();
    let child = child.expect("start");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

fn a_mounted_tracefs_is_used() {
    run(MOUNTED);
}

/// Runs in a child.
pub(crate) fn mounted() -> ExitCode {
    mount_tracefs();
    let instances = || std::fs::read_dir("/sys/kernel/tracing/instances").expect("tracefs").count();
    let (watch, events) = watch();
    assert!(instances() >= 1);
    refused(&pair(IpVersion::V4), 7654);
    assert!(watch.flush(std::time::Duration::from_secs(5)));
    assert!(events.try_iter().count() > 0);
    ExitCode::SUCCESS
}

/// Ignored where nobody may have a user namespace.
pub(crate) fn in_a_user_namespace_only_root_may() -> Completion {
    let child = Command::new(std::env::current_exe().expect("this binary")).arg(POWERLESS).output();
    let child = child.expect("start");
    let told = String::from_utf8_lossy(&child.stderr);
    if child.status.code() == Some(REFUSED.into()) {
        return Completion::ignored_with(told.trim());
    }
    assert!(child.status.success(), "{told}");
    Completion::Completed
}

/// Runs in a child. Root stays the owner of tracefs' files in a user namespace, so it becomes nobody first.
pub(crate) fn powerless() -> ExitCode {
    if geteuid().is_root() {
        let nobody = 65534;
        setgroups(&[]).expect("root may");
        setgid(Gid::from_raw(nobody)).expect("root may");
        setuid(Uid::from_raw(nobody)).expect("root may");
        // Or /proc/self would still be root's.
        set_dumpable(true).expect("anyone may");
    }
    if let Err(error) = userns::enter_user_namespace() {
        eprintln!("{error}");
        return ExitCode::from(REFUSED);
    }
    let error = KernelWatch::start(&[7654], drop).expect_err("tracepoints are the machine's");
    assert!(
        matches!(error, WatchError::NotPermitted { errno: Errno::EPERM | Errno::EACCES, .. }),
        "{error:?}"
    );
    assert!(error.to_string().starts_with("only root may read the kernel's tracepoints"), "{error}");
    ExitCode::SUCCESS
}
