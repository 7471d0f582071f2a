//! What one end does: its socket options and its traffic.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The embedded program at one end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Socket options to set; what is `None` keeps the kernel's default.
    pub options: SocketOptions,
    /// What it sends and whether it reads.
    pub traffic: Traffic,
    /// Client only: the application gives up connecting after this long, by its own timer.
    pub connect_timeout: Option<Duration>,
}

/// Socket options of `tcp(7)` and `socket(7)`. Ranges are checked when the scenario is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketOptions {
    /// `SO_KEEPALIVE` with its three timers; `None`: keepalive off.
    pub keepalive: Option<Keepalive>,
    /// `TCP_USER_TIMEOUT`, whole milliseconds, up to 2^31 - 1; zero is off, the kernel's default.
    pub user_timeout: Option<Duration>,
    /// `TCP_SYNCNT`, 1 to 127: how often a SYN is sent again.
    pub syn_count: Option<u8>,
    /// `TCP_NODELAY`.
    pub nodelay: Option<bool>,
    /// `SO_LINGER`, whole seconds, up to a day; zero makes `close()` send a RST.
    pub linger: Option<Duration>,
    /// `SO_SNDBUF` in bytes; the kernel doubles it (`socket(7)`).
    pub send_buffer: Option<u32>,
    /// `SO_RCVBUF` in bytes; the kernel doubles it (`socket(7)`).
    pub receive_buffer: Option<u32>,
    /// `TCP_RTO_MAX_MS` (option 44), 1 s to 120 s; since Linux 6.15.
    pub rto_max: Option<Duration>,
}

/// The keepalive timers; what is `None` keeps the kernel's default (7200 s, 75 s, 9).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keepalive {
    /// `TCP_KEEPIDLE`, whole seconds, 1 to 32767.
    pub idle: Option<Duration>,
    /// `TCP_KEEPINTVL`, whole seconds, 1 to 32767.
    pub interval: Option<Duration>,
    /// `TCP_KEEPCNT`, 1 to 127.
    pub count: Option<u8>,
}

/// What one end sends, and whether it reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// What it sends of its own accord; several may run side by side.
    pub sends: Vec<Send>,
    /// Whether it sends back all that it receives.
    pub reply: bool,
    /// Whether it reads; if not, its receive window closes.
    pub read: bool,
    /// The application's own timer: an event when nothing was received for this long.
    pub idle_timeout: Option<Duration>,
    /// Closes in order this long after it was connected.
    pub close_at: Option<Duration>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { sends: Vec::new(), reply: false, read: true, idle_timeout: None, close_at: None }
    }
}

/// One thing an end sends of its own accord. Times count from the moment this end was connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Send {
    /// `bytes` bytes every `period`, the first one period after the connection.
    Every {
        /// From one write to the next; at least 1 ms.
        period: Duration,
        /// Bytes of each write, at least 1.
        bytes: u32,
    },
    /// This text at once.
    Once {
        /// What is sent, at least one byte.
        text: String,
    },
    /// `bytes` bytes once, at this time.
    At {
        /// When, after the connection.
        at: Duration,
        /// Bytes of the write, at least 1.
        bytes: u32,
    },
    /// Writes until the buffers are full, and again whenever there is room.
    Fill,
}
