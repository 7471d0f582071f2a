//! The inside of a guest: what this program does where it is the first process of a kernel.

mod channel;
mod modules;
mod mounts;

use std::fs;
use std::io;
use std::path::Path;

use keepalive_lab_bare as bare;
use nix::errno::Errno;
use nix::sys::reboot::{RebootMode, reboot};

pub use self::channel::Channel;
pub(crate) use self::channel::PARAMETER;
use crate::initramfs::{JOB, LATE_MODULES, MODULES};

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
    /// It could not have itself paused.
    #[error("could not have this guest paused: {0}")]
    Pause(Errno),
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

/// On the kernel's command line: the guest has itself paused before it asks for its job, so that it can be saved.
pub(crate) const PAUSE: &str = "keepalive_lab.pause";

/// Where a guest that was saved and goes on finds its job (`drivers/firmware/qemu_fw_cfg.c`).
const JOB_OF_THE_HOST: &str = "/sys/firmware/qemu_fw_cfg/by_name/opt/keepalive-lab/job/raw";

/// Whether this process is the first of a guest that [`crate::Machine`] has started.
pub fn is_init() -> bool {
    std::process::id() == 1 && Path::new(MODULES).is_dir() && Path::new(LATE_MODULES).is_dir()
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
    modules::load_all(MODULES)?;
    let cmdline = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let mut job = JOB;
    if cmdline.split_whitespace().any(|word| word == PAUSE) {
        // Here the host saves the machine. All that comes after happens anew each time it is resumed.
        bare::pause_this_guest().map_err(GuestError::Pause)?;
        modules::load_all(LATE_MODULES)?;
        job = JOB_OF_THE_HOST;
    }
    let bytes =
        fs::read(job).map_err(|source| GuestError::File { doing: "read", path: job.into(), source })?;
    Ok((bytes, Channel::open(&cmdline)?))
}
