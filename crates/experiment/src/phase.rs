//! Phases of the kernel's timer wheel: when a cell begins, so that its timers are rounded in different ways.
//!
//! The wheel rounds each timer up to a step that grows with its length (about 2 s for one of 75 s), so how late
//! it fires depends on when it was armed. All timers of a cell are armed at fixed distances from its beginning;
//! beginning it at several places of the wheel's period samples all that can come of it.

use std::collections::BTreeSet;
use std::time::Duration;

use keepalive_lab_clock::{Monotonic, Wheel};
use keepalive_lab_scenario::cell::{Cell, Phase};
use keepalive_lab_scenario::end::End;
use tcp_timers::wheel::granularity;

/// The longest that a retransmission or a window probe is ever put off by default (`TCP_RTO_MAX`).
const RTO_MAX: Duration = Duration::from_mins(2);

/// What the kernel has where the scenario sets nothing (`TCP_KEEPALIVE_TIME`, `TCP_KEEPALIVE_INTVL`).
const KEEPALIVE_TIME: Duration = Duration::from_hours(2);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(75);

/// Each phase is this many parts of [`PARTS`] after the one before it.
///
/// Timers of other lengths have periods of an eighth, a 64th.. of the longest, and the phases are to be spread
/// over those too. Evenly spread are the multiples of a number that no small fraction comes near, such as the
/// golden ratio, but eight times the golden ratio is nearly a whole number (4.94), so phases by it lie close
/// together in an eighth of the period. In base 8 the number STEP / PARTS has a period of five digits, so being good
/// for five periods it is so for all; of all such it leaves the smallest gaps: up to 64 phases, at most
/// 2.26 times those of phases at equal distances (a test says so).
const STEP: u64 = 6938;

/// `8^5 - 1`; phases from this one on repeat.
const PARTS: u64 = 32_767;

/// From building the last network of a wave to its first beginning, so that the timer thread is not late.
const LEAD: Duration = Duration::from_millis(1);

/// From one beginning to the next within a wave: the start of a cell takes the CPU for a millisecond or two.
const SPACING: Duration = Duration::from_millis(20);

/// When a cell begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The moment.
    pub at: Monotonic,
    /// How far that is into a period of the wheel.
    pub offset: Duration,
}

/// The beginnings of the cells of a wave, each at its own phase and apart from all others: cells that began together
/// would wait for one another, some milliseconds each, and so begin at other phases than alone.
#[derive(Debug)]
pub struct Starts<'a> {
    wheel: &'a Wheel,
    earliest: Monotonic,
    taken: BTreeSet<Monotonic>,
}

impl<'a> Starts<'a> {
    /// For cells that can begin from now on.
    pub fn new(wheel: &'a Wheel, now: Monotonic) -> Self {
        Self { wheel, earliest: now + LEAD, taken: BTreeSet::new() }
    }

    /// When the next cell begins: the first moment of its phase that is apart from those given before. `None` where it
    /// asks for no phase.
    pub fn next(&mut self, cell: &Cell) -> Option<Start> {
        let period = period(cell, self.wheel.ticks_per_second());
        let offset = offset(cell.phase?, period);
        let mut at = self.wheel.next(self.earliest, period, offset);
        while !self.is_free(at) {
            at = self.wheel.next(at + SPACING, period, offset);
        }
        self.taken.insert(at);
        Some(Start { at, offset })
    }

    fn is_free(&self, at: Monotonic) -> bool {
        let after = self.taken.range(at..).next().is_none_or(|next| *next - at >= SPACING);
        let before = self.taken.range(..at).next_back().is_none_or(|last| at - *last >= SPACING);
        after && before
    }
}

/// The coarsest step of the timer wheel that a timer of this cell can be rounded to, with `hz` ticks a second:
/// after it, the phases of all its timers repeat.
pub fn period(cell: &Cell, hz: u32) -> Duration {
    let experiment = &cell.experiment;
    let timers = End::BOTH.into_iter().flat_map(|end| {
        let options = &experiment.programs.get(end).options;
        let sysctl = |name| {
            let seconds = experiment.sysctls.get(end).get(name)?.trim().parse().ok()?;
            Some(Duration::from_secs(seconds))
        };
        let keepalive = options.keepalive.as_ref();
        let idle = keepalive.map(|timers| {
            timers.idle.or_else(|| sysctl("net.ipv4.tcp_keepalive_time")).unwrap_or(KEEPALIVE_TIME)
        });
        let interval = keepalive.map(|timers| {
            timers.interval.or_else(|| sysctl("net.ipv4.tcp_keepalive_intvl")).unwrap_or(KEEPALIVE_INTERVAL)
        });
        [idle, interval, options.user_timeout].into_iter().flatten()
    });
    let longest = timers.max().unwrap_or_default().max(RTO_MAX);
    granularity(hz, longest.min(experiment.stop.limit))
}

