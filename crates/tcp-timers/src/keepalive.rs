//! An idle connection with keepalive: `tcp_keepalive_timer()` of `net/ipv4/tcp_timer.c`.

use std::time::Duration;

use crate::answer::{Answer, Errno, Timer, Window, seconds};
use crate::clock::{Clock, TICK};
use crate::fates::{Fates, Peer};
use crate::loss::Loss;
use crate::options::{Keepalive, Socket};
use crate::phases::{Alarm, Beginning, LONGEST_PAST, Part, Split, Then, follow};

/// How a connection fell silent. Time counts from the last segment that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// How long before the last segment arrived the keepalive timer was armed: when the connection came up, or when the
    /// option was set. An arriving segment does not move the timer; the timer that fires meanwhile is
    /// armed anew for what is missing, and so goes on from another phase.
    pub armed_before: Window,
    /// Segments arrived regularly before the last one, this far apart, since the timer was armed. `None`: there was
    /// none between the arming and the last.
    pub stream: Option<Duration>,
    /// Probes that are sent up to this long after the last segment are still answered (by an empty ACK).
    pub answered_for: Duration,
    /// What becomes of the probes after that.
    pub loss: Loss,
}

impl Silence {
    /// The timer was armed that long before the last segment arrived, and no probe is answered.
    pub const fn new(armed_before: Duration, loss: Loss) -> Self {
        Self { armed_before: Window::exactly(armed_before), stream: None, answered_for: Duration::ZERO, loss }
    }
}

/// When does keepalive end a connection on which nothing arrives any more, and which has nothing unacknowledged or
/// unsent itself? Counts from the last segment that arrived (the answers to probes do not count as such).
///
/// The timer fires after `idle`, and after each `interval`. It looks at the time since anything arrived, data or
/// the answer to a probe, in jiffies: if that is less than `idle`, it is armed for the difference. Otherwise the
/// connection ends if `count` probes went unanswered; or, with `TCP_USER_TIMEOUT`, if one did and the silence is
/// as long as that option, whatever `count` says. It ends with `ETIMEDOUT` and a RST, also where the probes were
/// refused by this host itself. A probe that its own queue drops ([`Loss::Congested`]) is not counted: then
/// keepalive never ends anything.
///
/// [`crate::Death::attempts`] are the probes that went unanswered.
pub fn keepalive(socket: &Socket, silence: &Silence) -> Answer {
    let Some(options) = socket.options.keepalive else {
        return Answer::lives("keepalive is off, and no other timer runs on an idle connection");
    };
    if silence.loss == Loss::Congested {
        return Answer::lives(
            "a probe that the host's own queue drops is not counted, only repeated every 0.5 s: keepalive never gives up",
        );
    }
    let chain = Chain::new(socket, options, silence);
    if chain.clock.units(silence.armed_before.max) > LONGEST_PAST {
        return Answer::unpredicted("the timer was armed too long ago to be followed");
    }
    let [first, last] = [silence.armed_before.min, silence.armed_before.max].map(|at| chain.clock.units(at));
    let armed = (first..last).step_by(TICK_STEP).chain([last]);
    let fates =
        armed.map(|before| chain.follow(before)).reduce(|one, other| one.or(&other)).unwrap_or_default();
    let Keepalive { idle, interval, count } = options;
    fates.answer((Timer::Keepalive, Errno::Etimedout), Peer::IsTold, |n| match socket.user_timeout() {
        _ if n == 0 => (format!("idle {}", seconds(idle)), idle),
        None => (format!("probe {n} of {count}: interval {}", seconds(interval)), interval),
        Some(limit) => {
            (format!("probe {n}, user timeout {}: interval {}", seconds(limit), seconds(interval)), interval)
        }
    })
}

/// Between two moments of arming that are no further apart than this there is no third jiffy.
#[expect(clippy::cast_possible_truncation)]
const TICK_STEP: usize = TICK as usize;

