//! Where the kernel's timer wheel stands.
//!
//! The wheel rounds timers up to steps of 1, 8, 64, .. jiffies (`kernel/time/timer.c`, `calc_index()`), so
//! how late a timer fires depends on when it was armed. Jiffies do not count from the zero of
//! `CLOCK_MONOTONIC`: they begin five minutes before they overflow 32 bits (`INITIAL_JIFFIES`,
//! `include/linux/jiffies.h`), and ticks that boot missed stay missed. From then on both advance together
//! (`tick_do_update_jiffies64()` in `kernel/time/tick-sched.c`), so one reading holds until the next boot.

use std::ops::RangeInclusive;
use std::time::Duration;

use nix::time::ClockId;

use crate::Monotonic;

/// The kernel's list of its own timers, readable by root (`kernel/time/timer_list.c`).
const TIMER_LIST: &str = "/proc/timer_list";

/// Readings after which the count is taken as it is known by then: one usually suffices, another is needed
/// where a tick came while the list was read.
const READINGS: usize = 16;

/// A tick that is due is counted once its interrupt was handled, usually within microseconds; a reading
/// in this part of a tick may still find the count of the one before.
const HANDLED_AFTER: u64 = 16;

/// The kernel's count of ticks, laid on `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wheel {
    /// Nanoseconds from one tick to the next (`TICK_NSEC`).
    tick: u64,
    /// When some tick began, less than a tick after the clock's zero.
    grid: u64,
    /// Jiffies counted when the tick of `grid` began, modulo 2^64.
    jiffies: u64,
    known: bool,
}

const NANOS_A_SECOND: u64 = 1_000_000_000;

impl Wheel {
    /// The wheel of the running kernel; `None` where not even its tick is known.
    ///
    /// Without root the count cannot be read and is taken as zero at the clock's zero:
    /// positions are then off by a constant of the boot; see [`Self::is_known`]. Takes some milliseconds.
    pub fn of_this_kernel() -> Option<Self> {
        let tick = nix::time::clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).ok()?;
        let tick = u64::try_from(Duration::from(tick).as_nanos()).ok().filter(|tick| *tick > 0)?;
        let mut wheel: Option<(Self, RangeInclusive<u64>)> = None;
        for _ in 0..READINGS {
            let Some(reading) = Reading::take() else { break };
            let (so_far, counts) = match wheel {
                Some((so_far, counts)) => (so_far, Some(counts)),
                None => (reading.wheel(tick), None),
            };
            let counts = reading.counts(tick, so_far.grid, counts);
            let is_certain = counts.start() == counts.end();
            wheel = Some((Self { jiffies: *counts.end(), ..so_far }, counts));
            if is_certain {
                break;
            }
            // Not a whole number of ticks, so that the next reading falls into another part of one.
            std::thread::sleep(Duration::from_nanos(tick * 2 / 3));
        }
        let unknown = Self { tick, grid: 0, jiffies: 0, known: false };
        Some(wheel.map_or(unknown, |(wheel, _)| wheel))
    }

    /// Whether the kernel's own count was read.
    pub const fn is_known(&self) -> bool {
        self.known
    }

    /// `CONFIG_HZ`; see [`ticks_per_second`](crate::ticks_per_second).
    pub fn ticks_per_second(&self) -> u32 {
        let hz = (NANOS_A_SECOND + self.tick / 2) / self.tick;
        u32::try_from(hz).unwrap_or(u32::MAX)
    }

    /// How far into a step of `period` the wheel is at this moment: 0 up to `period`. A period is a whole
    /// number of ticks, and is rounded to it.
    pub fn position(&self, at: Monotonic, period: Duration) -> Duration {
        let period = self.whole_ticks(period);
        Duration::from_nanos(self.ticking_since_zero(at) % period)
    }

    /// The first moment, not before `earliest`, at which the wheel is `offset` into a step of `period`.
    pub fn next(&self, earliest: Monotonic, period: Duration, offset: Duration) -> Monotonic {
        let period_ticks = self.whole_ticks(period);
        let offset = u64::try_from(offset.as_nanos()).unwrap_or(u64::MAX) % period_ticks;
        let position = self.ticking_since_zero(earliest) % period_ticks;
        earliest + Duration::from_nanos((offset + period_ticks - position) % period_ticks)
    }

    /// Nanoseconds of all ticks that were counted, and of the one that goes on.
    ///
    /// Modulo 2^32 ticks: a multiple of every step of the wheel, and the kernel counts no further where
    /// `long` has 32 bits.
    fn ticking_since_zero(&self, at: Monotonic) -> u64 {
        let in_tick = (at.as_nanos() + self.tick - self.grid) % self.tick;
        let counted = self.jiffies.wrapping_add(ticks(at.as_nanos(), self.grid, self.tick)) % (1 << 32);
        counted * self.tick + in_tick
    }

    fn whole_ticks(&self, period: Duration) -> u64 {
        let nanoseconds = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        (nanoseconds.saturating_add(self.tick / 2) / self.tick).max(1) * self.tick
    }
}

