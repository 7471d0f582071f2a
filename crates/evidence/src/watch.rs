//! Watching the kernel decide on TCP sockets.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;

use crate::event::{ERROR_REPORT, Line, STATE_CHANGE, SocketEvent};
use crate::instance::{Instance, sweep};
use crate::tracefs::{OpenError, Tracefs};

/// What comes before the number of a marker.
const MARKER: &str = "keepalive-lab-marker ";

/// With more ports than this, all sockets of the machine are told of: the kernel limits the length
/// and the cost of a filter.
const PORTS_IN_FILTER: usize = 64;

/// How long an event waits to be read. The kernel has stamped it, so nothing is lost by waiting; but at
/// this moment the application is about to learn of the same thing, and reading would take its CPU.
const STAND_BACK: Duration = Duration::from_millis(2);

/// What the kernel tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelEvent {
    /// Something happened to a TCP socket.
    Socket(SocketEvent),
    /// So many events were overwritten before they could be read, or more.
    Lost(u64),
}

/// Why the kernel's own time stamps will be missing.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The machine's tracepoints are for root alone, outside any user namespace.
    #[error("only root may read the kernel's tracepoints ({step}: {errno})")]
    NotPermitted {
        /// What was tried.
        step: &'static str,
        /// The system's answer.
        errno: Errno,
    },
    /// The kernel was built without tracing.
    #[error("this kernel has no tracepoints (it was built without tracefs)")]
    NoTracefs,
    /// tracefs is out of reach for another reason.
    #[error("the kernel's tracepoints are out of reach ({step}: {errno})")]
    OutOfReach {
        /// What was tried.
        step: &'static str,
        /// The system's answer.
        errno: Errno,
    },
    /// The private instance could not be made or set up.
    #[error("the kernel's tracepoints could not be set up ({step}: {source})")]
    SetUp {
        /// What was tried.
        step: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl From<OpenError> for WatchError {
    fn from(OpenError { step, errno }: OpenError) -> Self {
        match errno {
            Errno::EPERM | Errno::EACCES => Self::NotPermitted { step, errno },
            Errno::ENODEV => Self::NoTracefs,
            _ => Self::OutOfReach { step, errno },
        }
    }
}

/// For `map_err`: what was being done when an error of the system came.
fn while_doing(step: &'static str) -> impl FnOnce(io::Error) -> WatchError {
    move |source| match source.raw_os_error().map(Errno::from_raw) {
        Some(errno @ (Errno::EPERM | Errno::EACCES)) => WatchError::NotPermitted { step, errno },
        _ => WatchError::SetUp { step, source },
    }
}

/// A reader of the kernel's tracepoints on a thread of its own. Dropping it stops the thread and
/// takes the tracepoints back.
#[derive(Debug)]
pub struct KernelWatch {
    progress: Arc<Progress>,
    markers: Mutex<Markers>,
    missing: Vec<&'static str>,
    swept: usize,
    // In the order they must go: the thread closes `trace_pipe`, then the instance can be removed.
    reader: Reader,
    instance: Option<Instance>,
}

/// How far the reader is.
#[derive(Debug, Default)]
struct Progress {
    /// The number of the last marker seen.
    marker: Mutex<u64>,
    marker_seen: Condvar,
    lost: AtomicU64,
}

#[derive(Debug)]
struct Markers {
    file: Option<File>,
    written: u64,
}

/// The reading thread; it ends when `stop` is closed.
#[derive(Debug)]
struct Reader {
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl KernelWatch {
    /// Begins to tell `sink` of the TCP sockets that use one of `ports` at either end, of all where
    /// `ports` is empty. Tracepoints see the whole machine: tell sockets by their addresses.
    ///
    /// Instances that killed processes have left are removed first. Blocks for about 30 ms. `sink`
    /// is called on the reading thread, some 2 ms after the event.
    pub fn start(ports: &[u16], sink: impl FnMut(KernelEvent) + Send + 'static) -> Result<Self, WatchError> {
        let tracefs = Tracefs::open()?;
        let swept = sweep(&tracefs);
        let instance = Instance::create(tracefs).map_err(while_doing("making a tracing instance"))?;
        let missing = set_up(&instance, ports)?;

        let marker = instance.open("trace_marker", OpenOptions::new().write(true));
        let marker = marker.map_err(while_doing("opening trace_marker"))?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
        let pipe = instance.open("trace_pipe", &options).map_err(while_doing("opening trace_pipe"))?;

        let progress = Arc::new(Progress::default());
        let reader = Reader::start(pipe, Arc::clone(&progress), sink);
        let reader = reader.map_err(while_doing("starting the reading thread"))?;
        let markers = Mutex::new(Markers { file: Some(marker), written: 0 });
        Ok(Self { progress, markers, missing, swept, reader, instance: Some(instance) })
    }

    /// The tracepoints that this kernel lacks, such as `sock:inet_sk_error_report` before 5.15.
    pub fn missing(&self) -> &[&'static str] {
        &self.missing
    }

    /// How many instances of killed processes were removed at the start.
    pub const fn swept(&self) -> usize {
        self.swept
    }

    /// Events that were overwritten before they could be read; 0 unless the machine is overwhelmed.
    pub fn lost(&self) -> u64 {
        self.progress.lost.load(Ordering::Relaxed)
    }

    /// Waits until `sink` has been told of everything that happened before this call, at most for
    /// `timeout`. Returns whether it has.
    pub fn flush(&self, timeout: Duration) -> bool {
        let Some(number) = self.write_marker() else { return false };
        let seen = self.progress.marker.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.progress.marker_seen.wait_timeout_while(seen, timeout, |seen| *seen < number);
        let (seen, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *seen >= number
    }

    /// Writes a line among the events; they are read in the order of their times.
    fn write_marker(&self) -> Option<u64> {
        let mut markers = self.markers.lock().unwrap_or_else(PoisonError::into_inner);
        markers.written += 1;
        let number = markers.written;
        markers.file.as_mut()?.write_all(format!("{MARKER}{number}\n").as_bytes()).ok()?;
        Some(number)
    }
}

impl Drop for KernelWatch {
    fn drop(&mut self) {
        self.reader.end();
        self.markers.get_mut().unwrap_or_else(PoisonError::into_inner).file = None;
        // Now no file of the instance is open.
        self.instance = None;
    }
}

/// Sets clock and filters, enables the tracepoints there are and returns those that are missing.
fn set_up(instance: &Instance, ports: &[u16]) -> Result<Vec<&'static str>, WatchError> {
    const EVENTS: [(&str, &str); 2] =
        [(ERROR_REPORT, "sock:inet_sk_error_report"), (STATE_CHANGE, "sock:inet_sock_set_state")];
    instance.write("trace_clock", "mono").map_err(while_doing("setting trace_clock to mono"))?;
    let filter = filter(ports);
    let mut missing = Vec::new();
    for (event, name) in EVENTS {
        let folder = format!("events/sock/{event}");
        if !instance.exists(&folder) {
            missing.push(name);
            continue;
        }
        if let Some(filter) = &filter {
            let file = format!("{folder}/filter");
            instance.write(&file, filter).map_err(while_doing("filtering tracepoints by port"))?;
        }
        instance.write(&format!("{folder}/enable"), "1").map_err(while_doing("enabling tracepoints"))?;
    }
    Ok(missing)
}

fn filter(ports: &[u16]) -> Option<String> {
    if ports.is_empty() || ports.len() > PORTS_IN_FILTER {
        return None;
    }
    let mut filter = String::new();
    for port in ports {
        let or = if filter.is_empty() { "" } else { "||" };
        write!(filter, "{or}sport=={port}||dport=={port}").expect("a String takes everything");
    }
    Some(filter)
}

impl Reader {
    fn start(
        pipe: File,
        progress: Arc<Progress>,
        sink: impl FnMut(KernelEvent) + Send + 'static,
    ) -> io::Result<Self> {
        let (stopped, stop) = pipe2(OFlag::O_CLOEXEC)?;
        let thread = thread::Builder::new()
            .name("tracepoints".into())
            .spawn(move || read_all(pipe, &stopped, &progress, sink))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    fn end(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // If the sink panicked, the panic hook has told so; the instance goes all the same.
            let _ = thread.join();
        }
    }
}

/// Reads until `stopped` is hung up.
fn read_all(mut pipe: File, stopped: &OwnedFd, progress: &Progress, mut sink: impl FnMut(KernelEvent)) {
    let mut text = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match pipe.read(&mut buffer) {
            Ok(length) => {
                text.extend_from_slice(&buffer[..length]);
                let complete = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                for line in String::from_utf8_lossy(&text[..complete]).lines() {
                    progress.tell(line, &mut sink);
                }
                text.drain(..complete);
                if length > 0 {
                    continue;
                }
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => {}
                io::ErrorKind::Interrupted => continue,
                _ => return,
            },
        }
        let mut waited_for =
            [PollFd::new(pipe.as_fd(), PollFlags::POLLIN), PollFd::new(stopped.as_fd(), PollFlags::empty())];
        let outcome = poll(&mut waited_for, PollTimeout::NONE);
        let hung_up = waited_for[1].any().unwrap_or(true);
        if hung_up || !matches!(outcome, Ok(_) | Err(Errno::EINTR)) {
            return;
        }
        thread::sleep(STAND_BACK);
    }
}

impl Progress {
    fn tell(&self, line: &str, sink: &mut impl FnMut(KernelEvent)) {
        match Line::parse(line) {
            Line::Event(event) => sink(KernelEvent::Socket(event)),
            Line::Lost(count) => {
                self.lost.fetch_add(count, Ordering::Relaxed);
                sink(KernelEvent::Lost(count));
            }
            Line::Other(line) => {
                let number = line.rsplit_once(MARKER).and_then(|(_, number)| number.trim().parse().ok());
                if let Some(number) = number {
                    *self.marker.lock().unwrap_or_else(PoisonError::into_inner) = number;
                    self.marker_seen.notify_all();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_each_port_at_both_ends() {
        assert_eq!(filter(&[7654]).as_deref(), Some("sport==7654||dport==7654"));
        assert_eq!(filter(&[1, 2]).as_deref(), Some("sport==1||dport==1||sport==2||dport==2"));
        assert_eq!(filter(&[]), None);
        assert_eq!(filter(&[7; PORTS_IN_FILTER + 1]), None);
    }

    #[test]
    fn an_error_says_in_one_sentence_why_there_are_no_time_stamps() {
        let said = |errno| WatchError::from(OpenError { step: "mounting tracefs", errno }).to_string();
        assert_eq!(
            said(Errno::EPERM),
            "only root may read the kernel's tracepoints (mounting tracefs: EPERM: Operation not permitted)"
        );
        assert_eq!(said(Errno::ENODEV), "this kernel has no tracepoints (it was built without tracefs)");
        assert!(said(Errno::ENOMEM).starts_with("the kernel's tracepoints are out of reach"));
    }

    #[test]
    fn progress_counts_losses_and_sees_markers() {
        let progress = Progress::default();
        let mut told = Vec::new();
        let mut sink = |event| told.push(event);
        for line in [
            "CPU:0 [LOST 3 EVENTS]",
            " x-1 [000] ...1. 1.000000: 0xffffffff: keepalive-lab-marker 7",
            "CPU:1 [LOST EVENTS]",
        ] {
            progress.tell(line, &mut sink);
        }
        assert_eq!(told, [KernelEvent::Lost(3), KernelEvent::Lost(1)]);
        assert_eq!(progress.lost.load(Ordering::Relaxed), 4);
        assert_eq!(*progress.marker.lock().expect("not poisoned"), 7);
    }
}
