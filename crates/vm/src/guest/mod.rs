//! The inside of a guest: what this program does where it is the first process of a kernel.

mod channel;
mod modules;
mod mounts;

use std::fs;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::reboot::{RebootMode, reboot};

pub use self::channel::Channel;
pub(crate) use self::channel::PARAMETER;
use crate::initramfs::JOB;

/// Why a guest could not begin its job.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// A file system of the kernel's.
    #[error("could not mount {kind} on {on}: {errno}")]
    Mount {
        /// Its kind, such as `proc`.
        kind: &'static str,
        /// The mount point.
        on: &'static str,
        /// What the kernel said.
        errno: Errno,
    },
    /// A kernel module.
    #[error("the kernel refused the module {name}: {errno}")]
    Module {
        /// Its name.
        name: String,
        /// What the kernel said.
        errno: Errno,
    },
    /// A file.
    #[error("could not {doing} {path}: {source}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Whether this process is the first of a guest that [`crate::Machine`] has started.
pub fn is_init() -> bool {
    std::process::id() == 1 && Path::new(JOB).exists()
}

/// Does what an init must, hands the job and the channel to `work`, and switches the machine off.
///
/// What goes wrong is said on the console, of which the host keeps a log.
pub fn run_as_init(work: impl FnOnce(Vec<u8>, Channel)) -> ! {
    match begin() {
        Ok((job, channel)) => work(job, channel),
        Err(error) => eprintln!("keepalive-lab: {error}"),
    }
    // The host runs QEMU with `-no-reboot`: a restart ends the machine, and needs no ACPI.
    match reboot(RebootMode::RB_AUTOBOOT) {
        Ok(never) => match never {},
        Err(errno) => panic!("the first process may restart the machine: {errno}"),
    }
}

fn begin() -> Result<(Vec<u8>, Channel), GuestError> {
    mounts::mount_all()?;
    modules::load_all()?;
    let job = fs::read(JOB).map_err(|source| GuestError::File { doing: "read", path: JOB.into(), source })?;
    let cmdline = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    Ok((job, Channel::open(&cmdline)?))
}
