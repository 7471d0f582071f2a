//! Which kernel: its version and its tick rate decide how its timers round.

use std::fmt;
use std::str::FromStr;

/// The version of a Linux kernel, as far as the behaviour of TCP's timers depends on it.
///
/// Reads what `uname -r` prints: `6.12.117+deb12-cloud-amd64`, `3.13.0-24-generic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelVersion {
    /// The 6 of 6.12.
    pub major: u32,
    /// The 12 of 6.12.
    pub minor: u32,
}

impl KernelVersion {
    /// The version `major.minor`.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Is this version `major.minor` or newer?
    pub const fn at_least(self, major: u32, minor: u32) -> bool {
        self.major > major || (self.major == major && self.minor >= minor)
    }

    /// Is a timer rounded by the timer wheel (since 4.8), and not by `apply_slack()`?
    pub const fn has_wheel(self) -> bool {
        self.at_least(4, 8)
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A text that does not begin with the version of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoVersion(String);

impl fmt::Display for NoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not the release of a kernel, such as `6.12.117-amd64`", self.0)
    }
}

impl std::error::Error for NoVersion {}

impl FromStr for KernelVersion {
    type Err = NoVersion;

    fn from_str(release: &str) -> Result<Self, NoVersion> {
        let mut numbers = release.splitn(3, '.').map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse().ok()
        });
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(NoVersion(release.to_owned())),
        }
    }
}

/// A kernel: what it knows, and how finely it counts time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// Its version.
    pub version: KernelVersion,
    /// `CONFIG_HZ`: ticks a second, 100 to 1000.
    pub hz: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_read_as_uname_prints_it() {
        let version = |release: &str| release.parse::<KernelVersion>().map(|v| (v.major, v.minor));
        assert_eq!(version("6.12.117+deb12-cloud-amd64"), Ok((6, 12)));
        assert_eq!(version("3.13.0-24-generic"), Ok((3, 13)));
        assert_eq!(version("7.3-rc1"), Ok((7, 3)));
        assert_eq!(version("7.3+deb14"), Ok((7, 3)));
        for bad in ["", "6", "six.1", ".1", "6.", "-6.1"] {
            assert_eq!(version(bad), Err(NoVersion(bad.to_owned())), "{bad:?}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number_not_by_text() {
        let [old, new] = ["5.9", "5.10"].map(|v| v.parse::<KernelVersion>().unwrap());
        assert!(old < new && new.at_least(5, 9) && !old.at_least(5, 10) && new.at_least(4, 19));
    }
}
