//! Network namespaces held by file descriptors alone.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::fstat;

/// The path that names the calling thread's own network namespace; see `namespaces(7)`.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace kept alive by this descriptor alone: no name under /run, gone with the last
/// descriptor (and the last socket made in it).
#[derive(Debug)]
pub struct Namespace(OwnedFd);

/// Why a namespace could not be made, or entered.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// `unshare(CLONE_NEWNET)` failed: no privilege (`EPERM`) or too many namespaces (`ENOSPC`).
    #[error("could not create a network namespace (unshare CLONE_NEWNET): {0}")]
    Create(#[source] Errno),
    /// The descriptor of a namespace could not be opened.
    #[error("could not open {OWN}: {0}")]
    Open(#[source] std::io::Error),
    /// `setns()` refused.
    #[error("could not enter the network namespace (setns): {0}")]
    Enter(#[source] Errno),
}

impl Namespace {
    /// A new, empty namespace: only `lo`, and that down. Costs about 0.35 ms.
    pub fn new() -> Result<Self, EnterError> {
        Self::furnished(|| ()).map(|(namespace, ())| namespace)
    }

    /// A new namespace, and what `f` made in it before the calling thread came back.
    ///
    /// Saves the `setns()` there and back of a later [`enter`](Self::enter).
    pub fn furnished<T>(f: impl FnOnce() -> T) -> Result<(Self, T), EnterError> {
        let home = Home::remember()?;
        unshare(CloneFlags::CLONE_NEWNET).map_err(EnterError::Create)?;
        let made = Self::current().map(|namespace| (namespace, f()));
        drop(home);
        made
    }

    /// The namespace the calling thread is in.
    pub fn current() -> Result<Self, EnterError> {
        File::open(OWN).map(|file| Self(file.into())).map_err(EnterError::Open)
    }

    /// The number that tells this namespace from all others alive: the inode behind
    /// `/proc/PID/ns/net`; see `namespaces(7)`.
    pub fn inode(&self) -> Result<u64, Errno> {
        fstat(&self.0).map(|status| status.st_ino)
    }

    /// Runs `f` with the calling thread inside this namespace, then brings the thread back.
    ///
    /// Sockets, netlink connections and child processes that `f` makes stay in the namespace for
    /// life. `f` must not be asynchronous: a task that moved to another thread would leave it.
    /// Entering and leaving cost two `setns()` and opening a file, some microseconds.
    pub fn enter<T>(&self, f: impl FnOnce() -> T) -> Result<T, EnterError> {
        let home = Home::remember()?;
        setns(&self.0, CloneFlags::CLONE_NEWNET).map_err(EnterError::Enter)?;
        let value = f();
        drop(home);
        Ok(value)
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Namespace {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Brings the thread back to the namespace it was in, also when the work inside panics.
struct Home(OwnedFd);

impl Home {
    fn remember() -> Result<Self, EnterError> {
        Namespace::current().map(|namespace| Self(namespace.0))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(errno) = setns(&self.0, CloneFlags::CLONE_NEWNET) {
            // A thread lost in a foreign namespace would do all its later work on the wrong
            // network. A panic alone could be caught, so it only tells why the process ends.
            let _end = AbortOnDrop;
            panic!("could not return to the home network namespace (setns): {errno}");
        }
    }
}

/// Ends the process when it goes out of scope, after a panic has told its message.
struct AbortOnDrop;

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        std::process::abort();
    }
}
