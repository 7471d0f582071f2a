//! Sysctls of one network namespace: `/proc/sys/net` as seen from inside it (`sysctl(8)`,
//! `proc_sys_net(5)`).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::namespace::{EnterError, Namespace};

/// Where sysctls lie.
const ROOT: &str = "/proc/sys";

/// How alike two names must be (Jaro-Winkler, 0 to 1) for one to be offered instead of the other.
const ALIKE: f64 = 0.9;

/// Why a sysctl could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SysctlError {
    /// Only sysctls of the network belong to a namespace; others would change the whole machine.
    #[error("`{name}` is no sysctl of a network namespace: its name must start with `net.`")]
    NotNetwork {
        /// The name asked for.
        name: String,
    },
    /// The name holds an empty part, `.` or `..`.
    #[error("`{name}` is not the name of a sysctl, such as `net.ipv4.tcp_retries2`")]
    Malformed {
        /// The name asked for.
        name: String,
    },
    /// This kernel has no such sysctl, or not in other namespaces than the machine's first.
    #[error("this kernel has no sysctl `{name}` in a network namespace{}", suggestion(.nearest))]
    NotFound {
        /// The name asked for.
        name: String,
        /// Names that exist and look alike, the nearest first; at most three.
        nearest: Vec<String>,
    },
    /// The kernel does not take the value.
    #[error("the kernel refused `{name}` = `{value}`: {errno}")]
    Refused {
        /// The sysctl.
        name: String,
        /// The value asked for.
        value: String,
        /// The kernel's reason; `EINVAL` where the value is out of range or malformed.
        errno: Errno,
    },
    /// The sysctl exists but cannot be read.
    #[error("could not read `{name}`: {errno}")]
    Unreadable {
        /// The sysctl.
        name: String,
        /// The kernel's reason.
        errno: Errno,
    },
    /// The kernel took the value and made another of it.
    #[error("the kernel took `{name}` = `{asked}` but `{in_force}` is in force")]
    Changed {
        /// The sysctl.
        name: String,
        /// The value asked for.
        asked: String,
        /// The value read back.
        in_force: String,
    },
    /// The namespace could not be entered.
    #[error(transparent)]
    Namespace(#[from] EnterError),
}

fn suggestion(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!("; did you mean `{}`?", names.join("` or `")),
    }
}

/// Sets a sysctl in `namespace` and returns the value read back, its words separated by one space.
///
/// As in `sysctl(8)`, `/` and `.` may be swapped, so that an interface name with a dot can be
/// written: `net.ipv4.conf.eth0/100.forwarding` or `net/ipv4/conf/eth0.100/forwarding`.
pub fn write(namespace: &Namespace, name: &str, value: &str) -> Result<String, SysctlError> {
    let path = path(name)?;
    let asked = normalised(value);
    namespace.enter(|| {
        fs::write(&path, &asked).map_err(|error| match errno(&error) {
            Errno::ENOENT => not_found(name),
            errno => SysctlError::Refused { name: name.to_owned(), value: asked.clone(), errno },
        })?;
        let in_force = read_inside(&path, name)?;
        if in_force == asked {
            Ok(in_force)
        } else {
            Err(SysctlError::Changed { name: name.to_owned(), asked: asked.clone(), in_force })
        }
    })?
}

/// The value of a sysctl in `namespace`, its words separated by one space.
pub fn read(namespace: &Namespace, name: &str) -> Result<String, SysctlError> {
    let path = path(name)?;
    namespace.enter(|| read_inside(&path, name))?
}

