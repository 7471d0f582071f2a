//! A peer whose receive window is shut: the persist timer, `tcp_probe_timer()` of `net/ipv4/tcp_timer.c`.

use std::time::Duration;

use crate::answer::Answer;
use crate::clock::Clock;
use crate::loss::Loss;
use crate::options::Socket;
use crate::persist::probing;
use crate::retransmission::Owner;

/// A shut window. Time counts from the moment the persist timer was armed: the ACK that shut the window arrived
/// and nothing was in flight any more, or the first write after that.
///
/// A sender that fills the peer's buffer comes to that point only after the peer's delayed ACKs and, where the
/// peer shrinks its window under data in flight, after retransmissions: 0.06 s to 4 s after the first write, as
/// measured with 5.10 and 6.12. By then the round trip that it has seen is longer by those delays (10 ms instead
/// of 0.1 ms).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutWindow {
    /// From when on window probes are no longer answered, and what becomes of them then; `None`: the peer answers
    /// them for ever.
    pub dead: Option<(Duration, Loss)>,
}

/// When does a connection end that has data to send, nothing in flight, and a peer that does not open its window?
/// Counts from the arming of the persist timer.
///
/// A probe is sent after one RTO, then twice as long and so on up to the maximum, for as long as the peer
/// answers. Each answer sets the count of probes to 0 but not the timeout back, so that after a long stall
/// `tcp_retries2` probes take 120 s each. The peer answers segments outside its window twice a second at most
/// (`tcp_invalid_ratelimit`), so the second probe, 0.4 s after the first, goes unanswered even if the peer lives:
/// measured with 5.10 and 6.12.
///
/// `TCP_USER_TIMEOUT` counts from the first probe even if the peer answers all of them (5.10 stable and since 5.11).
pub fn zero_window(socket: &Socket, window: &ShutWindow) -> Answer {
    let clock = Clock::of(socket.kernel);
    let dead = window.dead.map(|(at, loss)| (clock.units(at), loss));
    probing(socket, dead, Owner::Application)
}
