//! A chain of timers followed for all phases at once.
//!
//! What a chain of timers takes depends on when it starts: on the tick, by the wheel's rounding, and within the tick.
//! All starts that are armed into the same bucket of the wheel fire in the same jiffy and have one future from then
//! on, so a [`Part`] of the phases is a span of starts and the jiffy they have come to; timers split it where
//! they round differently, and join what fell together. The whole repeats after the width of the coarsest bucket
//! involved.
//!
//! Starts are counted in billionths of a tick: a nanosecond is `HZ` of them, so that every `Duration` is exact.

use crate::answer::Timer;
use crate::clock::{Clock, TICK};
use crate::fates::{Ending, Fates, Span, Tally};

/// The jiffy in which the first start lies: far from 0, so that what came before can be told, and a multiple of
/// every period.
const ORIGIN: u64 = 1 << 30;

/// What came before the start is known for as long as this, in parts of a tick: 12 days at `HZ=1000`.
pub(crate) const LONGEST_PAST: u64 = ORIGIN * TICK;

/// No chain is followed beyond this jiffy, half a year ahead at `HZ=250`: later ones do not fit into 64 bits.
const HORIZON: u64 = ORIGIN + (1 << 32);

/// No chain is followed further than this many timers: a connection may probe for ever.
const LONGEST_CHAIN: usize = 100_000;

/// Some of the phases, which have had the same fate so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<S> {
    /// The first start, and the first that is no longer among them.
    from: u64,
    to: u64,
    /// The jiffy whose timer fires.
    pub(crate) now: u64,
    /// Probes and retransmissions sent so far.
    sent: usize,
    /// What the connection knows.
    pub(crate) state: S,
}

/// These phases no longer have the same fate: those that start from here on are to be asked again by themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split(u64);

/// When a timer is to fire next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Alarm {
    /// This many jiffies from now.
    In(u64),
    /// This many jiffies after the one in which the start lies.
    AfterStart(u64),
    /// In this jiffy.
    At(u64),
    /// That many jiffies (the second) after a jiffy (the first) in which a segment arrives and arms the timer.
    From(u64, u64),
}

impl Alarm {
    /// The jiffy in which it rings if it is set in jiffy `now` as a timer fires, for the start `from`; and the first
    /// start for which that may be another.
    fn rings(self, clock: Clock, now: u64, from: u64) -> (u64, u64) {
        let rounding = clock.rounding;
        match self {
            Self::In(jiffies) => (rounding.expiry(now, now + jiffies, true), u64::MAX),
            Self::At(jiffy) => (rounding.expiry(now, jiffy, true), u64::MAX),
            Self::From(jiffy, jiffies) => (rounding.expiry(jiffy, jiffy + jiffies, false), u64::MAX),
            Self::AfterStart(jiffies) => {
                let target = from / TICK + jiffies;
                let change = rounding.next_change(now, target, true) - jiffies;
                (rounding.expiry(now, target, true), change * TICK)
            }
        }
    }
}

/// What a timer does that has fired.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then<S> {
    /// It may send something, and is armed again.
    Arm(Option<Timer>, Alarm, S),
    /// The connection ends.
    Dies,
}

impl<S> Part<S> {
    /// Does the start lie before this moment (in parts of a tick)?
    pub(crate) fn starts_before(&self, moment: u64) -> Result<bool, Split> {
        if self.to <= moment {
            Ok(true)
        } else if self.from >= moment {
            Ok(false)
        } else {
            Err(Split(moment))
        }
    }

    /// Have at least this many jiffies passed since the one in which the start lies?
    pub(crate) fn passed(&self, jiffies: u64) -> Result<bool, Split> {
        self.starts_before((self.now + 1).saturating_sub(jiffies) * TICK)
    }

    /// Has at least this much time passed since the start, in parts of a tick?
    pub(crate) fn aged(&self, units: u64) -> Result<bool, Split> {
        self.starts_before((self.now * TICK + 1).saturating_sub(units))
    }

    /// The millisecond in which the start lies, if ticks begin with whole milliseconds.
    pub(crate) fn start_millis(&self, clock: Clock) -> Result<u64, Split> {
        let millisecond = clock.hz * (TICK / 1000);
        let start = self.from / millisecond;
        let next = (start + 1) * millisecond;
        if next < self.to { Err(Split(next)) } else { Ok(start) }
    }