/// How far into `period` a phase is: spread over the whole of it, and over each eighth, 64th.. of it. A phase
/// of an index is the same however many there are; that of index 0 is 0.
pub fn offset(phase: Phase, period: Duration) -> Duration {
    let parts = u64::from(phase.index) * STEP % PARTS;
    Duration::from_nanos_u128(period.as_nanos() * u128::from(parts) / u128::from(PARTS))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use keepalive_lab_scenario::program::Keepalive;
    use keepalive_lab_scenario::{Options, Scenario};

    use super::*;

    fn cell(text: &str) -> Cell {
        let options = Options { phases: Some(1), ..Options::default() };
        Scenario::parse("test", text, &options).expect("a scenario").cells.remove(0)
    }

    fn period_s(text: &str, hz: u32) -> f64 {
        period(&cell(text), hz).as_secs_f64()
    }

    fn assert_close(period: f64, expected: f64) {
        assert!((period - expected).abs() < 1e-6, "{period} s, not {expected} s");
    }

    #[test]
    fn the_period_is_that_of_the_longest_timer_up_to_the_limit() {
        // Retransmissions are up to 120 s apart, whatever the options.
        assert_close(period_s("[stop]\nlimit = \"20m\"\n", 250), 2.048);
        assert_close(period_s("[stop]\nlimit = \"20m\"\n", 1000), 4.096);
        // Nothing lasts longer than the cell.
        assert_close(period_s("[stop]\nlimit = \"10s\"\n", 250), 0.256);
        let keepalive = |options: &str| format!("[client]\nkeepalive = {options}\n[stop]\nlimit = \"3h\"\n");
        assert_close(period_s(&keepalive("{ idle = \"60s\", interval = \"75s\", count = 9 }"), 250), 2.048);
        assert_close(period_s(&keepalive("{ idle = \"5s\", interval = \"200s\", count = 9 }"), 250), 16.384);
        assert_close(period_s(&keepalive("true"), 250), 131.072);
        assert_close(period_s("[server]\nuser_timeout = \"5m\"\n[stop]\nlimit = \"1h\"\n", 250), 16.384);
    }

    #[test]
    fn a_sysctl_stands_where_the_socket_leaves_the_timer_to_the_kernel() {
        let mut cell = cell("[client]\nkeepalive = true\n[stop]\nlimit = \"3h\"\n");
        let sysctls = [("net.ipv4.tcp_keepalive_time".to_owned(), "140".to_owned())];
        cell.experiment.sysctls.client = BTreeMap::from(sysctls);
        assert_close(period(&cell, 250).as_secs_f64(), 16.384);
        let idle = Some(Duration::from_secs(100));
        cell.experiment.programs.client.options.keepalive = Some(Keepalive { idle, ..Keepalive::default() });
        assert_close(period(&cell, 250).as_secs_f64(), 2.048);
    }

    /// The largest gap between offsets on a circle of `period`, as a multiple of the gap of even ones.
    fn largest_gap(offsets: &[u128], period: u128) -> f64 {
        let mut places: Vec<u128> = offsets.iter().map(|offset| offset % period).collect();
        places.sort_unstable();
        places.push(places[0] + period);
        let gap = places.windows(2).map(|pair| pair[1] - pair[0]).max().expect("at least one");
        #[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
        return (gap * offsets.len() as u128) as f64 / period as f64;
    }

    #[test]
    fn phases_are_spread_over_the_period_and_over_every_smaller_one() {
        let period = Duration::from_millis(4 << 15);
        for of in 1..=64 {
            let offsets: Vec<u128> =
                (0..of).map(|index| offset(Phase { index, of }, period).as_nanos()).collect();
            for level in 0..=5 {
                let gap = largest_gap(&offsets, period.as_nanos() >> (3 * level));
                assert!(gap < 2.26, "{of} phases over 1/8^{level} of the period: {gap}");
            }
        }
    }

    #[test]
    fn a_phase_is_less_than_the_period_and_the_first_is_zero() {
        let period = Duration::from_millis(131_072);
        assert_eq!(offset(Phase { index: 0, of: 4 }, period), Duration::ZERO);
        for index in [1, 7, 32_766, 32_767, u32::MAX] {
            assert!(offset(Phase { index, of: u32::MAX }, period) < period);
        }
    }

    #[test]
    fn only_a_cell_with_a_phase_waits_for_it() {
        let wheel = Wheel::of_this_kernel().expect("every kernel has a tick");
        let mut cell = cell("[stop]\nlimit = \"10s\"\n");
        cell.phase = Some(Phase { index: 3, of: 4 });
        let earliest = Monotonic::now();
        let start = Starts::new(&wheel, earliest).next(&cell).expect("a phase was asked for");
        let period = period(&cell, wheel.ticks_per_second());
        assert_eq!(wheel.position(start.at, period), start.offset);
        assert!(start.at >= earliest + LEAD && start.at < earliest + LEAD + period);
        cell.phase = None;
        assert_eq!(Starts::new(&wheel, earliest).next(&cell), None);
    }

    #[test]
    fn cells_of_one_phase_begin_a_whole_number_of_periods_apart_and_no_two_together() {
        let wheel = Wheel::of_this_kernel().expect("every kernel has a tick");
        let mut starts = Starts::new(&wheel, Monotonic::now());
        let mut given = Vec::new();
        for (index, of) in (0..).zip([1, 1, 1, 7, 7, 7]) {
            let mut cell = cell("[stop]\nlimit = \"200s\"\n");
            cell.phase = Some(Phase { index: index % of, of });
            let start = starts.next(&cell).expect("a phase was asked for");
            assert_eq!(wheel.position(start.at, period(&cell, wheel.ticks_per_second())), start.offset);
            given.push(start.at);
        }
        given.sort();
        assert!(given.windows(2).all(|pair| pair[1] - pair[0] >= SPACING), "{given:?}");
    }
}
