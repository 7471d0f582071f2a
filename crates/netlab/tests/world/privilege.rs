//! How the power to make namespaces is got, and what is said where it is not.

use std::process::{Command, ExitCode};

use keepalive_lab_netlab::userns::{self, Cause, Step, UserNamespaceError};
use nix::errno::Errno;

use crate::Test;

pub(crate) const TESTS: &[Test] = &[(
    "where_user_namespaces_are_limited_to_none_the_setting_is_named",
    where_user_namespaces_are_limited_to_none_the_setting_is_named,
)];

/// The argument that makes this binary forbid itself user namespaces and ask for one.
pub(crate) const WITHOUT_NAMESPACES: &str = "--without-user-namespaces";

fn where_user_namespaces_are_limited_to_none_the_setting_is_named() {
    let child = Command::new(std::env::current_exe().expect("this binary"))
        .arg(WITHOUT_NAMESPACES)
        .output()
        .expect("start");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

/// Runs in the child. The limit belongs to the user namespace it is set in, so the child first
/// enters one of its own.
pub(crate) fn without_namespaces() -> ExitCode {
    userns::enter_user_namespace().expect("the parent could");
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
