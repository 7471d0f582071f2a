//! The machine: QEMU, started, watched and never left behind.

mod command;
pub mod console;
pub mod keeper;
mod lines;
mod qmp;
mod saved;

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;
use nix::unistd::dup;

use self::command::Life;
use self::lines::Lines;
use self::qmp::Qmp;
pub use self::saved::Saved;
use crate::initramfs::Initramfs;

/// The program that is the machine (Debian package `qemu-system-x86`).
pub const QEMU: &str = "qemu-system-x86_64";

/// How often the guest's file is looked at while nothing comes.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A machine that could be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The kernel: a bzImage, or an uncompressed ELF with the PVH note, which saves the guest the unpacking.
    pub kernel: PathBuf,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Its clock.
    pub clock: MachineClock,
    /// The device by which it tells the host.
    pub channel: Channel,
}

/// The clock of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineClock {
    /// One instruction is one nanosecond, and waiting costs nothing.
    Virtual,
    /// The host's time.
    Real(Accelerator),
}

/// Who carries out the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// The processor itself (`/dev/kvm`).
    Kvm,
    /// QEMU's translator: slower, and everywhere.
    Tcg,
}

/// The device by which a guest tells the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// virtio-serial: needs the modules `virtio_pci` and `virtio_console`.
    VirtioSerial,
    /// A second serial port: every kernel has it, but each byte is a trap.
    Serial,
}

/// Why there is no machine.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// QEMU is not installed.
    #[error("{QEMU} is not installed")]
    QemuMissing,
    /// The machine did not come to where it can be saved, or could not go on from there.
    #[error("could not {doing}: {said}")]
    Saved {
        /// What was tried.
        doing: &'static str,
        /// What QEMU or the guest said.
        said: String,
    },
    /// QEMU, or what it needs, could not be started.
    #[error("could not {doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl MachineError {
    fn doing(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

/// A machine that runs. Dropping it ends it; it also ends with the thread that started it, however that ends.
#[derive(Debug)]
pub struct Guest {
    child: Child,
    /// Held open: QEMU goes on telling of events.
    qmp: Option<Qmp>,
    ended: Option<ExitStatus>,
    lines: Lines,
    console: File,
    complaints: File,
}

/// What came of waiting for a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A line it sent.
    Line(String),
    /// Nothing in this time; it goes on.
    Nothing,
    /// It has ended, and this was all.
    Over,
}

/// The version of QEMU, such as `7.2.22`; an error where there is none.
pub fn qemu_version() -> Result<String, MachineError> {
    let output = Command::new(QEMU).arg("--version").stdin(Stdio::null()).output();
    let output = output.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => MachineError::QemuMissing,
        _ => MachineError::Io { doing: "ask QEMU for its version", source },
    })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().skip_while(|word| *word != "version").nth(1);
    Ok(version.unwrap_or("unknown").to_owned())
}

impl Machine {
    /// Boots it with this initramfs, in which the job is. What it sends is held in an unnamed file in `folder`, or in
    /// memory where that file system has no unnamed files.
    ///
    /// `keeper` is an executable whose `main` calls [`keeper::run_if_asked`] first. The machine lives at most as
    /// long as the calling thread.
    pub fn start(&self, initramfs: &Initramfs, folder: &Path, keeper: &Path) -> Result<Guest, MachineError> {
        let mut archive = in_memory("initramfs")?;
        initramfs.write(&mut archive).map_err(MachineError::doing("write the guest's initramfs"))?;
        self.spawn(&archive, folder, keeper, Life::Boot)
    }

    fn spawn(&self, archive: &File, folder: &Path, keeper: &Path, life: Life) -> Result<Guest, MachineError> {
        let output = unnamed_in(folder).or_else(|_| in_memory("channel"))?;
        let (console, complaints) = (in_memory("console")?, in_memory("complaints")?);
        let (initrd_end, output_end, console_end) = (heir(archive)?, heir(&output)?, heir(&console)?);
        // Only a machine that is saved or resumed is talked to.
        let pipe = || if matches!(life, Life::Boot) { Stdio::null() } else { Stdio::piped() };
        let (stdin, stdout) = (pipe(), pipe());
        let files = command::Files {
            initramfs: path_of(&initrd_end),
            output: path_of(&output_end),
            console: path_of(&console_end),
            life,
        };
        let child = Command::new(keeper)
            .args(keeper::arguments())
            .args(command::arguments(self, &files))
            .stdin(stdin)
            .stdout(stdout)
            .stderr(complaints.try_clone().map_err(MachineError::doing("start QEMU"))?)
            // Out of reach of the terminal's SIGINT: the run is to end it, in order.
            .process_group(0)
            .spawn()
            .map_err(MachineError::doing("start QEMU"))?;
        Ok(Guest { child, qmp: None, ended: None, lines: Lines::of(output), console, complaints })
    }
}

impl Guest {
    /// Waits for the next line, at most this long.
    pub fn next(&mut self, timeout: Duration) -> io::Result<Next> {
        let deadline = Instant::now() + timeout;
        loop {
            // First whether it has ended, then what it wrote: else its last lines could be missed.
            let is_over = self.is_over()?;
            if let Some(line) = self.lines.next()? {
                return Ok(Next::Line(line));
            }
            if is_over {
                return Ok(Next::Over);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Next::Nothing);
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
    }

    /// Ends it at once; what it has sent can still be read.
    pub fn kill(&mut self) -> io::Result<()> {
        if !self.is_over()? {
            self.child.kill()?;
            self.ended = Some(self.child.wait()?);
        }
        Ok(())
    }

    /// The signal that ended QEMU, if it has ended by one.
    pub fn ended_by(&self) -> Option<Signal> {
        Signal::try_from(self.ended?.signal()?).ok()
    }

    /// The process number of QEMU.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The log of its console up to now: the kernel's messages.
    pub fn console(&self) -> String {
        lines::text_of(&self.console)
    }

    /// What QEMU itself complained of.
    pub fn complaints(&self) -> String {
        lines::text_of(&self.complaints)
    }

    fn is_over(&mut self) -> io::Result<bool> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended.is_some())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // It is killed with this thread in any case; there is nobody to tell that it is gone already.
        let _ = self.kill();
    }
}

fn in_memory(name: &str) -> Result<File, MachineError> {
    let made = memfd_create(name, MFdFlags::MFD_CLOEXEC);
    made.map(File::from).map_err(|errno| MachineError::doing("make a file in memory")(errno.into()))
}

fn unnamed_in(folder: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_TMPFILE.bits()).mode(0o600).open(folder)
}

/// A descriptor of the same file that a child inherits: `dup(2)` gives one without close-on-exec.
fn heir(file: &File) -> Result<OwnedFd, MachineError> {
    dup(file).map_err(|errno| MachineError::doing("hand a file to QEMU")(errno.into()))
}

/// The path by which the child opens what it has inherited.
fn path_of(descriptor: &OwnedFd) -> OsString {
    format!("/proc/self/fd/{}", descriptor.as_raw_fd()).into()
}
