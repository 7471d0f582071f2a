//! The event loop of a connected end.

use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_scenario::program::{Send, Traffic};
use socket2::SockRef;
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::agenda::{Agenda, Due, Payload};
use crate::event::{ClosedBy, EndpointEventKind, Syscall};
use crate::output::Output;
use crate::reporter::Reporter;
use crate::stop::StopSignal;
use crate::summary::EndError;
use keepalive_lab_bare as bare;

/// Bytes of one `recv()`.
const READ_SIZE: usize = 16_384;
/// Calls in one wake-up before other ends get their turn: 2 MiB, as much as libuv reads at once.
const READS: usize = 128;
/// The same for writes of 64 KiB.
const WRITES: usize = 32;
/// An end that replies stops reading while so much of its replies waits. Own traffic does not count: a
/// sender whose peer is silent goes on reading, and so learns of its death by `read`.
const REPLY_LIMIT: u64 = 1 << 20;

/// Why a conversation is over.
#[derive(Debug)]
pub(crate) enum Ending {
    /// A system call told of an error.
    Failed(EndError),
    /// All is said; `at`: the peer's FIN was read, or this end wished to close and had flushed its output.
    Closing { by: ClosedBy, at: Monotonic },
    /// Told to stop; `closed`: when the peer's FIN was read, if what waited kept this end from closing.
    Stopped { closed: Option<Monotonic> },
}

/// One connected end at work.
pub(crate) struct Conversation<'a> {
    stream: &'a TcpStream,
    traffic: &'a Traffic,
    reporter: &'a mut Reporter,
    agenda: Agenda,
    output: Output,
    fill: bool,
    end_of_stream: bool,
    closing: Option<(ClosedBy, Monotonic)>,
}

/// What reading or writing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The kernel would block.
    Blocked,
    /// There may be more to do at once.
    More,
    /// Nothing more is wanted for now.
    Done,
}

/// Why the event loop woke.
#[derive(Clone, Copy, Debug)]
struct Wake {
    at: Monotonic,
    error: bool,
}

impl Wake {
    /// When the loop was told of an error that a call just returned: by this wake-up if it was woken
    /// because of an error, else by the return of the call.
    fn told(self) -> Monotonic {
        if self.error { self.at } else { Monotonic::now() }
    }
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(
        stream: &'a TcpStream,
        traffic: &'a Traffic,
        reporter: &'a mut Reporter,
        connected: Monotonic,
    ) -> Self {
        Self {
            stream,
            traffic,
            reporter,
            agenda: Agenda::new(traffic, connected),
            output: Output::default(),
            fill: traffic.sends.contains(&Send::Fill),
            end_of_stream: false,
            closing: None,
        }
    }

    /// Lives until an error, an orderly end, or the stop.
    pub(crate) async fn run(mut self, stop: &mut StopSignal) -> Ending {
        loop {
            if let Err(error) = self.act_on_time() {
                return Ending::Failed(error);
            }
            if let Some((by, at)) = self.closing.filter(|_| self.output.is_empty()) {
                return Ending::Closing { by, at };
            }
            let deadline = [self.agenda.next(), self.reporter.due()].into_iter().flatten().min();
            let stream = self.stream;
            let more = tokio::select! {
                biased;
                () = stop.raised() => return self.stopped(),
                ready = stream.ready(self.interest()) => {
                    let at = Monotonic::now();
                    // An error here says that the runtime is shutting down.
                    let Ok(ready) = ready else { return self.stopped() };
                    match self.act_on_readiness(ready, at) {
                        Ok(progress) => progress == Progress::More,
                        Err(error) => return Ending::Failed(error),
                    }
                }
                () = sleep(deadline), if deadline.is_some() => false,
            };
            if more {
                tokio::task::yield_now().await;
            }
        }
    }

    fn stopped(&self) -> Ending {
        let closed = self.closing.and_then(|(by, at)| (by == ClosedBy::Peer).then_some(at));
        Ending::Stopped { closed }
    }

    fn is_reading(&self) -> bool {
        self.traffic.read && !self.end_of_stream && self.output.copied() <= REPLY_LIMIT
    }

    fn has_output(&self) -> bool {
        self.fill || !self.output.is_empty()
    }

    /// What to be woken for. Errors always; the rest only when it can be acted on, since tokio reports
    /// an end of stream again and again while reading is of interest.
    fn interest(&self) -> Interest {
        let mut interest = Interest::ERROR;
        if self.is_reading() {
            interest |= Interest::READABLE;
        }
        if self.has_output() {
            interest |= Interest::WRITABLE;
        }
        interest
    }

    fn act_on_time(&mut self) -> Result<(), EndError> {
        let now = Monotonic::now();
        self.reporter.tell_due(now);
        while let Some(due) = self.agenda.take_due(now) {
            match due {
                Due::Send(payload) => {
                    match payload {
                        Payload::Text(text) => self.output.push_bytes(text.as_bytes()),
                        Payload::Filler(bytes) => self.output.push_filler(u64::from(bytes)),
                    }
                    // A write of its own for each, as an application makes it.
                    self.write_waiting(Wake { at: now, error: false })?;
                }
                Due::Idle => self.reporter.tell(Monotonic::now(), EndpointEventKind::Idle),
                Due::Close => self.start_closing(ClosedBy::Itself, Monotonic::now()),
            }
        }
        Ok(())
    }

