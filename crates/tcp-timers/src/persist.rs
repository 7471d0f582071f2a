//! New data that its own host does not let out: the persist timer, `tcp_probe_timer()` of `net/ipv4/tcp_timer.c`.

use std::time::Duration;

use crate::answer::{Answer, Errno, Timer, seconds};
use crate::clock::TICK;
use crate::fates::Peer;
use crate::ladder::Ladder;
use crate::loss::Loss;
use crate::options::Socket;
use crate::phases::{Alarm, Beginning, Part, Split, Then, follow};
use crate::retransmission::{Owner, orphan_retries};

/// When does a connection give up on new data that its own host refuses to send? Counts from the first write
/// that was refused; nothing was in flight then. Writes that follow change nothing: each is tried at once and
/// refused too.
///
/// Nothing is in flight, so there is nothing to retransmit: TCP treats this as if the peer's window were shut,
/// and probes, after one RTO, then twice as long and so on. It counts the probes: the connection ends at the one
/// after `tcp_retries2`, with `ETIMEDOUT` and without a RST. What the host's own queue drops
/// ([`Loss::Congested`]) is probed every 0.5 s, and counted since Linux 5.1. With `TCP_USER_TIMEOUT` it ends that
/// long after the first probe (5.10 stable and since 5.11).
///
/// With [`Loss::Path`] this is no question of the persist timer: see [`crate::data_in_flight`].
pub fn data_refused(socket: &Socket, loss: Loss) -> Answer {
    refused(socket, loss, Owner::Application)
}

/// [`data_refused`], or the same for a FIN.
pub(crate) fn refused(socket: &Socket, loss: Loss, owner: Owner) -> Answer {
    if loss == Loss::Path {
        return Answer::unpredicted("data that is lost on the path has left its host: it is in flight");
    }
    probing(socket, Some((0, loss)), owner)
}

/// What `TCP_USER_TIMEOUT` means to the persist timer; it was changed again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UserTimeout {
    /// Nothing: before 3.18.
    Ignored,
    /// The age of the first unsent segment, 3.18 to 5.0.
    SegmentAge,
    /// What so many unanswered probes are meant to take, 5.1 to 5.9.
    Model,
    /// The time since the first probe (`icsk_probes_tstamp`), answered or not; 5.11, and 5.10 by its stable updates.
    FirstProbe,
}

impl UserTimeout {
    fn of(socket: &Socket) -> Self {
        match socket {
            _ if socket.since(5, 10) => Self::FirstProbe,
            _ if socket.since(5, 1) => Self::Model,
            _ if socket.since(3, 18) => Self::SegmentAge,
            _ => Self::Ignored,
        }
    }
}

/// What is known when the persist timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    /// `icsk_probes_out`
    probes: u32,
    /// `icsk_backoff`
    backoff: u32,
    /// `icsk_probes_tstamp`
    first: Option<u64>,
    /// The jiffy of the last probe that the peer answered.
    answered: Option<u64>,
}

/// The persist timer from its arming on. Probes are answered by a window that stays shut; from `dead` on (in
/// parts of a tick) they meet that loss.
pub(crate) fn probing(socket: &Socket, dead: Option<(u64, Loss)>, owner: Owner) -> Answer {
    let user_timeout = UserTimeout::of(socket);
    let limit = socket.user_timeout().filter(|_| user_timeout != UserTimeout::Ignored);
    if limit.is_some() && user_timeout == UserTimeout::SegmentAge {
        return Answer::unpredicted(
            "Linux 3.18 to 5.0 holds TCP_USER_TIMEOUT against the age of the first unsent segment, which is not known here",
        );
    }
    let ends_by_itself = limit.is_some() && user_timeout == UserTimeout::FirstProbe || owner == Owner::Nobody;
    if dead.is_none() && !ends_by_itself {
        return Answer::lives("each answer of the peer starts the count of probes anew");
    }
    if dead.is_some_and(|(_, loss)| loss == Loss::Congested) && !socket.since(5, 1) {
        return Answer::lives("before Linux 5.1 a probe that the host's own queue drops is not counted");
    }
    let ladder = Ladder::of(socket);
    let base = ladder.first.max(ladder.min);
    let chain = Chain {
        socket,
        ladder,
        base,
        dead,
        owner,
        user_timeout,
        limit: limit.map(|t| ladder.clock.jiffies(t)),
    };
    let beginning = Beginning { before: 0, timer: base, longest: ladder.max };
    let state = State { probes: 0, backoff: 0, first: None, answered: None };
    let fates = follow(ladder.clock, beginning, state, |part| chain.fire(part));
    fates.answer((Timer::Persist, Errno::Etimedout), Peer::KnowsNothing, |n| chain.term(n))
}