/// What is known when a keepalive timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    /// The jiffy in which a probe was last answered.
    answered: Option<u64>,
    /// `icsk_probes_out`
    probes: u64,
}

/// When anything arrived last.
enum Heard {
    /// At the start itself.
    Start,
    /// In this jiffy.
    In(u64),
}

struct Chain {
    clock: Clock,
    idle: u64,
    interval: u64,
    count: u64,
    user_timeout: Option<u64>,
    /// In parts of a tick: between segments of the stream, how long probes are answered, and how long that takes.
    stream: Option<u64>,
    answered_for: u64,
    round_trip: u64,
}

impl Chain {
    fn new(socket: &Socket, options: Keepalive, silence: &Silence) -> Self {
        let clock = Clock::of(socket.kernel);
        Self {
            clock,
            idle: clock.jiffies(options.idle),
            interval: clock.jiffies(options.interval),
            count: options.count.into(),
            user_timeout: socket.user_timeout().map(|limit| clock.jiffies(limit)),
            stream: silence.stream.filter(|every| !every.is_zero()).map(|every| clock.units(every)),
            answered_for: clock.units(silence.answered_for),
            round_trip: clock.units(socket.round_trip),
        }
    }

    /// All phases, if the timer was armed `before` the start.
    fn follow(&self, before: u64) -> Fates {
        let beginning = Beginning { before, timer: self.idle, longest: self.idle.max(self.interval) };
        let state = State { answered: None, probes: 0 };
        follow(self.clock, beginning, state, |part| self.fire(before, part))
    }

    /// `tcp_keepalive_timer()`
    fn fire(&self, before: u64, part: &Part<State>) -> Result<Then<State>, Split> {
        let State { answered, probes } = part.state;
        let now = part.now * TICK;
        let arrived = part.starts_before(now + 1)?;
        let heard = if arrived { Heard::Start } else { Heard::In(self.heard_before(before, part)?) };
        let heard = match (heard, answered) {
            (Heard::Start, Some(jiffy)) if part.starts_before(jiffy * TICK)? => Heard::In(jiffy),
            (Heard::In(arrival), Some(jiffy)) => Heard::In(arrival.max(jiffy)),
            (heard, _) => heard,
        };
        let silent_for = |jiffies| match heard {
            Heard::Start => part.passed(jiffies),
            Heard::In(jiffy) => Ok(part.now - jiffy >= jiffies),
        };
        if !silent_for(self.idle)? {
            let alarm = match heard {
                Heard::Start => Alarm::AfterStart(self.idle),
                Heard::In(jiffy) => Alarm::At(jiffy + self.idle),
            };
            return Ok(Then::Arm(None, alarm, part.state));
        }
        let dies = match self.user_timeout {
            None => probes >= self.count,
            Some(timeout) => probes > 0 && silent_for(timeout)?,
        };
        if dies {
            return Ok(Then::Dies);
        }
        let alarm = Alarm::In(self.interval);
        if !arrived || !part.aged(self.answered_for + 1)? {
            let answered = Some((now + self.round_trip) / TICK);
            return Ok(Then::Arm(None, alarm, State { answered, probes: 0 }));
        }
        Ok(Then::Arm(Some(Timer::Keepalive), alarm, State { answered, probes: probes + 1 }))
    }

    /// The jiffy of what arrived last, if this timer fires before the start: a segment of the stream, or the one that
    /// brought the connection up as the timer was armed.
    fn heard_before(&self, before: u64, part: &Part<State>) -> Result<u64, Split> {
        let now = part.now * TICK;
        let ahead = part.from() - now;
        let Some(every) = self.stream else { return part.jiffy_before_start(before) };
        let segments = ahead.div_ceil(every);
        if segments * every > before {
            return part.jiffy_before_start(before);
        }
        // To those that start later, this segment arrived after the timer had fired.
        part.starts_before(now + segments * every + 1)?;
        part.jiffy_before_start(segments * every)
    }
}
