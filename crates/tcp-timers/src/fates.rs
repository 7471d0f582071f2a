//! What becomes of all phases: when each attempt is made, and when the connection ends.

use std::time::Duration;

use crate::answer::{Answer, Attempt, Death, Errno, Term, Timer, Window};
use crate::clock::Clock;

/// Does the peer learn of a death?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// By a RST.
    IsTold,
    /// Not at all.
    KnowsNothing,
}

/// What became of all phases. Times count from the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fates {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) death: Option<Window>,
    /// Some phases had not ended when the chain was followed no further.
    pub(crate) endless: bool,
}

impl Fates {
    /// The answer, where all phases end by the same timer with the same error. `terms` has a name and a length
    /// without rounding for what leads to each attempt, and to the death.
    pub(crate) fn answer(
        self,
        (timer, errno): (Timer, Errno),
        peer: Peer,
        term: impl Fn(usize) -> (String, Duration),
    ) -> Answer {
        if self.endless {
            return Answer::unpredicted("still alive after many timers or months, and followed no further");
        }
        let Some(at) = self.death else {
            return Answer::unpredicted("no phase was followed");
        };
        let ends = self.attempts.iter().map(|attempt| attempt.at).chain([at]);
        let terms = ends.enumerate().map(|(n, elapsed)| {
            let (what, nominal) = term(n);
            Term { what, nominal, elapsed }
        });
        Answer::Dies(Death {
            at,
            errno,
            timer,
            tells_peer: peer == Peer::IsTold,
            terms: terms.collect(),
            attempts: self.attempts,
        })
    }

    /// The fates of either.
    pub(crate) fn or(mut self, other: &Self) -> Self {
        for (known, attempt) in self.attempts.iter_mut().zip(&other.attempts) {
            known.at = known.at.hull(attempt.at);
        }
        let known = self.attempts.len().min(other.attempts.len());
        self.attempts.extend_from_slice(&other.attempts[known..]);
        self.death = match (self.death, other.death) {
            (Some(one), Some(two)) => Some(one.hull(two)),
            (one, two) => one.or(two),
        };
        self.endless |= other.endless;
        self
    }
}

/// A time after the start in some phases, in parts of a tick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl Span {
    fn widen(&mut self, other: Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    fn window(self, clock: Clock) -> Window {
        Window { min: clock.span(self.min), max: clock.span(self.max) }
    }
}

/// What is known of all phases while a chain is followed.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    attempts: Vec<(Timer, Span)>,
    death: Option<Span>,
}

impl Tally {
    /// Some phases make their attempt of this number.
    pub(crate) fn sends(&mut self, number: usize, timer: Timer, at: Span) {
        match self.attempts.get_mut(number) {
            Some((_, known)) => known.widen(at),
            None => self.attempts.push((timer, at)),
        }
    }

    /// Some phases end.
    pub(crate) fn dies(&mut self, at: Span) {
        self.death.get_or_insert(at).widen(at);
    }

    /// The chain was followed until all phases had ended, or no further.
    pub(crate) fn fates(self, clock: Clock, ending: Ending) -> Fates {
        let attempt = |(timer, at): (Timer, Span)| Attempt { timer, at: at.window(clock) };
        Fates {
            attempts: self.attempts.into_iter().map(attempt).collect(),
            death: self.death.map(|at| at.window(clock)),
            endless: ending == Ending::Open,
        }
    }
}

/// Did all phases come to an end?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Reached,
    Open,
}
