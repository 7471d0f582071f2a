//! The two ends of the connection.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the two ends. The client connects, the server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// The end that connects.
    Client,
    /// The end that listens.
    Server,
}

impl End {
    /// Both ends, client first: the order of rows and of messages.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Server];

    /// The name used in scenario files and in the CSV.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// The other end.
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One value for each end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends<T> {
    /// The client's.
    pub client: T,
    /// The server's.
    pub server: T,
}

impl<T> Ends<T> {
    /// Makes one value for each end.
    pub fn from_fn(mut make: impl FnMut(End) -> T) -> Self {
        Self { client: make(End::Client), server: make(End::Server) }
    }

    /// The value of one end.
    pub const fn get(&self, end: End) -> &T {
        match end {
            End::Client => &self.client,
            End::Server => &self.server,
        }
    }

    /// The value of one end, to change.
    pub const fn get_mut(&mut self, end: End) -> &mut T {
        match end {
            End::Client => &mut self.client,
            End::Server => &mut self.server,
        }
    }

    /// Both values with their ends, client first.
    pub fn iter(&self) -> impl Iterator<Item = (End, &T)> {
        End::BOTH.into_iter().map(|end| (end, self.get(end)))
    }
}

/// Something that happens to one end and that a fault can wait for (`after = "client.error"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndEvent {
    /// `connect()` succeeded, or `accept()` returned.
    Connected,
    /// A system call told the application that the connection failed.
    Error,
    /// The connection ended in order: the peer's FIN was read, or this end closed.
    Closed,
    /// The application's own timer: nothing was received for `idle_timeout`.
    Idle,
}

impl EndEvent {
    /// Every event, in the order of a connection's life.
    pub const ALL: [Self; 4] = [Self::Connected, Self::Idle, Self::Error, Self::Closed];

    /// The name used in scenario files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Error => "error",
            Self::Closed => "closed",
            Self::Idle => "idle",
        }
    }
}

impl fmt::Display for EndEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
