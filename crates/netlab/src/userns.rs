//! The power to make network namespaces: held already, or got by entering a user namespace
//! (`user_namespaces(7)`). Each power is proved by using it, because a setting or a user id alone
//! says little: root in a container may lack capabilities, and `AppArmor` lets a user namespace be
//! made and leaves it powerless.

use std::fmt;
use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{getegid, geteuid};

use crate::link::{self, LOOPBACK, LinkState};
use crate::namespace::{EnterError, Namespace};
use crate::route_connection::{Reactor, RouteConnection};

/// How this process came by the power to make network namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// It had `CAP_SYS_ADMIN` and `CAP_NET_ADMIN` to begin with: as root, or in a user namespace
    /// that somebody else had made.
    Held,
    /// It entered a user namespace of its own. What belongs to the whole machine, such as tracefs,
    /// stays out of reach.
    UserNamespace,
}

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `unshare(CLONE_NEWUSER | CLONE_NEWNET)`.
    MakeUserNamespace,
    /// Writing this file of `/proc/self`.
    Map(&'static str),
    /// `unshare(CLONE_NEWNET)` inside the user namespace.
    MakeNetworkNamespace,
    /// Bringing `lo` up in a network namespace just made.
    BringLoopbackUp,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeUserNamespace => f.write_str("make a user namespace (unshare CLONE_NEWUSER)"),
            Self::Map(file) => write!(f, "write /proc/self/{file} in a new user namespace"),
            Self::MakeNetworkNamespace => f.write_str("make a network namespace (unshare CLONE_NEWNET)"),
            Self::BringLoopbackUp => f.write_str("bring `lo` up in a new network namespace"),
        }
    }
}

/// Why this process may not have a user namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Only a process with one thread may enter a user namespace.
    Threads(usize),
    /// A sysctl forbids it or limits it; with the value in force.
    Setting {
        /// The sysctl, as `sysctl(8)` writes it.
        name: &'static str,
        /// Its value.
        value: String,
        /// A value that allows it.
        wanted: &'static str,
    },
    /// The kernel was built without user namespaces (`CONFIG_USER_NS`).
    Unsupported,
    /// None of the known settings forbids it: a seccomp filter or a security module does.
    Unknown,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads(count) => {
                write!(f, "the process has {count} threads already, and only a process of one thread may")
            }
            Self::Setting { name, value, wanted } => {
                write!(f, "`{name}` is {value}; run as root, or allow it with `sysctl -w {name}={wanted}`")
            }
            Self::Unsupported => {
                f.write_str("the kernel has no user namespaces (CONFIG_USER_NS); run as root")
            }
            Self::Unknown => f.write_str(
                "a seccomp filter or a security module forbids it (in a container: \
                 `--security-opt seccomp=unconfined`, or `--privileged`); or run as root",
            ),
        }
    }
}

/// This process can get no power to make network namespaces.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not {step}: {errno}; {cause}")]
pub struct UserNamespaceError {
    /// What was tried.
    pub step: Step,
    /// What the system said.
    pub errno: Errno,
    /// The reason, and what to do.
    pub cause: Cause,
}

/// Makes sure that this process can make and configure network namespaces, entering a user
/// namespace where it cannot yet.
///
/// Must be called before the process starts a thread. Where the process may make namespaces but
/// not come back to its own (root in a user namespace that shares the machine's network), it is
/// left in a new, empty network namespace, from which it can.
pub fn acquire() -> Result<Privilege, UserNamespaceError> {
    match prove() {
        Ok(()) => Ok(Privilege::Held),
        Err(_) => enter_user_namespace().map(|()| Privilege::UserNamespace),
    }
}

/// Makes this process root in a user namespace and a network namespace of its own, and proves that
/// this gives it the power it is for.
///
/// Must be called before the process starts a thread. Outside, the process stays the user it was:
/// files that it makes belong to that user.
pub fn enter_user_namespace() -> Result<(), UserNamespaceError> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
        .map_err(|errno| explained(Step::MakeUserNamespace, errno))?;
    // Without `setgroups` denied, an unprivileged process may not map its group.
    map("setgroups", "deny")?;
    map("uid_map", &format!("0 {user} 1"))?;
    map("gid_map", &format!("0 {group} 1"))?;
    prove().map_err(|(step, errno)| explained(step, errno))
}

fn map(file: &'static str, text: &str) -> Result<(), UserNamespaceError> {
    fs::write(format!("/proc/self/{file}"), text).map_err(|error| explained(Step::Map(file), errno(&error)))
}

