//! What is left of an end.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::expect::Outcome;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use socket2::Socket;

use crate::armed_timer::ArmedTimer;
use crate::errno::{errno_name, errno_of};
use crate::error::SocketError;
use crate::event::{EndpointEventKind, Syscall};
use crate::option::{self, KeepaliveInForce};
use crate::reporter::Reporter;
use crate::tcp_info::TcpInfo;

/// The life of one end, told when it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndSummary {
    /// Which end.
    pub end: End,
    /// How it ended.
    pub outcome: Outcome,
    /// The error, if the outcome is [`Outcome::Error`].
    pub error: Option<EndError>,
    /// When the client called `connect()`.
    pub connect_called: Option<Monotonic>,
    /// When this end learned that it was connected.
    pub connected: Option<Monotonic>,
    /// When data was last read; `None` if none ever was.
    pub last_received: Option<Monotonic>,
    /// When it ended: the error, the peer's FIN read, the own `close()` or the connect timeout. `None` if
    /// it was told to stop.
    pub finished: Option<Monotonic>,
    /// This end's address.
    pub local: SocketAddr,
    /// The other end's address, once known.
    pub remote: Option<SocketAddr>,
    /// The keepalive timers read back from the socket; `None` where keepalive is off or no socket was
    /// connected at this (the server's) end.
    pub keepalive: Option<KeepaliveInForce>,
    /// `TCP_USER_TIMEOUT` read back; `None` where it is off, or as above.
    pub user_timeout: Option<Duration>,
    /// Bytes handed to the kernel.
    pub bytes_sent: u64,
    /// Bytes read.
    pub bytes_received: u64,
    /// The last the kernel knew: read after the error, before the close, or when told to stop.
    pub info: Option<TcpInfo>,
}

impl EndSummary {
    /// The timer of the kernel that fired, or stood at the end; `None` where nothing is known of a socket.
    pub fn armed_timer(&self) -> Option<ArmedTimer> {
        self.info.as_ref().map(|info| ArmedTimer::of(info, self.keepalive.is_some()))
    }
}

/// An error as the application saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndError {
    /// Name of the error, such as `ETIMEDOUT`.
    pub errno: String,
    /// Its number.
    pub number: i32,
    /// The system call that told.
    pub syscall: Syscall,
    /// When the event loop was told: woken because of it, or else the return of the call.
    pub at: Monotonic,
}

impl EndError {
    pub(crate) fn new(error: &io::Error, syscall: Syscall, at: Monotonic) -> Self {
        Self::of(errno_of(error), syscall, at)
    }

    pub(crate) fn of(errno: Errno, syscall: Syscall, at: Monotonic) -> Self {
        Self { errno: errno_name(errno as i32), number: errno as i32, syscall, at }
    }

    /// The error of an option that was refused on the accepted socket.
    pub(crate) fn option(error: &SocketError, at: Monotonic) -> Self {
        let errno = match error {
            SocketError::Create { errno, .. }
            | SocketError::Bind { errno, .. }
            | SocketError::Listen { errno, .. }
            | SocketError::OptionRefused { errno, .. }
            | SocketError::OptionUnreadable { errno, .. }
            | SocketError::AddressUnreadable { errno, .. } => *errno,
        };
        Self::of(errno, Syscall::Setsockopt, at)
    }
}

/// The life of one end while it goes on.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) reporter: Reporter,
    summary: EndSummary,
}

impl Life {
    pub(crate) fn new(reporter: Reporter, local: SocketAddr) -> Self {
        let summary = EndSummary {
            end: reporter.end(),
            outcome: Outcome::Unconnected,
            error: None,
            connect_called: None,
            connected: None,
            last_received: None,
            finished: None,
            local,
            remote: None,
            keepalive: None,
            user_timeout: None,
            bytes_sent: 0,
            bytes_received: 0,
            info: None,
        };
        Self { reporter, summary }
    }

    /// Reads the timers that count for theory from the socket.
    pub(crate) fn read_timers(&mut self, socket: &Socket) -> Result<(), SocketError> {
        self.summary.keepalive = KeepaliveInForce::read(socket)?;
        self.summary.user_timeout = option::user_timeout(socket)?;
        Ok(())
    }

    pub(crate) fn connecting(&mut self, at: Monotonic, remote: SocketAddr) {
        self.summary.connect_called = Some(at);
        self.summary.remote = Some(remote);
        let local = self.summary.local;
        self.reporter.tell(at, EndpointEventKind::Connecting { local, remote });
    }

    pub(crate) fn connected(&mut self, at: Monotonic, local: SocketAddr, remote: SocketAddr) {
        self.summary.connected = Some(at);
        self.summary.local = local;
        self.summary.remote = Some(remote);
        self.reporter.tell(at, EndpointEventKind::Connected { local, remote });
    }

    pub(crate) fn failed(&mut self, error: EndError) {
        let EndError { errno, number, syscall, at } = error.clone();
        self.reporter.tell(at, EndpointEventKind::Failed { errno, number, syscall });
        self.summary.outcome = Outcome::Error;
        self.summary.finished = Some(at);
        self.summary.error = Some(error);
    }

    /// Ended without an error: closed, alive or unconnected.
    pub(crate) const fn ended(&mut self, outcome: Outcome, finished: Option<Monotonic>) {
        self.summary.outcome = outcome;
        self.summary.finished = finished;
    }

    /// Takes the last snapshot.
    pub(crate) fn snapshot(&mut self, socket: impl AsFd) {
        // A socket that cannot be asked leaves the columns empty, which says just that.
        if let Ok(info) = TcpInfo::read(socket) {
            self.reporter.tell(Monotonic::now(), EndpointEventKind::TcpInfo(info.clone()));
            self.summary.info = Some(info);
        }
    }

    pub(crate) fn into_summary(mut self) -> EndSummary {
        self.summary.last_received = self.reporter.last_received();
        self.summary.bytes_sent = self.reporter.bytes_sent();
        self.summary.bytes_received = self.reporter.bytes_received();
        self.summary
    }
}
