//! A machine that was booted once, saved, and goes on from there as often as is wanted.
//!
//! Every run goes on from the saved state, the first one too, so that it makes no difference which run it was that
//! booted. The guest itself says where it is to be saved, by an instruction ([`keepalive_lab_bare::pause_this_guest`]),
//! so that it is the same instant of its time each time it is booted; and its job comes through a device that answers
//! within the instruction that asks (`fw_cfg`). Two states saved apart may differ by some microseconds: while one is
//! saved, QEMU cannot record (see the command line), which makes the rest exact.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use super::command::{self, Files, Life};
use super::qmp::Qmp;
use super::{Guest, Machine, MachineError, heir, in_memory, path_of};
use crate::initramfs::Initramfs;

/// What saved machines may take of the disk in all; those not used for longest go first. One takes 70 to 100 MB.
const KEPT_BYTES: u64 = 1 << 30;

/// How often QEMU is asked whether it is done with writing or reading a state.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// A machine in a folder of saved machines, saved or about to be.
#[derive(Debug)]
pub struct Saved {
    machine: Machine,
    archive: File,
    path: PathBuf,
}

impl Saved {
    /// Looks where the state of this machine with this initramfs is, or will be, in `folder` (made where it is not
    /// there). Another kernel, program, module, version of QEMU or size of memory makes it another machine.
    pub fn of(
        machine: &Machine,
        initramfs: &Initramfs,
        qemu: &str,
        folder: &Path,
    ) -> Result<Self, MachineError> {
        fs::create_dir_all(folder).map_err(MachineError::doing("make the folder of saved machines"))?;
        let mut archive = in_memory("initramfs")?;
        let mut bytes = Vec::new();
        initramfs.write(&mut bytes).map_err(MachineError::doing("write the guest's initramfs"))?;
        archive.write_all(&bytes).map_err(MachineError::doing("write the guest's initramfs"))?;
        let identity = identity(machine, &bytes, qemu).map_err(MachineError::doing("look at the kernel"))?;
        Ok(Self { machine: machine.clone(), archive, path: folder.join(format!("{identity:016x}.state")) })
    }

    /// Whether it was saved already.
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Forgets the state: the next run boots and saves anew.
    pub fn forget(&self) {
        // Where it cannot be removed it could not have been used either.
        let _ = fs::remove_file(&self.path);
    }

