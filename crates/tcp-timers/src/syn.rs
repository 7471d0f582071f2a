//! A connection that does not come up: `SYN_SENT` (`tcp_write_timeout()`) and `SYN_RECV` (`reqsk_timer_handler()`).

use std::time::Duration;

use crate::answer::{Answer, Death, Errno, Term, Timer, Window, seconds};
use crate::clock::{Clock, TICK};
use crate::fates::Peer;
use crate::ladder::Ladder;
use crate::loss::Loss;
use crate::options::Socket;
use crate::phases::{Alarm, Beginning, Part, Split, Then, follow};

/// What meets a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SynMeets {
    /// Silence.
    Nothing(Loss),
    /// A RST, or ICMP "port unreachable".
    Refusal,
    /// ICMP "host unreachable", or "administratively prohibited".
    HostUnreachable,
    /// ICMP "network unreachable".
    NetUnreachable,
    /// No answer to ARP or neighbour discovery.
    NoNeighbour,
}

/// When does `connect()` fail? Counts from the call.
///
/// A SYN is sent again after 1 s, since Linux 6.5 `tcp_syn_linear_timeouts` times, then after twice as long and
/// so on. A timeout ends the attempt if `TCP_SYNCNT` (or `tcp_syn_retries`) and the linear ones were sent, or as
/// much time has passed as `TCP_USER_TIMEOUT` says (since 5.4), or without that option as that many SYNs would
/// take without linear timeouts (since 5.4). So the linear timeouts prolong the wait from a `TCP_SYNCNT` of 3 on
/// only. Where the SYN is dropped, in the peer or in this host's own `OUTPUT`, makes no difference.
///
/// From 4.19 to 5.3 `TCP_USER_TIMEOUT` shortens the timeouts but ends nothing: once it is over, the SYNs that are
/// left go out tick by tick (read in 4.19's sources). Before 4.19 it is ignored.
///
/// A refusal is an answer, and ends it within a round trip and a tick. Without a route `connect()` fails at once.
pub fn connecting(socket: &Socket, meets: SynMeets) -> Answer {
    match meets {
        SynMeets::Nothing(Loss::NoRoute(errno)) => {
            at_once(errno, "no route: connect() does not even send a SYN", Window::exactly(Duration::ZERO))
        }
        SynMeets::Nothing(Loss::Congested) => {
            Answer::unpredicted("what the host's own queue does to a SYN is not part of the theory")
        }
        SynMeets::Nothing(Loss::Path | Loss::Refused) => unanswered(socket),
        SynMeets::Refusal => answered(socket, Errno::Econnrefused),
        SynMeets::HostUnreachable => answered(socket, Errno::Ehostunreach),
        SynMeets::NetUnreachable => answered(socket, Errno::Enetunreach),
        SynMeets::NoNeighbour => {
            Answer::unpredicted("the neighbour table decides, not TCP: EHOSTUNREACH after some 3 s")
        }
    }
}

/// The answer may have to wait for the next tick, if it arrives while `connect()` still holds the socket
/// (measured: up to 3.5 ms with 5.10 and 6.12 at `HZ=250`).
fn answered(socket: &Socket, errno: Errno) -> Answer {
    let clock = Clock::of(socket.kernel);
    let latest = socket.round_trip + clock.span(TICK);
    at_once(errno, "the answer to the SYN", Window { min: Duration::ZERO, max: latest })
}

fn at_once(errno: Errno, what: &str, at: Window) -> Answer {
    let terms = vec![Term { what: what.to_owned(), nominal: at.min, elapsed: at }];
    Answer::Dies(Death { at, errno, timer: Timer::Syn, attempts: Vec::new(), tells_peer: false, terms })
}

/// What is known when the timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    /// `icsk_retransmits`
    retransmits: u32,
    /// `icsk_rto`
    timeout: u64,
}

/// All that `tcp_write_timeout()` looks at in `SYN_SENT`.
struct Chain {
    ladder: Ladder,
    linear: u32,
    most: u32,
    /// Milliseconds.
    user_timeout: Option<u64>,
    /// The age that ends it in any case, in milliseconds.
    limit: Option<u64>,
}

