//! The witnesses: what the kernel says of its sockets, and when.
//!
//! [`watch::KernelWatch`] tells each change of a TCP socket's state and each error the moment the
//! kernel decides on it, through a private instance of its tracing system that nobody else sees
//! and that is removed with the value (or, after `kill -9`, by the next one). [`counters::Counters`]
//! are what one network namespace has counted.

pub mod counters;
pub mod event;
mod instance;
mod tracefs;
pub mod watch;

pub use counters::Counters;
pub use event::{SocketEvent, SocketEventKind, TcpState};
pub use watch::{KernelEvent, KernelWatch, WatchError};
