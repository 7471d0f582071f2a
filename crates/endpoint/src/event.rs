//! What an end tells while it lives.

use std::fmt;
use std::net::SocketAddr;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_scenario::end::{End, EndEvent};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use crate::option::OptionInForce;
use crate::tcp_info::TcpInfo;

/// Where an end sends its events. An end does not mind if nobody listens any more.
pub type EventSink = UnboundedSender<EndpointEvent>;

/// Something the application at one end saw or did.
///
/// Serialised flat: `{"at":81234567890,"end":"client","event":"sent","bytes":13,"calls":1}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointEvent {
    /// When. The events of one end come in the order of their stamps.
    pub at: Monotonic,
    /// At which end.
    pub end: End,
    /// What.
    #[serde(flatten)]
    pub what: EndpointEventKind,
}

/// What happened at an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EndpointEventKind {
    /// The server listens.
    Listening {
        /// Its address.
        local: SocketAddr,
    },
    /// The client calls `connect()`; stamped before the call.
    Connecting {
        /// The client's address.
        local: SocketAddr,
        /// The server's address.
        remote: SocketAddr,
    },
    /// A socket option was set and read back.
    OptionInForce(OptionInForce),
    /// `connect()` succeeded, or a connection was accepted.
    Connected {
        /// This end's address.
        local: SocketAddr,
        /// The other end's address.
        remote: SocketAddr,
    },
    /// Data was handed to the kernel. Writes that come within 10 ms of the last one told are told
    /// together, stamped with the last of them.
    Sent {
        /// Bytes.
        bytes: u64,
        /// Successful `send()` calls.
        calls: u32,
    },
    /// Data was read; told as [`EndpointEventKind::Sent`] is.
    Received {
        /// Bytes.
        bytes: u64,
        /// Successful `recv()` calls.
        calls: u32,
    },
    /// A write found no room in the send buffer, and there was none for 10 ms. Told once each time.
    BufferFull {
        /// Bytes in the send buffer that the peer has not acknowledged (`SIOCOUTQ`).
        unacknowledged_bytes: u32,
    },
    /// The application's own timer: nothing was received for `idle_timeout`. Once for each silence.
    Idle,
    /// The peer's FIN was read: its stream is at its end.
    EndOfStream,
    /// This end called `close()`.
    Closed {
        /// Whose wish it was.
        by: ClosedBy,
    },
    /// A system call told that there is no connection (any more).
    Failed {
        /// Name of the error, such as `ETIMEDOUT`.
        errno: String,
        /// Its number.
        number: i32,
        /// The system call that told.
        syscall: Syscall,
    },
    /// The application gave up connecting, by its own timer `connect_timeout`.
    ConnectTimeout,
    /// The last the kernel knew of the connection, read after its error, before its close or when told
    /// to stop.
    TcpInfo(TcpInfo),
}

impl EndpointEventKind {
    /// The event that a schedule can wait for (`after = "client.error"`), if this is one.
    ///
    /// An end that read the peer's FIN yields [`EndEvent::Closed`] twice, then and when it closes itself:
    /// the first counts.
    pub const fn end_event(&self) -> Option<EndEvent> {
        match self {
            Self::Connected { .. } => Some(EndEvent::Connected),
            Self::Failed { .. } => Some(EndEvent::Error),
            Self::EndOfStream | Self::Closed { .. } => Some(EndEvent::Closed),
            Self::Idle => Some(EndEvent::Idle),
            Self::Listening { .. }
            | Self::Connecting { .. }
            | Self::OptionInForce(_)
            | Self::Sent { .. }
            | Self::Received { .. }
            | Self::BufferFull { .. }
            | Self::ConnectTimeout
            | Self::TcpInfo(_) => None,
        }
    }
}

/// Whose wish an orderly close was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedBy {
    /// This end's (`close_at`).
    #[serde(rename = "self")]
    Itself,
    /// The peer's: its FIN came first.
    Peer,
}

/// The system call by which the application learned of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Syscall {
    /// `connect(2)`, at once or by `SO_ERROR` when it was decided.
    Connect,
    /// `accept(2)`.
    Accept,
    /// `recv(2)`.
    Read,
    /// `send(2)`.
    Write,
    /// `epoll_wait(2)` told of an error and nothing was to be read or written; taken with `SO_ERROR`.
    Poll,
    /// `setsockopt(2)` on the accepted socket.
    Setsockopt,
}

impl Syscall {
    /// The word used in scenario files and in the CSV.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Accept => "accept",
            Self::Read => "read",
            Self::Write => "write",
            Self::Poll => "poll",
            Self::Setsockopt => "setsockopt",
        }
    }
}

impl fmt::Display for Syscall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::SocketOption;

    #[test]
    fn events_are_flat_lines_that_read_back() {
        let events = [
            (EndpointEventKind::Sent { bytes: 13, calls: 1 }, r#""event":"sent","bytes":13,"calls":1"#),
            (EndpointEventKind::Idle, r#""event":"idle""#),
            (EndpointEventKind::Closed { by: ClosedBy::Peer }, r#""event":"closed","by":"peer""#),
            (
                EndpointEventKind::OptionInForce(OptionInForce {
                    option: SocketOption::SendBuffer,
                    asked: Some(4096),
                    in_force: 8192,
                }),
                r#""event":"option_in_force","option":"SO_SNDBUF","asked":4096,"in_force":8192"#,
            ),
            (
                EndpointEventKind::Failed { errno: "ETIMEDOUT".into(), number: 110, syscall: Syscall::Read },
                r#""event":"failed","errno":"ETIMEDOUT","number":110,"syscall":"read""#,
            ),
        ];
        for (what, fields) in events {
            let event = EndpointEvent { at: Monotonic::from_nanos(u64::MAX), end: End::Client, what };
            let line = serde_json::to_string(&event).expect("an event is JSON");
            assert_eq!(line, format!(r#"{{"at":18446744073709551615,"end":"client",{fields}}}"#));
            assert_eq!(serde_json::from_str::<EndpointEvent>(&line).expect("it reads back"), event);
        }
    }
}