    fn act_on_readiness(&mut self, ready: Ready, at: Monotonic) -> Result<Progress, EndError> {
        let stream = self.stream;
        let wake = Wake { at, error: ready.is_error() };
        let mut read = Progress::Done;
        if self.is_reading() && (ready.is_readable() || ready.is_error()) {
            read = until_blocked(stream, Interest::READABLE, || self.read_all(wake))?;
        }
        let mut written = Progress::Done;
        if self.has_output() && (ready.is_writable() || ready.is_error()) {
            written = until_blocked(stream, Interest::WRITABLE, || self.write_all(wake))?;
        }
        if read == Progress::More {
            // Unread data comes before the error.
            return Ok(Progress::More);
        }
        if ready.is_error() {
            until_blocked(stream, Interest::ERROR, || match stream.take_error() {
                Ok(Some(error)) => Err(EndError::new(&error, Syscall::Poll, wake.at)),
                Ok(None) | Err(_) => Ok(Progress::Blocked),
            })?;
        }
        Ok(written)
    }

    /// Reads until nothing is left.
    fn read_all(&mut self, wake: Wake) -> Result<Progress, EndError> {
        let mut buffer = [0; READ_SIZE];
        let mut at = wake.at;
        for _ in 0..READS {
            match (&*SockRef::from(self.stream)).read(&mut buffer) {
                Ok(0) => {
                    self.end_of_stream = true;
                    self.reporter.tell(at, EndpointEventKind::EndOfStream);
                    self.start_closing(ClosedBy::Peer, at);
                    return Ok(Progress::Done);
                }
                Ok(count) => {
                    self.reporter.received(at, count);
                    self.agenda.received(at);
                    if self.traffic.reply && self.closing.is_none() {
                        self.output.push_bytes(&buffer[..count]);
                        self.write_waiting(wake)?;
                        if !self.is_reading() {
                            return Ok(Progress::Done);
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Blocked),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(EndError::new(&error, Syscall::Read, wake.told())),
            }
            at = Monotonic::now();
        }
        Ok(Progress::More)
    }

    /// Writes what waits, and fills the buffer if that is the program.
    fn write_all(&mut self, wake: Wake) -> Result<Progress, EndError> {
        let waiting = self.write_waiting(wake)?;
        if waiting != Progress::Done || !self.fill {
            return Ok(waiting);
        }
        for _ in 0..WRITES {
            if send_once(self.stream, self.reporter, Output::filler(), wake)?.is_none() {
                return Ok(Progress::Blocked);
            }
        }
        Ok(Progress::More)
    }

    /// Writes what waits.
    fn write_waiting(&mut self, wake: Wake) -> Result<Progress, EndError> {
        for _ in 0..WRITES {
            if self.output.is_empty() {
                return Ok(Progress::Done);
            }
            match send_once(self.stream, self.reporter, self.output.front(), wake)? {
                Some(count) => self.output.consume(count),
                None => return Ok(Progress::Blocked),
            }
        }
        Ok(Progress::More)
    }

    fn start_closing(&mut self, by: ClosedBy, at: Monotonic) {
        // An end that already closes by its own wish may still read the peer's FIN.
        self.closing.get_or_insert((by, at));
        self.agenda.clear();
        self.fill = false;
    }
}

/// Acts, and lets tokio forget this readiness where acting ends in [`Progress::Blocked`] - unless news
/// came meanwhile.
///
/// An error alone may have woken the loop; then there is no such readiness to forget. (Interests cannot
/// be combined here: tokio's `try_io` never acts on a combination.)
fn until_blocked(
    stream: &TcpStream,
    interest: Interest,
    act: impl FnOnce() -> Result<Progress, EndError>,
) -> Result<Progress, EndError> {
    let mut act = Some(act);
    let acted = stream.try_io(interest, || match act.take().map(|act| act()) {
        Some(Ok(Progress::Blocked)) | None => Err(ErrorKind::WouldBlock.into()),
        Some(other) => Ok(other),
    });
    match act {
        Some(act) => act(),
        None => acted.unwrap_or(Ok(Progress::Blocked)),
    }
}

/// One `send()`; `None` where it would block.
fn send_once(
    stream: &TcpStream,
    reporter: &mut Reporter,
    bytes: &[u8],
    wake: Wake,
) -> Result<Option<usize>, EndError> {
    loop {
        // Without MSG_NOSIGNAL a dead connection would also raise SIGPIPE.
        match SockRef::from(stream).send_with_flags(bytes, libc::MSG_NOSIGNAL) {
            Ok(count) => {
                reporter.sent(Monotonic::now(), count);
                return Ok(Some(count));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let unacknowledged = || bare::unacknowledged_bytes(stream.as_fd()).unwrap_or(0);
                reporter.buffer_full(Monotonic::now(), unacknowledged);
                return Ok(None);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(EndError::new(&error, Syscall::Write, wake.told())),
        }
    }
}

/// Sleeps until a moment; for ever if there is none. Not precise to less than a millisecond.
pub(crate) async fn sleep(deadline: Option<Monotonic>) {
    match deadline {
        Some(deadline) => sleep_until(Instant::now() + (deadline - Monotonic::now())).await,
        None => std::future::pending().await,
    }
}
