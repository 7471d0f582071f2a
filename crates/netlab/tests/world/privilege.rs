//! How the power to make namespaces is got, and what is said where it is not.

use std::process::{Command, ExitCode};

use keepalive_lab_netlab::userns::{self, Cause, Step, UserNamespaceError};
use libtest_mimic::Completion;
use nix::errno::Errno;

/// The argument that makes this binary forbid itself user namespaces and ask for one.
pub(crate) const WITHOUT_NAMESPACES: &str = "--without-user-namespaces";

/// The exit code of a child that could not have a user namespace to begin with.
const REFUSED: u8 = 77;

/// Ignored where even root may have no user namespace (in a chroot, in many containers).
pub(crate) fn where_user_namespaces_are_limited_to_none_the_setting_is_named() -> Completion {
    let child = Command::new(std::env::current_exe().expect("this binary"))
        .arg(WITHOUT_NAMESPACES)
        .output()
        .expect("start");
    let told = String::from_utf8_lossy(&child.stderr);
    if child.status.code() == Some(REFUSED.into()) {
        return Completion::ignored_with(told.trim());
    }
    assert!(child.status.success(), "{told}");
    Completion::Completed
}

/// Runs in the child. The limit belongs to the user namespace it is set in, so the child first
/// enters one of its own.
pub(crate) fn without_namespaces() -> ExitCode {
    if let Err(error) = userns::enter_user_namespace() {
        eprintln!("{error}");
        return ExitCode::from(REFUSED);
    }
    std::fs::write("/proc/sys/user/max_user_namespaces", "0").expect("a root's own limit");
    let error = userns::enter_user_namespace().expect_err("none is allowed");
    let setting = Cause::Setting { name: "user.max_user_namespaces", value: "0".to_owned(), wanted: "10000" };
    assert_eq!(
        error,
        UserNamespaceError { step: Step::MakeUserNamespace, errno: Errno::ENOSPC, cause: setting }
    );
    assert!(error.to_string().contains("sysctl -w user.max_user_namespaces=10000"), "{error}");
    ExitCode::SUCCESS
}
