//! What the machine can do without the lab.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_netlab::Pair;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_nanosleep};
use socket2::SockRef;

use crate::Failure;

/// A thread that does nothing but sleep until one absolute moment after another.
pub(crate) struct Sleeper {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Sleeper {
    /// Starts to sleep for `gap` again and again.
    pub(crate) fn start(gap: Duration) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("bare".into()).spawn(move || {
            let _ = nix::sys::prctl::set_timerslack(1);
            let mut late = Vec::new();
            let mut due = Monotonic::now() + gap;
            while !stopped.load(Ordering::Relaxed) {
                let until = TimeSpec::from_duration(Duration::from_nanos(due.as_nanos()));
                // Interrupted, it is early; nobody sends this process signals.
                let slept =
                    clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &until);
                let now = Monotonic::now();
                if slept.is_ok() {
                    late.push(now - due);
                }
                due = now + gap;
            }
            late
        })?;
        Ok(Self { stop, thread })
    }

    /// Stops; returns how late each waking was.
    pub(crate) fn stop(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("sleeping does not panic")
    }
}

/// A thread that waits in poll(2) and does nothing else is told that its peer aborted the connection.
///
/// Returns the client's address, by which the kernel's own time can be found, and when the thread was
/// told.
pub(crate) fn told_by_poll(pair: &Pair, port: u16) -> Result<(SocketAddr, Monotonic), Failure> {
    let server = SocketAddr::new(pair.server.address(), port);
    let listener = pair.server.namespace().enter(|| TcpListener::bind(server))??;
    let mut client = pair.client.namespace().enter(|| TcpStream::connect(server))??;
    let address = client.local_addr()?;
    let (accepted, _) = listener.accept()?;

    let waiting = thread::Builder::new().name("bare".into()).spawn(move || {
        let woken = poll(&mut [PollFd::new(client.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE);
        let at = Monotonic::now();
        woken.map(|_| (at, client.read(&mut [0]).is_err()))
    })?;
    // Until the thread waits.
    thread::sleep(Duration::from_millis(10));
    SockRef::from(&accepted).set_linger(Some(Duration::ZERO))?;
    drop(accepted);
    match waiting.join().expect("waiting does not panic")? {
        (at, true) => Ok((address, at)),
        (_, false) => Err("the peer did not abort the connection".into()),
    }
}
