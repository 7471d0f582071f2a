//! Data in flight on a dead path: `tcp_retransmit_timer()` and `tcp_write_timeout()` of `net/ipv4/tcp_timer.c`.

use std::time::Duration;

use crate::answer::{Answer, Errno, Timer, seconds};
use crate::clock::TICK;
use crate::fates::Peer;
use crate::ladder::Ladder;
use crate::loss::Loss;
use crate::options::Socket;
use crate::phases::{Alarm, Beginning, Part, Split, Then, follow};

/// Data that was sent and is never acknowledged. Time counts from the write that sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    /// What becomes of the retransmissions; the first transmission left, and was lost on the way.
    pub loss: Loss,
    /// Segments in flight by that write; with two or more the tail loss probe comes much earlier.
    pub segments: u32,
    /// More is written regularly, this far apart; `None`: nothing more.
    pub writes_every: Option<Duration>,
}

impl Flight {
    /// One segment, and nothing more is written.
    pub const fn new(loss: Loss) -> Self {
        Self { loss, segments: 1, writes_every: None }
    }
}

/// When does an established connection give up on data that left and met the dead path? Counts from the write.
///
/// A tail loss probe comes first (with SACK, and unless it is turned off), then retransmissions, each timeout
/// twice as long as the one before. Each timeout looks at the age of the first retransmission, in milliseconds,
/// and ends the connection if that is as long as `TCP_USER_TIMEOUT`, or else as `tcp_retries2` retransmissions
/// would take with an RTO of 200 ms. So the clock starts at the first timeout, not at the write. With
/// `TCP_USER_TIMEOUT`, the last timeout is shortened to end with it (since 4.19).
///
/// It ends with `ETIMEDOUT` and no RST. Where there is no route for the retransmissions, it ends with the error
/// of the lookup, and the age counts from the write.
pub fn data_in_flight(socket: &Socket, flight: &Flight) -> Answer {
    give_up(socket, flight, Owner::Application)
}

/// Who would be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// An application: `tcp_retries2` counts.
    Application,
    /// Nobody, the socket is closed: `tcp_orphan_retries` counts.
    Nobody,
}

/// [`data_in_flight`], or the same for a FIN.
pub(crate) fn give_up(socket: &Socket, flight: &Flight, owner: Owner) -> Answer {
    if flight.loss != Loss::Path && !socket.since(5, 1) {
        return Answer::unpredicted(
            "before Linux 5.1 a retransmission that its own host did not let out set no clock to give up by",
        );
    }
    let chain = Chain::new(socket, flight, owner);
    let probe = chain.loss_probe();
    if let (Some(every), Some(probe)) = (flight.writes_every, probe)
        && chain.ladder.clock.jiffies(every) <= probe + chain.ladder.first + 2 * 8
    {
        return Answer::unpredicted(
            "writes so close to each other move the tail loss probe, and the first timeout with it",
        );
    }
    let beginning =
        Beginning { before: 0, timer: probe.unwrap_or(chain.ladder.first), longest: chain.ladder.max };
    let state =
        State { probe: probe.is_some(), timeout: chain.ladder.first, clock: Age::Unset, retransmits: 0 };
    let fates = follow(chain.ladder.clock, beginning, state, |part| chain.fire(part));
    let errno = match flight.loss {
        Loss::NoRoute(errno) => errno,
        Loss::Path | Loss::Refused | Loss::Congested => Errno::Etimedout,
    };
    fates.answer((Timer::Retransmission, errno), Peer::KnowsNothing, |n| chain.term(n, probe))
}

/// Since when the data counts as unacknowledged: `retrans_stamp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    /// Nothing was retransmitted.
    Unset,
    /// Since the write.
    Write,
    /// Since this jiffy.
    Retransmission(u64),
}

/// What is known when a retransmission timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    /// It is the timer of the tail loss probe.
    probe: bool,
    /// `icsk_rto`
    timeout: u64,
    clock: Age,
    /// `icsk_retransmits`
    retransmits: u32,
}

struct Chain<'a> {
    socket: &'a Socket<'a>,
    flight: &'a Flight,
    ladder: Ladder,
    owner: Owner,
    /// Milliseconds.
    user_timeout: Option<u64>,
}

impl<'a> Chain<'a> {
    fn new(socket: &'a Socket<'a>, flight: &'a Flight, owner: Owner) -> Self {
        let user_timeout =
            socket.user_timeout().map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        Self { socket, flight, ladder: Ladder::of(socket), owner, user_timeout }
    }

    /// When the tail loss probe is due, if there is one (`tcp_schedule_loss_probe()`, `net/ipv4/tcp_output.c`).
    fn loss_probe(&self) -> Option<u64> {
        let Socket { sysctls, round_trip, .. } = self.socket;
        if !(sysctls.loss_probe && sysctls.sack && self.socket.since(3, 10)) {
            return None;
        }
        let clock = self.ladder.clock;
        // Twice the round trip and, for a single segment, as long as its receiver may delay the ACK. For more it
        // was two ticks, and is 2 ms since 6.6 (and in the stable updates of 5.10).
        let extra = match self.flight.segments {
            0 | 1 => Duration::from_millis(200),
            _ if self.socket.since(5, 10) => Duration::from_millis(2),
            _ => clock.span(2 * TICK),
        };
        Some(clock.jiffies(*round_trip * 2 + extra).min(self.ladder.first))
    }

