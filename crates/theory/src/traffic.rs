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

    /// The period, if all it writes is one stream, but for what it sends at once.
    pub(crate) fn is_one_stream(&self) -> Option<Duration> {
        match self.every.as_slice() {
            [period] if self.once.iter().all(Duration::is_zero) => Some(*period),
            _ => None,
        }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn writes(once: &[u64], every: &[u64]) -> Writes {
        let spans = |millis: &[u64]| millis.iter().copied().map(ms).collect();
        Writes { once: spans(once), every: spans(every), until: None }
    }

    #[test]
    fn the_first_write_of_a_stream_comes_after_one_period() {
        let stream = writes(&[], &[500]);
        assert_eq!(stream.first_from(ms(0)), Some(ms(500)));
        assert_eq!(stream.first_from(ms(501)), Some(ms(1000)));
        assert_eq!(stream.last_until(ms(499)), None);
        assert_eq!(stream.last_until(ms(1499)), Some(ms(1000)));
    }

    #[test]
    fn a_write_due_at_the_moment_of_a_change_may_come_before_or_after_it() {
        let stream = writes(&[], &[500]);
        let change = Window { min: ms(1000), max: ms(1002) };
        assert_eq!(stream.last_before(change), (Some(ms(500)), Some(ms(1000))));
        let first = stream.first_after(change, Duration::ZERO);
        assert_eq!((first.possible, first.certain), (Some(ms(1000)), Some(ms(1500))));
        let delayed = writes(&[960], &[]).first_after(change, ms(40));
        assert_eq!((delayed.possible, delayed.certain), (Some(ms(960)), None));
    }

    #[test]
    fn an_end_that_closes_writes_no_more() {
        let closing = Writes { until: Some(ms(1000)), ..writes(&[0], &[500]) };
        assert_eq!(closing.first_from(ms(501)), None);
        assert_eq!(closing.last_until(ms(9000)), Some(ms(500)));
    }

    proptest! {
        #[test]
        fn no_write_lies_between_the_last_before_and_the_first_after(
            once in prop::collection::vec(0_u64..5000, 0..3),
            every in prop::collection::vec(1_u64..3000, 0..3),
            at in 1_u64..10_000,
        ) {
            let writes = writes(&once, &every);
            let first = writes.first_from(ms(at));
            let last = writes.last_until(ms(at).saturating_sub(Duration::from_nanos(1)));
            prop_assert!(first.is_none_or(|first| first >= ms(at)));
            prop_assert!(last.is_none_or(|last| last < ms(at)));
            for write in once.iter().copied().chain(every.iter().flat_map(|&every| (1..20).map(move |n| n * every))) {
                prop_assert!(last.is_some_and(|last| ms(write) <= last) || first.is_some_and(|first| ms(write) >= first));
            }
        }
    }
}