/// What the kernel told at some moment between two others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    /// Its clock when it began to tell.
    from: u64,
    /// The clock when all was read.
    until: u64,
    /// A moment at which a tick is due; `None` where the tick is not a timer among the others.
    next_tick: Option<u64>,
    jiffies: u64,
}

impl Reading {
    fn take() -> Option<Self> {
        let text = std::fs::read_to_string(TIMER_LIST).ok()?;
        Self::parse(&text, Monotonic::now().as_nanos())
    }

    fn parse(text: &str, until: u64) -> Option<Self> {
        let mut lines = text.lines();
        let from = lines
            .by_ref()
            .find_map(|line| line.strip_prefix("now at ")?.strip_suffix(" nsecs")?.parse().ok())?;
        let (mut next_tick, mut jiffies) = (None, None);
        while let (Some(line), true) = (lines.next(), next_tick.is_none() || jiffies.is_none()) {
            // `tick_sched_timer` until Linux 6.8. A processor that sleeps may have none.
            if line.contains("tick_nohz_handler") || line.contains("tick_sched_timer") {
                let expires = lines.next().and_then(|line| line.trim().strip_prefix("# expires at "));
                let expires = expires.and_then(|rest| rest.split('-').next()?.parse().ok());
                next_tick = next_tick.or(expires);
            } else if let Some(count) = line.strip_prefix("jiffies: ") {
                jiffies = jiffies.or_else(|| count.parse().ok());
            }
        }
        Some(Self { from, until, next_tick, jiffies: jiffies? })
    }

    fn wheel(&self, tick: u64) -> Wheel {
        Wheel { tick, grid: self.next_tick.unwrap_or(0) % tick, jiffies: 0, known: true }
    }

    /// The counts that are possible for the tick of `grid`, of those that were so before.
    fn counts(&self, tick: u64, grid: u64, before: Option<RangeInclusive<u64>>) -> RangeInclusive<u64> {
        let earliest = ticks(self.from.saturating_sub(tick / HANDLED_AFTER), grid, tick);
        let most = self.jiffies.wrapping_sub(earliest);
        let least = self.jiffies.wrapping_sub(ticks(self.until, grid, tick));
        match before {
            // An interrupt that was held up longer contradicts the others.
            Some(before) => {
                let (least, most) = (least.max(*before.start()), most.min(*before.end()));
                if least <= most { least..=most } else { before }
            }
            None => least..=most,
        }
    }
}