    /// The jiffy that lies this long (in parts of a tick) before the start.
    pub(crate) fn jiffy_before_start(&self, units: u64) -> Result<u64, Split> {
        let jiffy = (self.from - units) / TICK;
        let next = (jiffy + 1) * TICK + units;
        if next < self.to { Err(Split(next)) } else { Ok(jiffy) }
    }

    /// How long after the start this timer fires.
    const fn age(&self) -> Span {
        let now = self.now * TICK;
        Span { min: (now + 1).saturating_sub(self.to), max: now.saturating_sub(self.from) }
    }

    /// The earliest start.
    pub(crate) const fn from(&self) -> u64 {
        self.from
    }
}

/// How a chain begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning {
    /// How long before the start its first timer is armed, in parts of a tick.
    pub(crate) before: u64,
    /// The first timer, in jiffies.
    pub(crate) timer: u64,
    /// The longest timer that may be armed in the whole chain, in jiffies.
    pub(crate) longest: u64,
}

/// Follows a chain of timers from its beginning until all phases have ended: `fire` says what each timer does.
pub(crate) fn follow<S: Copy + PartialEq>(
    clock: Clock,
    beginning: Beginning,
    state: S,
    mut fire: impl FnMut(&Part<S>) -> Result<Then<S>, Split>,
) -> Fates {
    let mut tally = Tally::default();
    let mut parts = begin(clock, beginning, state);
    for _ in 0..LONGEST_CHAIN {
        let mut next = Vec::with_capacity(parts.len());
        for mut part in parts {
            let end = part.to;
            while part.from < end {
                part.to = end;
                let then = loop {
                    match fire(&part) {
                        Ok(then) => break then,
                        Err(Split(at)) => part.to = at,
                    }
                };
                match then {
                    Then::Dies => tally.dies(part.age()),
                    Then::Arm(sends, alarm, state) => {
                        if let Some(timer) = sends {
                            tally.sends(part.sent, timer, part.age());
                        }
                        let sent = part.sent + usize::from(sends.is_some());
                        arm(clock, Part { sent, state, ..part }, alarm, &mut next);
                    }
                }
                part.from = part.to;
            }
        }
        parts = next;
        if parts.is_empty() {
            return tally.fates(clock, Ending::Reached);
        }
        if parts.iter().any(|part| part.now > HORIZON) {
            break;
        }
    }
    tally.fates(clock, Ending::Open)
}

/// The phases as the first timer fires.
fn begin<S: Copy + PartialEq>(clock: Clock, beginning: Beginning, state: S) -> Vec<Part<S>> {
    let Beginning { before, timer, longest } = beginning;
    let origin = ORIGIN * TICK;
    let end = origin + clock.rounding.period(longest.max(timer)) * TICK;
    let mut parts = Vec::new();
    let mut from = origin;
    while from < end {
        let armed = (from - before) / TICK;
        let now = clock.rounding.expiry(armed, armed + timer, false);
        // Armed later, the timer is as long: only the bucket it falls into may change.
        let change = clock.rounding.next_change(armed, armed + timer, false) - timer;
        let to = (change.max(armed + 1) * TICK + before).min(end);
        join(&mut parts, Part { from, to, now, sent: 0, state });
        from = to;
    }
    parts
}

/// Adds these phases as their next timer fires.
fn arm<S: Copy + PartialEq>(clock: Clock, part: Part<S>, alarm: Alarm, next: &mut Vec<Part<S>>) {
    let mut from = part.from;
    while from < part.to {
        let (now, change) = alarm.rings(clock, part.now, from);
        let to = change.min(part.to);
        join(next, Part { from, to, now, ..part });
        from = to;
    }
}

/// Adds a part after the last, or to the last where they have come to the same.
fn join<S: PartialEq>(parts: &mut Vec<Part<S>>, part: Part<S>) {
    match parts.last_mut() {
        Some(last)
            if last.to == part.from
                && (last.now, last.sent, &last.state) == (part.now, part.sent, &part.state) =>
        {
            last.to = part.to;
        }
        _ => parts.push(part),
    }
}
