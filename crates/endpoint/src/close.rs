//! How a connection is given back to the kernel.

use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;

/// Has the kernel throw the connection away with a RST if nobody closes it, as when this process is killed,
/// and returns the `SO_LINGER` that was in force, for [`in_order`].
///
/// Closed in order, a connection whose FIN some rule eats would live on for minutes as an orphan, and
/// keep its network namespace with it. `SO_LINGER` of zero has no other effect than on `close()`.
pub(crate) fn abort_unless_closed(stream: &TcpStream) -> Option<Duration> {
    let socket = SockRef::from(stream);
    let linger = socket.linger().unwrap_or(None);
    // If this fails the socket would be closed in order: slower to go, nothing else.
    let _in_order = socket.set_linger(Some(Duration::ZERO));
    linger
}

/// Closes in order, with the `SO_LINGER` of the program.
///
/// With `SO_LINGER` of more than zero seconds `close()` sleeps until all is acknowledged or the time is
/// over, also on a non-blocking socket (`net/ipv4/tcp.c`, `__tcp_close()`: `sk_stream_wait_close()`).
/// It may not hold up the other ends of the runtime, so it sleeps on a thread of its own.
pub(crate) async fn in_order(stream: TcpStream, linger: Option<Duration>) {
    // Setting what was in force before cannot fail.
    let _ = SockRef::from(&stream).set_linger(linger);
    let sleeps = linger.is_some_and(|linger| !linger.is_zero());
    if sleeps {
        // Only a runtime that is shutting down fails this; then the socket was closed with the closure.
        let _shutting_down = tokio::task::spawn_blocking(move || drop(stream)).await;
    }
}

/// Throws the connection away with a RST. No orphan is left to retransmit and to hold the namespace.
pub(crate) fn abort(stream: TcpStream) {
    // If this fails the socket is closed in order: slower to go, nothing else.
    let _in_order = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}