/// Ticks from the one of `grid` to the one that goes on at `at`, modulo 2^64: a moment before `grid` is in
/// the tick before.
const fn ticks(at: u64, grid: u64, tick: u64) -> u64 {
    ((at + tick - grid) / tick).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    // From Linux 6.18 with HZ=250, most lines left out.
    const LIST: &str = "\
Timer List Version: v0.10
HRTIMER_MAX_CLOCK_BASES: 8
now at 10969699412606 nsecs

cpu: 0
 clock 0:
active timers:
 #0: <00000000eb0e389e>, tick_nohz_handler, S:01
 # expires at 10969700000000-10969700000000 nsecs [in 587394 to 587394 nsecs]
 #1: <000000008f15f5e7>, timerfd_tmrproc, S:01
 # expires at 10970273546292-10970273546292 nsecs [in 574133686 to 574133686 nsecs]
  .last_jiffies   : 4297634659
jiffies: 4297634659

cpu: 1
 #0: <00000000b40e8812>, tick_nohz_handler, S:01
 # expires at 10969704000000-10969704000000 nsecs [in 3074044 to 3074044 nsecs]
jiffies: 4297634660
";
    const TICK: u64 = 4_000_000;

    fn wheel() -> Wheel {
        let reading = Reading::parse(LIST, 10_969_699_500_000).expect("a list");
        let wheel = reading.wheel(TICK);
        let counts = reading.counts(TICK, wheel.grid, None);
        assert_eq!(counts.start(), counts.end());
        Wheel { jiffies: *counts.end(), ..wheel }
    }

    #[test]
    fn the_list_tells_the_clock_the_next_tick_and_the_count_of_the_first_processor() {
        let reading = Reading::parse(LIST, 10_969_699_500_000).expect("a list");
        let expected = Reading {
            from: 10_969_699_412_606,
            until: 10_969_699_500_000,
            next_tick: Some(10_969_700_000_000),
            jiffies: 4_297_634_659,
        };
        assert_eq!(reading, expected);
        let older = LIST.replace("tick_nohz_handler", "tick_sched_timer");
        assert_eq!(Reading::parse(&older, expected.until), Some(expected));
        // The first processor sleeps without a tick; the second has one.
        let asleep = LIST.replacen("tick_nohz_handler", "hrtimer_wakeup", 1);
        let expected = Reading { next_tick: Some(10_969_704_000_000), ..expected };
        assert_eq!(Reading::parse(&asleep, expected.until), Some(expected));
    }

    #[test]
    fn what_is_no_such_list_is_no_reading() {
        for text in ["", "now at 5 nsecs\n", "jiffies: 5\n", "now at x nsecs\njiffies: 5\n"] {
            assert_eq!(Reading::parse(text, 9), None, "{text:?}");
        }
        let without_ticks = Reading::parse("now at 5 nsecs\njiffies: 7\n", 9).expect("enough to go by");
        assert_eq!(without_ticks.next_tick, None);
    }

    #[test]
    fn a_position_is_that_of_the_count_and_the_part_of_the_tick() {
        let wheel = wheel();
        let step = |ticks: u64| Duration::from_nanos(ticks * TICK);
        // The tick in which the list was told, 3.412606 ms after it began.
        let at = Monotonic::from_nanos(10_969_699_412_606);
        let expected = Duration::from_nanos(4_297_634_659 % 512 * TICK + 3_412_606);
        assert_eq!(wheel.position(at, step(512)), expected);
        assert_eq!(wheel.position(at + step(512), step(512)), expected);
        assert_eq!(wheel.position(at, step(1)), Duration::from_nanos(3_412_606));
    }

    #[test]
    fn the_next_moment_is_at_the_offset_and_less_than_a_step_away() {
        let wheel = wheel();
        let period = Duration::from_nanos(512 * TICK);
        let earliest = Monotonic::from_nanos(10_970_000_000_001);
        for offset in [0, 1, 3_999_999, 4_000_000, 2_047_999_999].map(Duration::from_nanos) {
            let next = wheel.next(earliest, period, offset);
            assert_eq!(wheel.position(next, period), offset);
            assert!(next >= earliest && next - earliest < period);
            assert_eq!(wheel.next(next, period, offset), next);
        }
    }

    #[test]
    fn ticks_of_an_odd_length_do_not_drift_away() {
        // HZ=300: TICK_NSEC is 3333333, so 64 ticks are 64 ns short of 213.333333 ms.
        let wheel = Wheel { tick: 3_333_333, grid: 1_000, jiffies: 7, known: true };
        let period = Duration::from_secs_f64(64.0 / 300.0);
        let late = Monotonic::from_nanos(1_000 + 3_333_333 * (64 * 1_000_000_000 - 7));
        assert_eq!(wheel.position(late, period), Duration::ZERO);
    }

    #[test]
    fn a_tick_during_a_reading_leaves_two_counts_and_the_next_reading_decides() {
        let reading = |from, until, jiffies| Reading { from, until, next_tick: Some(0), jiffies };
        // Between 0.5 and 1.5 ticks of 1000: the count may be that of either.
        let two = reading(500, 1_500, 100).counts(1_000, 0, None);
        assert_eq!(two, 99..=100);
        assert_eq!(reading(2_400, 2_500, 102).counts(1_000, 0, Some(two.clone())), 100..=100);
        // Just after a tick its interrupt may not have been handled.
        assert_eq!(reading(3_010, 3_020, 102).counts(1_000, 0, None), 99..=100);
        // One that was held up for longer is not believed.
        assert_eq!(reading(4_500, 4_600, 103).counts(1_000, 0, Some(100..=100)), 100..=100);
    }

    #[test]
    fn this_kernel_is_read_twice_alike() {
        let first = Wheel::of_this_kernel().expect("every kernel has a tick");
        std::thread::sleep(Duration::from_millis(10));
        assert_eq!(Wheel::of_this_kernel(), Some(first));
        assert_eq!(first.is_known(), std::fs::read_to_string(TIMER_LIST).is_ok_and(|text| !text.is_empty()));
    }
}
