//! How a connection is given back to the kernel.

use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;

/// Closes in order.
///
/// With `SO_LINGER` of more than zero seconds `close()` sleeps until all is acknowledged or the time is
/// over, also on a non-blocking socket (`net/ipv4/tcp.c`, `__tcp_close()`: `sk_stream_wait_close()`).
/// It may not hold up the other ends of the runtime, so it sleeps on a thread of its own.
pub(crate) async fn in_order(stream: TcpStream) {
    let sleeps = matches!(SockRef::from(&stream).linger(), Ok(Some(linger)) if !linger.is_zero());
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