fn unanswered(socket: &Socket) -> Answer {
    let ladder = Ladder::of(socket);
    let first = initial(&ladder);
    let count = socket.options.syn_count.unwrap_or(socket.sysctls.syn_retries);
    let linear = if socket.since(6, 5) { socket.sysctls.syn_linear_timeouts } else { 0 };
    let user_timeout =
        socket.user_timeout().map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    let limit = socket.since(5, 4).then(|| user_timeout.unwrap_or_else(|| ladder.model(count, first)));
    let user_timeout = user_timeout.filter(|_| socket.since(4, 19));
    let chain = Chain { ladder, linear, most: count + linear, user_timeout, limit };
    let beginning = Beginning { before: 0, timer: first, longest: ladder.max };
    let fates =
        follow(ladder.clock, beginning, State { retransmits: 0, timeout: first }, |part| chain.fire(part));
    fates.answer((Timer::Syn, Errno::Etimedout), Peer::KnowsNothing, |n| {
        let doublings = u32::try_from(n).unwrap_or(u32::MAX).saturating_sub(linear).min(32);
        let timeout = (0..doublings).fold(first, |timeout, _| ladder.next(timeout));
        let span = ladder.clock.span(timeout * TICK);
        (format!("SYN {}: {}", n + 1, seconds(span)), span)
    })
}

/// `TCP_TIMEOUT_INIT`: 1 s.
fn initial(ladder: &Ladder) -> u64 {
    ladder.clock.hz.min(ladder.max)
}

impl Chain {
    /// `tcp_retransmit_timer()` in `SYN_SENT`
    fn fire(&self, part: &Part<State>) -> Result<Then<State>, Split> {
        let State { retransmits, timeout } = part.state;
        let clock = self.ladder.clock;
        if retransmits >= self.most {
            return Ok(Then::Dies);
        }
        if let Some(limit) = self.limit.filter(|_| retransmits > 0)
            && part.aged(clock.units(Duration::from_millis(limit)))?
        {
            return Ok(Then::Dies);
        }
        let retransmits = retransmits + 1;
        let timeout = if retransmits > self.linear { self.ladder.next(timeout) } else { timeout };
        let wait = match self.user_timeout {
            None => timeout,
            Some(limit) => {
                let age = clock.millis(part.now) - part.start_millis(clock)?;
                match limit.saturating_sub(age) {
                    0 => 1,
                    left => timeout.min(clock.jiffies_of_millis(left)),
                }
            }
        };
        Ok(Then::Arm(Some(Timer::Syn), Alarm::In(wait), State { retransmits, timeout }))
    }
}

/// When does a listener forget a SYN whose SYN-ACK is never acknowledged? Counts from the SYN. The application is told
/// nothing. The queue of the listener is taken to be less than half full.
///
/// The SYN-ACK is sent again after 1 s, then after twice as long and so on, `tcp_synack_retries` times; the timer
/// after the last ends it (`reqsk_timer_handler()`, `syn_ack_recalc()` of `net/ipv4/inet_connection_sock.c`).
pub fn accepting(socket: &Socket) -> Answer {
    if !socket.since(4, 4) {
        return Answer::unpredicted("before Linux 4.4 one timer served all requests of a listener");
    }
    let ladder = Ladder::of(socket);
    let first = initial(&ladder);
    let beginning = Beginning { before: 0, timer: first, longest: ladder.max };
    let retries = socket.sysctls.synack_retries;
    let fates = follow(ladder.clock, beginning, (0, first), |part| {
        let (sent, timeout) = part.state;
        if sent >= retries {
            return Ok(Then::Dies);
        }
        let timeout = ladder.next(timeout);
        Ok(Then::Arm(Some(Timer::SynAck), Alarm::In(timeout), (sent + 1, timeout)))
    });
    fates.answer((Timer::SynAck, Errno::Etimedout), Peer::KnowsNothing, |n| {
        let timeout = (0..n.min(32)).fold(first, |timeout, _| ladder.next(timeout));
        let span = ladder.clock.span(timeout * TICK);
        (format!("SYN-ACK {}: {}", n + 1, seconds(span)), span)
    })
}
