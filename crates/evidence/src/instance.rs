//! A private instance of the kernel's tracing system: buffers, filters and a clock of its own, unseen
//! by other users of tracing (`Documentation/trace/ftrace.rst`, "Instances").

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::tracefs::Tracefs;

/// Names of instances are `keepalive-lab-PID-STARTTIME-NUMBER`.
const PREFIX: &str = "keepalive-lab-";

/// How long the removal may be refused because a descriptor just closed is still being released.
const BUSY_FOR: Duration = Duration::from_secs(1);

/// Tells the instances of one process apart.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A directory of `instances/`; removed when dropped, with all events that it has enabled.
///
/// The removal fails while a file of it is open: whoever opened one closes it first.
#[derive(Debug)]
pub(crate) struct Instance {
    tracefs: Tracefs,
    name: Name,
}

/// Who made an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    pid: u32,
    start_time: u64,
    number: u32,
}

impl Name {
    /// For this process, different at each call.
    fn own() -> io::Result<Self> {
        let pid = process::id();
        let start_time = start_time(pid).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Self { pid, start_time, number: NUMBER.fetch_add(1, Ordering::Relaxed) })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.strip_prefix(PREFIX)?.splitn(3, '-');
        Some(Self {
            pid: numbers.next()?.parse().ok()?,
            start_time: numbers.next()?.parse().ok()?,
            number: numbers.next()?.parse().ok()?,
        })
    }

    fn directory(self) -> PathBuf {
        let Self { pid, start_time, number } = self;
        Path::new("instances").join(format!("{PREFIX}{pid}-{start_time}-{number}"))
    }

    fn is_alive(self) -> bool {
        start_time(self.pid) == Some(self.start_time)
    }
}

impl Instance {
    pub(crate) fn create(tracefs: Tracefs) -> io::Result<Self> {
        let name = Name::own()?;
        fs::create_dir(tracefs.path(name.directory()))?;
        Ok(Self { tracefs, name })
    }

    fn path(&self, file: &str) -> PathBuf {
        self.tracefs.path(self.name.directory()).join(file)
    }

    pub(crate) fn exists(&self, file: &str) -> bool {
        self.path(file).exists()
    }

    pub(crate) fn write(&self, file: &str, text: &str) -> io::Result<()> {
        self.open(file, OpenOptions::new().write(true))?.write_all(text.as_bytes())
    }

    pub(crate) fn open(&self, file: &str, options: &OpenOptions) -> io::Result<File> {
        options.open(self.path(file))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let started = Instant::now();
        // What is refused to the end is left for the next run to sweep.
        while let Err(error) = fs::remove_dir(self.path("")) {
            let busy = error.raw_os_error() == Some(Errno::EBUSY as i32);
            if !busy || started.elapsed() > BUSY_FOR {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Removes the instances of processes that no longer live (they were killed), and returns how many.
///
/// An instance whose owner lives where this process cannot see it (another PID namespace) is safe:
/// its open `trace_pipe` makes the kernel refuse the removal.
pub(crate) fn sweep(tracefs: &Tracefs) -> usize {
    let entries = fs::read_dir(tracefs.path("instances")).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| Name::parse(entry.file_name().to_str()?));
    let dead = names.filter(|name| !name.is_alive());
    dead.filter(|name| fs::remove_dir(tracefs.path(name.directory())).is_ok()).count()
}

/// When a process started, in clock ticks since boot: tells it from a later one with its number.
///
/// Field 22 of `/proc/PID/stat`, see `proc_pid_stat(5)`; `None` if there is no such process.
fn start_time(pid: u32) -> Option<u64> {
    // The program's name need not be UTF-8.
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_start_time(&String::from_utf8_lossy(&stat))
}

/// The second field is the program's name in brackets, which may itself hold brackets and spaces.
fn parse_start_time(stat: &str) -> Option<u64> {
    const FIELD: usize = 22;
    const FIRST_AFTER_NAME: usize = 3;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    fields.nth(FIELD - FIRST_AFTER_NAME)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_start_time_is_found_behind_a_strange_program_name() {
        let stat = "42 (a) S (b)) R 1 42 42 0 -1 4194304 94 0 0 0 0 0 0 0 20 0 1 0 123456 2625536 240 18446744073709551615";
        assert_eq!(parse_start_time(stat), Some(123_456));
        assert_eq!(parse_start_time("42 (a"), None);
        assert_eq!(parse_start_time("42 (a) R 1"), None);
    }

    #[test]
    fn a_process_is_told_from_an_earlier_one_with_its_number() {
        let own = Name::own().expect("this process has a start time");
        assert!(own.is_alive());
        assert!(!Name { start_time: own.start_time + 1, ..own }.is_alive());
        assert!(!Name { pid: u32::MAX, ..own }.is_alive());
        assert_ne!(Name::own().expect("again"), own);
    }

    #[test]
    fn foreign_instances_are_left_alone() {
        for name in [
            "",
            "keepalive-lab",
            "keepalive-lab-",
            "keepalive-lab-1",
            "keepalive-lab-1-2",
            "keepalive-lab-1-2-x",
            "perf-1-2-3",
        ] {
            assert_eq!(Name::parse(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_read_as_it_was_written(pid in any::<u32>(), start_time in any::<u64>(), number in any::<u32>()) {
            let name = Name { pid, start_time, number };
            let directory = name.directory();
            let file = directory.file_name().and_then(|file| file.to_str()).expect("a name");
            prop_assert_eq!(Name::parse(file), Some(name));
        }
    }
}
