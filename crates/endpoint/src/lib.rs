//! The two ends of an experiment: an embedded TCP server and client that behave as ordinary
//! event-loop applications (libuv, and so node, is the model) and tell precisely when, and by which
//! system call, they learned what.
//!
//! Making an end takes two steps, because its socket has to be made inside a network namespace and
//! its life is asynchronous:
//!
//! 1. On a plain thread that is inside the namespace: [`Listener::bind`] or [`Connector::new`]. Both
//!    set the socket options and read each back; a refusal is a [`SocketError`] before anything runs.
//! 2. On a tokio runtime, anywhere: [`run_server`] or [`run_client`]. They emit an [`EndpointEvent`]
//!    for all that the application sees and resolve to an [`EndSummary`]. The futures are `Send`.
//!
//! # How an end reacts
//!
//! - Woken, it stamps the clock first: that is the moment the event loop was told.
//! - It reads first, until nothing is left (at most 2 MiB, then others get their turn), and then
//!   writes. So an error of a connection that is read shows as `read`, as with libuv.
//! - An end that does not read (`read = false`) shows an error as `write` if output is waiting, else
//!   as `poll` (the error is taken with `SO_ERROR`). libuv would not watch such a socket at all and
//!   learn of the error later; that the end is told at once is the one liberty taken here.
//! - A write that its own timer makes may meet the error first: then it shows as `write`.
//! - Output that the socket has no room for waits in the application, as it does in node. Own traffic
//!   costs no memory however much of it waits. A reply is a copy: while more than 1 MiB of replies
//!   waits, an end stops reading.
//! - At the end of the peer's stream it flushes what waits and closes (node: `allowHalfOpen = false`).
//! - Told to stop, it takes a last snapshot and leaves the connection to its [`StopSignal`], which aborts
//!   it (RST, so no orphan is left to hold the namespace) when the last end has let go of the signal.
//! - `close()` with unread data makes Linux send a RST (RFC 2525, 2.17); an end that does not read and
//!   has a `close_at` does so too, as any application would.

mod agenda;
mod armed_timer;
mod client;
mod close;
mod connection;
mod conversation;
mod errno;
mod error;
mod event;
mod option;
mod output;
mod reporter;
mod server;
mod socket;
mod stop;
mod summary;
mod tcp_info;

pub use armed_timer::ArmedTimer;
pub use client::run_client;
pub use errno::errno_name;
pub use error::SocketError;
pub use event::{ClosedBy, EndpointEvent, EndpointEventKind, EventSink, Syscall};
pub use option::{KeepaliveInForce, OptionInForce, SocketOption};
pub use server::run_server;
pub use socket::{Connector, Listener};
pub use stop::{StopHandle, StopSignal, stop_signal};
pub use summary::{EndError, EndSummary};
pub use tcp_info::{TcpInfo, TcpState};
