//! When an application writes of its own accord.

use std::time::Duration;

use keepalive_lab_scenario::program::{Program, Send};
use tcp_timers::Window;

use crate::span::by_application;

/// The writes of one end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Writes {
    once: Vec<Duration>,
    every: Vec<Duration>,
    /// It closes then, and writes no more.
    until: Option<Duration>,
}

impl Writes {
    /// What the program sends at times of its own; not what it fills or replies.
    pub(crate) fn of(program: &Program) -> Self {
        let mut writes = Self { until: program.traffic.close_at, ..Self::default() };
        for send in &program.traffic.sends {
            match send {
                Send::Once { .. } => writes.once.push(Duration::ZERO),
                Send::At { at, .. } => writes.once.push(*at),
                Send::Every { period, .. } => writes.every.push((*period).max(Duration::from_millis(1))),
                Send::Fill => {}
            }
        }
        writes
    }

    /// Those of two ends.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let until = match (self.until, other.until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let both = |one: &[Duration], other: &[Duration]| [one, other].concat();
        Self { once: both(&self.once, &other.once), every: both(&self.every, &other.every), until }
    }

    /// Does it never write?
    pub(crate) const fn is_empty(&self) -> bool {
        self.once.is_empty() && self.every.is_empty()
    }

    /// The shortest period, if it writes regularly.
    pub(crate) fn period(&self) -> Option<Duration> {
        self.every.iter().copied().min()
    }

    /// The first write due at that time or later.
    pub(crate) fn first_from(&self, at: Duration) -> Option<Duration> {
        let once = self.once.iter().copied().filter(|write| *write >= at);
        let every =
            self.every.iter().map(|period| multiple(*period, at.as_nanos().div_ceil(period.as_nanos())));
        once.chain(every).min().filter(|write| self.until.is_none_or(|until| *write < until))
    }

    /// The last write due at that time or earlier.
    pub(crate) fn last_until(&self, at: Duration) -> Option<Duration> {
        let at = self.until.map_or(at, |until| at.min(until.saturating_sub(Duration::from_nanos(1))));
        let once = self.once.iter().copied().filter(|write| *write <= at);
        let every = self.every.iter().filter(|period| **period <= at);
        let every = every.map(|period| multiple(*period, at.as_nanos() / period.as_nanos()));
        once.chain(every).max()
    }

    /// The first write that may come after a change, and the first that surely does. A write so shortly before that its
    /// acknowledgement may come after (`ack_delay`) counts as one that may.
    pub(crate) fn first_after(&self, change: Window, ack_delay: Duration) -> First {
        let late = by_application(Duration::ZERO).max + ack_delay;
        First {
            possible: self.first_from(change.min.saturating_sub(late)),
            certain: self.first_from(change.max),
        }
    }

    /// The last write that surely comes before a change, and the last that may.
    pub(crate) fn last_before(&self, change: Window) -> (Option<Duration>, Option<Duration>) {
        let late = by_application(Duration::from_nanos(1)).max;
        let certain = change.min.checked_sub(late).and_then(|at| self.last_until(at));
        (certain, self.last_until(change.max))
    }
}

/// The first write after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct First {
    /// The first that may come after it.
    pub(crate) possible: Option<Duration>,
    /// The first that surely does.
    pub(crate) certain: Option<Duration>,
}

fn multiple(period: Duration, times: u128) -> Duration {
    Duration::from_nanos_u128((period.as_nanos() * times.max(1)).min(u128::from(u64::MAX)))
}