    /// Boots the machine up to where it asks for its job and saves it there. Blocks for some seconds; longer than
    /// `patience`, or once it `is_unwanted`, it is given up.
    pub fn save(
        &self,
        keeper: &Path,
        patience: Duration,
        is_unwanted: &dyn Fn() -> bool,
    ) -> Result<(), MachineError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut guest = self.machine.spawn(&self.archive, folder, keeper, Life::Save)?;
        let draft = folder.join(draft_name(&self.name()));
        let saved = within(patience, is_unwanted, &mut guest, |qmp| {
            qmp.wait_for("GUEST_PANICKED")?;
            // The path goes through a shell.
            let quoted = draft.to_string_lossy().replace('\'', r"'\''");
            qmp.ask("migrate", &json!({ "uri": format!("exec:cat > '{quoted}'") }))?;
            loop {
                match qmp.ask("query-migrate", &json!({}))?["status"].as_str() {
                    Some("completed") => return Ok(()),
                    Some("failed") => return Err(io::Error::other("the state could not be written")),
                    _ => thread::sleep(ASK_EVERY),
                }
            }
        });
        let kept = saved.and_then(|()| {
            guest.kill()?;
            fs::rename(&draft, &self.path)
        });
        if let Err(error) = kept {
            let _ = fs::remove_file(&draft);
            return Err(told("save a booted machine", &error, &mut guest));
        }
        prune(folder, &self.path);
        Ok(())
    }

    /// Has it go on from the saved state with this job.
    pub fn resume(&self, job: &[u8], folder: &Path, keeper: &Path) -> Result<Guest, MachineError> {
        const DOING: &str = "resume a saved machine";
        let state = File::open(&self.path).map_err(MachineError::doing(DOING))?;
        // Marks it as used; who may only read it is not the one who prunes.
        let _ = state.set_modified(SystemTime::now());
        let mut packed = in_memory("job")?;
        packed.write_all(job).map_err(MachineError::doing(DOING))?;
        let (job_end, state_end) = (heir(&packed)?, heir(&state)?);
        let life = Life::Resume { job: path_of(&job_end), state: state_end.as_raw_fd() };
        let mut guest = self.machine.spawn(&self.archive, folder, keeper, life)?;
        drop((job_end, state_end));
        let resumed = Qmp::with(&mut guest.child).and_then(|mut qmp| {
            while qmp.ask("query-status", &json!({}))?["status"] == "inmigrate" {
                thread::sleep(ASK_EVERY);
            }
            qmp.ask("cont", &json!({})).map(|_| qmp)
        });
        match resumed {
            Ok(qmp) => {
                guest.qmp = Some(qmp);
                Ok(guest)
            }
            Err(error) => Err(told(DOING, &error, &mut guest)),
        }
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Talks to QEMU on another thread, and kills it if that takes longer, or once nobody wants it any more.
fn within(
    patience: Duration,
    is_unwanted: &dyn Fn() -> bool,
    guest: &mut Guest,
    talk: impl FnOnce(&mut Qmp) -> io::Result<()> + Send,
) -> io::Result<()> {
    let mut qmp = Qmp::with(&mut guest.child)?;
    let (done, wait) = mpsc::channel();
    thread::scope(|scope| {
        let talking = scope.spawn(move || {
            let talked = talk(&mut qmp);
            let _ = done.send(());
            talked
        });
        let deadline = Instant::now() + patience;
        let given_up = loop {
            match wait.recv_timeout(ASK_EVERY) {
                Err(RecvTimeoutError::Timeout) if is_unwanted() => break Some(io::ErrorKind::Interrupted),
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(RecvTimeoutError::Timeout) => break Some(io::ErrorKind::TimedOut),
                // A talk that panicked is over as well.
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        if given_up.is_some() {
            // Ends the talk too: its pipes close.
            guest.kill()?;
        }
        let talked = talking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        given_up.map_or(talked, |why| Err(why.into()))
    })
}

fn told(doing: &'static str, error: &io::Error, guest: &mut Guest) -> MachineError {
    let _ = guest.kill();
    let of_guest = super::console::reason(&guest.console());
    let complaints = guest.complaints();
    let of_qemu = complaints.lines().find(|line| !line.trim().is_empty()).map(str::to_owned);
    MachineError::Saved { doing, said: of_guest.or(of_qemu).unwrap_or_else(|| error.to_string()) }
}

/// A number for all that makes a machine what it is.
fn identity(machine: &Machine, archive: &[u8], qemu: &str) -> io::Result<u64> {
    let kernel = fs::metadata(&machine.kernel)?;
    let files = Files {
        initramfs: OsString::new(),
        output: OsString::new(),
        console: OsString::new(),
        life: Life::Save,
    };
    let mut hasher = DefaultHasher::new();
    for word in command::arguments(machine, &files) {
        hasher.write(word.as_bytes());
        hasher.write_u8(0);
    }
    hasher.write(OsStr::new(qemu).as_bytes());
    hasher.write_u64(kernel.len());
    hasher.write_i64(kernel.mtime());
    hasher.write_i64(kernel.mtime_nsec());
    hasher.write(archive);
    Ok(hasher.finish())
}

/// The name of a state while it is written: it tells by whom.
fn draft_name(name: &str) -> String {
    format!(".{}-{name}", std::process::id())
}

/// Whether this is the draft of a process that is gone.
fn is_abandoned(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let writer = name.strip_prefix('.').and_then(|name| name.split_once('-')).map(|(pid, _)| pid.to_owned());
    writer.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
}

/// Removes what killed runs have left in the folder, and states, those not used for longest first, until the rest takes
/// at most [`KEPT_BYTES`].
fn prune(folder: &Path, but: &Path) {
    let entries = || fs::read_dir(folder).into_iter().flatten().flatten();
    for draft in entries().map(|entry| entry.path()).filter(|path| is_abandoned(path)) {
        // What another run has removed meanwhile is gone as well.
        let _ = fs::remove_file(draft);
    }
    let mut states: Vec<(SystemTime, u64, PathBuf)> = entries()
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .collect();
    states.sort();
    let mut all: u64 = states.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in states.iter().filter(|(.., path)| path != but) {
        if all <= KEPT_BYTES {
            return;
        }
        let _ = fs::remove_file(path);
        all -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Channel, MachineClock};

    #[test]
    fn what_makes_a_machine_another_makes_its_state_another() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = folder.path().join("vmlinux");
        fs::write(&kernel, "kernel").unwrap();
        let machine =
            Machine { kernel, memory_mib: 256, clock: MachineClock::Virtual, channel: Channel::VirtioSerial };
        let one = identity(&machine, b"archive", "7.2").unwrap();
        assert_eq!(identity(&machine, b"archive", "7.2").unwrap(), one);
        let larger = Machine { memory_mib: 512, ..machine.clone() };
        let others = [
            identity(&machine, b"another archive", "7.2").unwrap(),
            identity(&machine, b"archive", "8.0").unwrap(),
            identity(&larger, b"archive", "7.2").unwrap(),
        ];
        assert!(others.iter().all(|other| *other != one));
        fs::write(&machine.kernel, "another kernel").unwrap();
        assert_ne!(identity(&machine, b"archive", "7.2").unwrap(), one);
    }

    #[test]
    fn the_states_not_used_for_longest_go_first_and_the_new_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let state = |name: &str, age: u64| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_len(KEPT_BYTES / 2).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
            folder.path().join(name)
        };
        let (old, older, new) = (state("old", 10), state("older", 20), state("new", 30));
        let (abandoned, own) = (state(".4194999-x.state", 0), state(&draft_name("x.state"), 0));
        for draft in [&abandoned, &own] {
            File::create(draft).unwrap();
        }
        prune(folder.path(), &new);
        assert!(
            !abandoned.exists() && own.exists(),
            "the draft of a process that is gone, and of one that is not"
        );
        assert!(new.exists() && old.exists() && !older.exists());
    }
}