struct Chain<'a> {
    socket: &'a Socket<'a>,
    ladder: Ladder,
    /// `tcp_probe0_base()`
    base: u64,
    dead: Option<(u64, Loss)>,
    owner: Owner,
    user_timeout: UserTimeout,
    /// `TCP_USER_TIMEOUT` in jiffies.
    limit: Option<u64>,
}

impl Chain<'_> {
    /// `tcp_probe_timer()`
    fn fire(&self, part: &Part<State>) -> Result<Then<State>, Split> {
        let State { probes, backoff, first, answered } = part.state;
        let clock = self.ladder.clock;
        let timed_out = match (self.limit, self.user_timeout) {
            (Some(limit), UserTimeout::FirstProbe) => first.is_some_and(|first| part.now - first >= limit),
            (Some(limit), UserTimeout::Model) => self.ladder.model(probes, self.base) >= clock.millis(limit),
            _ => false,
        };
        if timed_out || self.is_over(probes, backoff) {
            return Ok(Then::Dies);
        }
        let first = first.or(Some(part.now));
        let retries = self.socket.sysctls.retries2;
        let met = match self.dead {
            Some((dead, loss)) if part.aged(dead)? => Some(loss),
            _ => None,
        };
        let (backoff, wait) = if met == Some(Loss::Congested) {
            (backoff, self.ladder.congestion())
        } else {
            let backoff = if backoff < retries { backoff + 1 } else { backoff };
            (backoff, self.wait(backoff))
        };
        // The peer answers segments outside its window twice a second at most.
        let silent =
            met.is_some() || answered.is_some_and(|jiffy| part.now - jiffy < self.ladder.congestion());
        let sent = Some(Timer::Persist);
        Ok(if silent {
            let wait = self.clamped(wait, part.now, first);
            Then::Arm(sent, Alarm::In(wait), State { probes: probes + 1, backoff, first, answered })
        } else {
            let arrival = (part.now * TICK + clock.units(self.socket.round_trip)) / TICK;
            let wait = self.clamped(wait, arrival, first);
            let state = State { probes: 0, backoff, first, answered: Some(part.now) };
            Then::Arm(sent, Alarm::From(arrival, wait), state)
        })
    }

    /// Were there enough probes?
    fn is_over(&self, probes: u32, backoff: u32) -> bool {
        let sysctls = self.socket.sysctls;
        let most = match self.owner {
            Owner::Application => sysctls.retries2,
            Owner::Nobody => {
                let alive = self.backed_off(self.ladder.first, backoff) < self.ladder.max;
                let most = orphan_retries(sysctls.orphan_retries, alive);
                if !alive && backoff >= most {
                    return true;
                }
                most
            }
        };
        // Before 3.18 the comparison allowed one more.
        if self.socket.since(3, 18) { probes >= most } else { probes > most }
    }

    /// `tcp_probe0_when()`
    fn wait(&self, backoff: u32) -> u64 {
        self.backed_off(self.base, backoff.min(MOST_DOUBLINGS))
    }

    /// `inet_csk_rto_backoff()`
    fn backed_off(&self, timeout: u64, backoff: u32) -> u64 {
        timeout.checked_shl(backoff).map_or(self.ladder.max, |timeout| timeout.min(self.ladder.max))
    }

    /// `tcp_clamp_probe0_to_user_timeout()`
    fn clamped(&self, wait: u64, armed: u64, first: Option<u64>) -> u64 {
        match (self.limit, first) {
            (Some(limit), Some(first)) if self.user_timeout == UserTimeout::FirstProbe => {
                // `TCP_TIMEOUT_MIN`: two jiffies.
                limit.saturating_sub(armed - first).max(2).min(wait)
            }
            _ => wait,
        }
    }

    /// The name of the timer that leads to the probe of this number, and its length without rounding.
    fn term(&self, n: usize) -> (String, Duration) {
        let congested = self.dead.is_some_and(|dead| dead == (0, Loss::Congested));
        let jiffies = match u32::try_from(n).unwrap_or(u32::MAX) {
            0 => self.base,
            _ if congested => self.ladder.congestion(),
            n => self.wait(n.min(self.socket.sysctls.retries2)),
        };
        let span = self.ladder.clock.span(jiffies * TICK);
        (format!("probe timer {}: {}", n + 1, seconds(span)), span)
    }
}

/// `ilog2(TCP_RTO_MAX / TCP_RTO_MIN) + 1`
const MOST_DOUBLINGS: u32 = 10;