    /// `tcp_write_timer_handler()`
    fn fire(&self, part: &Part<State>) -> Result<Then<State>, Split> {
        let State { probe, timeout, clock, retransmits } = part.state;
        if probe {
            let state = State { probe: false, ..part.state };
            // No route: the probe was not even stamped, so that the timeout counts from the write and is due at once.
            return Ok(match self.flight.loss {
                Loss::NoRoute(_) => Then::Arm(Some(Timer::LossProbe), Alarm::In(1), state),
                _ => Then::Arm(Some(Timer::LossProbe), Alarm::In(timeout), state),
            });
        }
        if retransmits > 0 && self.aged(part, self.limit(timeout))? {
            return Ok(Then::Dies);
        }
        let clock = match (clock, self.flight.loss) {
            (Age::Unset, Loss::NoRoute(_)) => Age::Write,
            (Age::Unset, _) => Age::Retransmission(part.now),
            (set, _) => set,
        };
        let retransmits = retransmits + 1;
        let sent = Some(Timer::Retransmission);
        if self.flight.loss == Loss::Congested {
            let state = State { clock, retransmits, ..part.state };
            return Ok(Then::Arm(sent, Alarm::In(self.ladder.congestion()), state));
        }
        let timeout = if self.is_thin() && retransmits <= THIN_RETRIES {
            self.ladder.first
        } else {
            self.ladder.next(timeout)
        };
        let state = State { probe: false, timeout, clock, retransmits };
        let alarm = Alarm::In(self.clamped(part, &state)?);
        Ok(Then::Arm(sent, alarm, state))
    }

    /// The age at which a timeout ends the connection, in milliseconds.
    fn limit(&self, timeout: u64) -> u64 {
        let Socket { sysctls, .. } = self.socket;
        let retries = match self.owner {
            Owner::Application => sysctls.retries2,
            Owner::Nobody => orphan_retries(sysctls.orphan_retries, timeout < self.ladder.max),
        };
        self.user_timeout.unwrap_or_else(|| self.ladder.model(retries, self.ladder.min))
    }

    /// Is the data that many milliseconds old (`retransmits_timed_out()`)?
    fn aged(&self, part: &Part<State>, limit: u64) -> Result<bool, Split> {
        match part.state.clock {
            Age::Unset => Ok(false),
            Age::Write => part.aged(self.ladder.clock.units(Duration::from_millis(limit))),
            Age::Retransmission(jiffy) => Ok(self.ladder.clock.millis(part.now - jiffy) >= limit),
        }
    }

    /// The timeout that is armed (`tcp_clamp_rto_to_user_timeout()`).
    fn clamped(&self, part: &Part<State>, state: &State) -> Result<u64, Split> {
        let Some(limit) = self.user_timeout.filter(|_| self.socket.since(4, 19)) else {
            return Ok(state.timeout);
        };
        let clock = self.ladder.clock;
        let age = match state.clock {
            Age::Unset => 0,
            Age::Write => clock.millis(part.now) - part.start_millis(clock)?,
            Age::Retransmission(jiffy) => clock.millis(part.now - jiffy),
        };
        Ok(match limit.saturating_sub(age) {
            0 => 1,
            left => state.timeout.min(clock.jiffies_of_millis(left)),
        })
    }

    /// `tcp_stream_is_thin()`
    fn is_thin(&self) -> bool {
        self.socket.sysctls.thin_linear_timeouts
            && self.flight.segments < 4
            && self.owner == Owner::Application
    }

    /// The name of the timer that leads to the attempt of this number, and its length without rounding.
    fn term(&self, n: usize, probe: Option<u64>) -> (String, Duration) {
        let span = |jiffies: u64| self.ladder.clock.span(jiffies * TICK);
        if let (0, Some(probe)) = (n, probe) {
            return (format!("tail loss probe after {}", seconds(span(probe))), span(probe));
        }
        let k = n + 1 - usize::from(probe.is_some());
        let doublings = if self.is_thin() { k.saturating_sub(1 + THIN_RETRIES as usize) } else { k - 1 };
        let timeout = match self.flight.loss {
            Loss::Congested if k > 1 => self.ladder.congestion(),
            Loss::NoRoute(_) if k == 1 && probe.is_some() => 1,
            _ => (0..doublings.min(32)).fold(self.ladder.first, |timeout, _| self.ladder.next(timeout)),
        };
        (format!("timeout {k}: {}", seconds(span(timeout))), span(timeout))
    }
}

/// `TCP_THIN_LINEAR_RETRIES`
const THIN_RETRIES: u32 = 6;

/// `tcp_orphan_retries()`: 0 means 8, as long as the connection may be alive.
pub(crate) const fn orphan_retries(sysctl: u32, alive: bool) -> u32 {
    if sysctl == 0 && alive { 8 } else { sysctl }
}
