//! The real programs, for the lines that are not translated.

use std::fmt;
use std::io::{self, Read, Write};
use std::iter;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keepalive_lab_clock::Monotonic;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::error::FirewallError;
use super::netlink::{Commits, Listening};
use crate::Namespace;

/// How long a program may take for one line. It takes about a millisecond; a loaded machine needs more.
const PATIENCE: Duration = Duration::from_secs(10);

/// A program that takes firewall rules on its standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    /// iptables-restore(8).
    Iptables,
    /// ip6tables-restore(8).
    Ip6tables,
    /// nft(8).
    Nft,
}

impl Program {
    /// Every program.
    pub const ALL: [Self; 3] = [Self::Iptables, Self::Ip6tables, Self::Nft];

    /// The name people know it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iptables => "iptables",
            Self::Ip6tables => "ip6tables",
            Self::Nft => "nft",
        }
    }

    /// The Debian package that holds it.
    pub const fn package(self) -> &'static str {
        match self {
            Self::Iptables | Self::Ip6tables => "iptables",
            Self::Nft => "nftables",
        }
    }

    /// The files that serve, best first. The variants that speak nftables come first: their rules can
    /// be seen, counted and removed through netlink.
    const fn files(self) -> &'static [&'static str] {
        match self {
            Self::Iptables => &["iptables-nft-restore", "iptables-restore"],
            Self::Ip6tables => &["ip6tables-nft-restore", "ip6tables-restore"],
            Self::Nft => &["nft"],
        }
    }

    const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Iptables | Self::Ip6tables => &["--noflush"],
            Self::Nft => &["-f", "-"],
        }
    }

    /// Where it is: in the folders of `PATH`, or in those for administration, which are not in the
    /// `PATH` of a plain user on Debian.
    pub fn find(self) -> Result<PathBuf, ProgramMissing> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> =
            std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect();
        let found = self.files().iter().find_map(|file| {
            folders.iter().map(|folder| folder.join(file)).find(|candidate| candidate.is_file())
        });
        found.ok_or_else(|| self.missing("it is not installed".to_owned()))
    }

    /// Finds it and runs it with `--version`; returns what it says of itself: `nftables v1.0.6 (..)`.
    pub fn version(self) -> Result<String, ProgramMissing> {
        let path = self.find()?;
        let told = Command::new(&path)
            .arg("--version")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .map_err(|error| self.missing(format!("{} could not be run: {error}", path.display())))?;
        if told.status.success() {
            Ok(String::from_utf8_lossy(&told.stdout).trim().to_owned())
        } else {
            Err(self.missing(format!("{} --version ended with {}", path.display(), told.status)))
        }
    }

    const fn missing(self, why: String) -> ProgramMissing {
        ProgramMissing { program: self, why }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A program that a line needs can't be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program `{program}` is needed: {why} (Debian package `{}`)", program.package())]
pub struct ProgramMissing {
    /// The program.
    pub program: Program,
    /// What stands in the way.
    pub why: String,
}

/// A program started in a namespace, waiting for its line.
///
/// Only this process holds the other end of its standard input (made by std with `O_CLOEXEC`), so it
/// reads an end of file and leaves should this process be killed. Dropped unfed, it is killed and
/// reaped.
#[derive(Debug)]
pub(super) struct Waiting {
    program: Program,
    child: Child,
}

impl Waiting {
    /// Starts `program` in `namespace`. `lock` is the file that iptables-legacy takes a lock on, in
    /// place of one under /run that may not be writable and that all namespaces would share.
    pub(super) fn start(program: Program, namespace: &Namespace, lock: &Path) -> Result<Self, FirewallError> {
        let path = program.find()?;
        let mut command = Command::new(&path);
        command
            .args(program.arguments())
            .env("XTABLES_LOCKFILE", lock)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // The child is born in the network namespace of the thread that makes it.
        let child = namespace.enter(|| command.spawn())?;
        let child = child
            .map_err(|error| program.missing(format!("{} could not be run: {error}", path.display())))?;
        Ok(Self { program, child })
    }

    /// Gives the program its input and waits until it is through. Returns by when what it did was in
    /// force: the last commit that was heard of, or, where the kernel tells of none (iptables-legacy),
    /// the end of the program.
    ///
    /// After a deletion the program takes 10 to 30 ms more to end, see [`Commits`].
    pub(super) fn feed(mut self, input: &str, commits: &mut Commits) -> Result<Monotonic, FirewallError> {
        let program = self.program;
        let failed = |said: String| FirewallError::ProgramFailed { program, input: input.to_owned(), said };
        // If it can't be heard of, the moment is only told less precisely.
        let mut in_force = InForce { commits: commits.listen().ok(), since: None };
        let mut stdin = self.child.stdin.take().expect("the standard input is a pipe");
        let written = stdin.write_all(input.as_bytes());
        drop(stdin);
        let said = self.stderr(&mut in_force).map_err(|error| failed(error.to_string()))?;
        let status = self.child.wait().map_err(|error| failed(error.to_string()))?;
        let ended = Monotonic::now();
        match written {
            _ if !status.success() => {
                Err(failed(if said.is_empty() { format!("it ended with {status}") } else { said }))
            }
            Err(error) => Err(failed(format!("it did not take its input: {error}"))),
            Ok(()) => Ok(in_force.since.unwrap_or(ended)),
        }
    }

    /// Reads what the program complains of until it closes its standard error, for [`PATIENCE`].
    /// Meanwhile notes what is in force.
    fn stderr(&mut self, in_force: &mut InForce) -> io::Result<String> {
        let mut stderr = self.child.stderr.take().expect("the standard error is a pipe");
        let deadline = Instant::now() + PATIENCE;
        let mut said = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let commits =
                in_force.commits.as_ref().map(|commits| PollFd::new(commits.as_fd(), PollFlags::POLLIN));
            let mut waited_for: Vec<PollFd<'_>> =
                iter::once(PollFd::new(stderr.as_fd(), PollFlags::POLLIN)).chain(commits).collect();
            match poll(&mut waited_for, timeout) {
                Err(nix::errno::Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
                Ok(0) => {
                    return Err(io::Error::other(format!("it did not end within {} s", PATIENCE.as_secs())));
                }
                Ok(_) => {}
            }
            let readable = waited_for[0].any().unwrap_or(true);
            in_force.note(Monotonic::now());
            if !readable {
                continue;
            }
            match stderr.read(&mut chunk)? {
                0 => return Ok(String::from_utf8_lossy(&said).trim().to_owned()),
                length => said.extend_from_slice(&chunk[..length]),
            }
        }
    }
}

/// What is known of what a program has put in force.
struct InForce<'a> {
    /// `None` where commits can't be heard of.
    commits: Option<Listening<'a>>,
    since: Option<Monotonic>,
}

impl InForce<'_> {
    /// Notes whether there was a commit by `now`.
    fn note(&mut self, now: Monotonic) {
        match self.commits.as_ref().map(Listening::take) {
            Some(Ok(true)) => self.since = Some(now),
            Some(Ok(false)) | None => {}
            // Something was missed, perhaps the last commit.
            Some(Err(_)) => *self = Self { commits: None, since: None },
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Both fail if the program has ended and was waited for, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_its_package() {
        let missing = Program::Ip6tables.missing("it is not installed".to_owned());
        assert_eq!(
            missing.to_string(),
            "the program `ip6tables` is needed: it is not installed (Debian package `iptables`)"
        );
    }
}