fn read_inside(path: &Path, name: &str) -> Result<String, SysctlError> {
    match fs::read_to_string(path) {
        Ok(value) => Ok(normalised(&value)),
        Err(error) => Err(match errno(&error) {
            Errno::ENOENT => not_found(name),
            errno => SysctlError::Unreadable { name: name.to_owned(), errno },
        }),
    }
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn normalised(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The file of a sysctl: always below `/proc/sys/net`.
fn path(name: &str) -> Result<PathBuf, SysctlError> {
    let malformed = || SysctlError::Malformed { name: name.to_owned() };
    // The separator that comes first is the one meant; the other stands for a dot in a part.
    let separator = name.chars().find(|c| matches!(c, '.' | '/')).ok_or_else(malformed)?;
    let mut parts = name.split(separator).map(|part| part.replace('/', "."));
    if parts.next().as_deref() != Some("net") {
        return Err(SysctlError::NotNetwork { name: name.to_owned() });
    }
    let mut path = PathBuf::from(ROOT).join("net");
    let mut empty = true;
    for part in parts {
        if matches!(part.as_str(), "" | "." | "..") || part.contains('\0') {
            return Err(malformed());
        }
        path.push(part);
        empty = false;
    }
    if empty { Err(malformed()) } else { Ok(path) }
}

/// Must run inside the namespace whose sysctls are meant.
fn not_found(name: &str) -> SysctlError {
    let mut existing = BTreeSet::new();
    collect(&Path::new(ROOT).join("net"), "net", &mut existing);
    SysctlError::NotFound { name: name.to_owned(), nearest: nearest(name, &existing) }
}

/// Gathers the names of all sysctls below `directory`; what cannot be read is left out.
fn collect(directory: &Path, prefix: &str, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = format!("{prefix}.{}", entry.file_name().to_string_lossy().replace('.', "/"));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), &name, names);
        } else {
            names.insert(name);
        }
    }
}

fn nearest(name: &str, existing: &BTreeSet<String>) -> Vec<String> {
    let mut alike: Vec<(f64, &String)> = existing
        .iter()
        .map(|candidate| (likeness(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    alike.into_iter().take(3).map(|(_, name)| name.clone()).collect()
}

/// Compares the last parts, where names differ, and the whole, where the folder is wrong.
fn likeness(a: &str, b: &str) -> f64 {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    strsim::jaro_winkler(&last(a), &last(b)).min(strsim::jaro_winkler(a, b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(name: &str) -> String {
        path(name).expect("a good name").display().to_string()
    }

    #[test]
    fn a_name_becomes_a_path_in_both_spellings() {
        assert_eq!(file("net.ipv4.tcp_retries2"), "/proc/sys/net/ipv4/tcp_retries2");
        assert_eq!(file("net/ipv4/tcp_retries2"), "/proc/sys/net/ipv4/tcp_retries2");
        let dotted = "/proc/sys/net/ipv4/conf/eth0.100/forwarding";
        assert_eq!(file("net.ipv4.conf.eth0/100.forwarding"), dotted);
        assert_eq!(file("net/ipv4/conf/eth0.100/forwarding"), dotted);
    }

    #[test]
    fn a_sysctl_of_the_whole_machine_is_not_touched() {
        for name in ["kernel.panic", "vm/swappiness", "/net/ipv4/tcp_retries2", "netx.ipv4"] {
            assert!(matches!(path(name), Err(SysctlError::NotNetwork { .. })), "{name}");
        }
    }

    #[test]
    fn a_malformed_name_is_refused() {
        for name in ["", "net", "net.", "net..ipv4", "net/../kernel/panic", "net/./x", "net.ipv4.\0"] {
            assert!(matches!(path(name), Err(SysctlError::Malformed { .. })), "{name:?}");
        }
    }

    #[test]
    fn the_nearest_names_are_offered() {
        let existing =
            ["net.ipv4.tcp_retries1", "net.ipv4.tcp_retries2", "net.ipv4.tcp_sack", "net.core.somaxconn"];
        let existing = existing.map(String::from).into();
        let offered = nearest("net.ipv4.tcp_retry2", &existing);
        assert_eq!(offered.first().map(String::as_str), Some("net.ipv4.tcp_retries2"));
        assert!(!offered.iter().any(|name| name.ends_with("tcp_sack")), "{offered:?}");
        assert_eq!(nearest("net.ipv4.quite_another_thing", &existing), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn no_name_leads_out_of_the_network_sysctls(name in "(net)?[./]?[a-z./\\PC]{0,30}") {
            if let Ok(path) = path(&name) {
                prop_assert!(path.starts_with("/proc/sys/net"));
                prop_assert!(path.components().all(|part| matches!(part,
                    std::path::Component::RootDir | std::path::Component::Normal(_))));
            }
        }
    }
}