/// Makes a network namespace, configures it and comes back.
fn prove() -> Result<(), (Step, Errno)> {
    let namespace = |error| match error {
        EnterError::Create(errno) | EnterError::Enter(errno) => (Step::MakeNetworkNamespace, errno),
        EnterError::Open(error) => (Step::MakeNetworkNamespace, errno(&error)),
    };
    let home = Namespace::current().map_err(namespace)?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| (Step::MakeNetworkNamespace, errno))?;
    let outcome = Reactor::new()
        .and_then(|reactor| RouteConnection::open(&reactor))
        .and_then(|connection| link::set(&connection, LOOPBACK, LinkState::Up));
    // Where this is refused, the namespace just made is as good a home: nothing is done at home.
    let _ = setns(&home, CloneFlags::CLONE_NEWNET);
    outcome.map_err(|errno| (Step::BringLoopbackUp, errno))
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn explained(step: Step, errno: Errno) -> UserNamespaceError {
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    let setting = |name: &str| {
        let file = format!("/proc/sys/{}", name.replace('.', "/"));
        fs::read_to_string(file).ok().map(|value| value.trim().to_owned())
    };
    UserNamespaceError { step, errno, cause: cause(step, errno, threads, setting) }
}

/// The likeliest reason of a refusal. `setting` gives the value of a sysctl that exists.
fn cause(step: Step, errno: Errno, threads: usize, setting: impl Fn(&str) -> Option<String>) -> Cause {
    let forbidden = |name, bad: &str, wanted| {
        setting(name).filter(|value| value == bad).map(|value| Cause::Setting { name, value, wanted })
    };
    match (step, errno) {
        (Step::MakeUserNamespace, Errno::EINVAL) if threads > 1 => Cause::Threads(threads),
        (Step::MakeUserNamespace, Errno::EINVAL) => Cause::Unsupported,
        // ENOSPC: a limit is reached (`namespaces(7)`); EUSERS was its name before Linux 4.9.
        (_, Errno::ENOSPC | Errno::EUSERS) => forbidden("user.max_user_namespaces", "0", "10000")
            .or_else(|| forbidden("user.max_net_namespaces", "0", "10000"))
            .or_else(|| {
                let name = "user.max_user_namespaces";
                setting(name).map(|value| Cause::Setting { name, value, wanted: "100000" })
            })
            .unwrap_or(Cause::Unknown),
        // Debian's and Arch's own switch; then AppArmor's of Ubuntu 23.10 and later.
        _ => forbidden("kernel.unprivileged_userns_clone", "0", "1")
            .or_else(|| forbidden("kernel.apparmor_restrict_unprivileged_userns", "1", "0"))
            .unwrap_or(Cause::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAKE: Step = Step::MakeUserNamespace;

    fn named(cause: &Cause) -> Option<&'static str> {
        match cause {
            Cause::Setting { name, .. } => Some(name),
            _ => None,
        }
    }

    fn only(name: &'static str, value: &'static str) -> impl Fn(&str) -> Option<String> {
        move |asked| (asked == name).then(|| value.to_owned())
    }

    #[test]
    fn each_refusal_names_the_setting_that_made_it() {
        for (step, errno, name, value) in [
            (MAKE, Errno::ENOSPC, "user.max_user_namespaces", "0"),
            (MAKE, Errno::ENOSPC, "user.max_net_namespaces", "0"),
            (MAKE, Errno::EPERM, "kernel.unprivileged_userns_clone", "0"),
            (Step::Map("uid_map"), Errno::EPERM, "kernel.apparmor_restrict_unprivileged_userns", "1"),
            (Step::BringLoopbackUp, Errno::EPERM, "kernel.apparmor_restrict_unprivileged_userns", "1"),
        ] {
            assert_eq!(named(&cause(step, errno, 1, only(name, value))), Some(name));
        }
    }

    #[test]
    fn a_setting_that_allows_it_is_not_blamed() {
        let allowed = only("kernel.apparmor_restrict_unprivileged_userns", "0");
        assert_eq!(cause(MAKE, Errno::EPERM, 1, allowed), Cause::Unknown);
        assert_eq!(cause(MAKE, Errno::EPERM, 1, |_: &str| None), Cause::Unknown);
    }

    #[test]
    fn threads_are_told_from_a_kernel_without_user_namespaces() {
        assert_eq!(cause(MAKE, Errno::EINVAL, 3, |_: &str| None), Cause::Threads(3));
        assert_eq!(cause(MAKE, Errno::EINVAL, 1, |_: &str| None), Cause::Unsupported);
    }

    #[test]
    fn a_test_thread_is_told_that_threads_are_the_reason() {
        // libtest runs this beside its main thread, so the system call itself must refuse.
        let error = enter_user_namespace().expect_err("this process has several threads");
        assert_eq!((error.step, error.errno), (MAKE, Errno::EINVAL));
        assert!(matches!(error.cause, Cause::Threads(2..)), "{error}");
        assert!(error.to_string().contains("only a process of one thread may"), "{error}");
    }
}
