//! The kernel's tracing file system, found or mounted where nobody sees it.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::sys::statfs::{FsType, fstatfs};

/// Where tracefs is mounted on most machines.
const USUAL: &str = "/sys/kernel/tracing";

/// Directories that can be mounted over where nobody sees it; the first that exists.
const MOUNT_POINTS: [&str; 3] = [USUAL, "/sys", "/mnt"];

/// `TRACEFS_MAGIC` of `linux/magic.h`.
const MAGIC: FsType = FsType(0x7472_6163);

/// The root directory of tracefs, held by this descriptor alone where it was not mounted already.
#[derive(Debug)]
pub(crate) struct Tracefs(OwnedFd);

/// Why tracefs is out of reach: what was tried, and the system's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenError {
    pub(crate) step: &'static str,
    pub(crate) errno: Errno,
}

impl Tracefs {
    /// Opens tracefs; costs a few milliseconds where it has to be mounted.
    pub(crate) fn open() -> Result<Self, OpenError> {
        let opening = |errno| OpenError { step: "opening /sys/kernel/tracing", errno };
        match open_directory(USUAL) {
            Ok(directory) if is_tracefs(&directory) => Ok(Self(directory)),
            // There is only one tracefs: a second mount shows the same.
            Ok(_) | Err(Errno::ENOENT) => mount_unseen().map(Self),
            Err(errno) => Err(opening(errno)),
        }
    }

    /// The path of a file of tracefs, good for this process while the value lives.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd())).join(relative)
    }
}

fn open_directory(path: &str) -> Result<OwnedFd, Errno> {
    open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

fn is_tracefs(directory: &OwnedFd) -> bool {
    fstatfs(directory).is_ok_and(|status| status.filesystem_type() == MAGIC)
}

/// Mounts tracefs in a mount namespace of a thread that ends at once: the descriptor keeps the file
/// system usable, and no path leads to it. With the process it is gone, also after `kill -9`.
fn mount_unseen() -> Result<OwnedFd, OpenError> {
    let failed = |step| move |errno| OpenError { step, errno };
    let mounting = || {
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS)
            .map_err(failed("making a mount namespace (unshare CLONE_NEWNS)"))?;
        let nothing = None::<&str>;
        // Otherwise the mount would spread to the namespace that this one was copied from.
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
            .map_err(failed("making mounts private (mount MS_PRIVATE)"))?;
        let point = MOUNT_POINTS
            .into_iter()
            .find(|point| Path::new(point).is_dir())
            .ok_or(OpenError { step: "finding a directory to mount tracefs on", errno: Errno::ENOENT })?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("tracefs"), point, Some("tracefs"), flags, nothing).map_err(failed("mounting tracefs"))?;
        open_directory(point).map_err(failed("opening the mounted tracefs"))
    };
    thread::scope(|scope| {
        thread::Builder::new()
            .name("tracefs".into())
            .spawn_scoped(scope, mounting)
            .map_err(|_| OpenError { step: "starting a thread", errno: Errno::EAGAIN })?
            .join()
            .expect("the thread does not panic")
    })
}
