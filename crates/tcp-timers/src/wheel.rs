//! The kernel's timer wheel: every TCP timer fires late, never early, by up to an eighth of its length.
//!
//! Since Linux 4.8 (`kernel/time/timer.c`; see the comment at its top) a timer is queued on one of nine levels
//! by how far ahead it is. A bucket of level `n` is 8<sup>n</sup> ticks wide, and a timer fires at the end of
//! the bucket that its time falls into. How late that is depends on the tick at which the timer was armed (its
//! phase), so the same experiment gives other seconds at another moment. A timer that is armed as another one
//! fires starts at the end of a bucket: a chain of equal timers is as uncertain as one of them, not as their sum.
//!
//! A jiffy is one tick, `1/HZ` s. Kernels before 4.8 round otherwise, and less: `apply_slack()` moves a
//! timer by at most 1/256 of its length.

use std::time::Duration;

/// `LVL_SIZE - 1` of `kernel/time/timer.c`: a level takes over where the one below it has no bucket left.
pub(crate) const BUCKETS: u64 = 63;

/// `LVL_CLK_SHIFT`: each level's buckets are 2^3 times as wide as those of the level below.
pub(crate) const SHIFT: u32 = 3;

/// The highest level: `LVL_DEPTH - 1`. Kernels with `HZ` of 100 or less have one level fewer, which no
/// timer of TCP can tell: it begins 15 days ahead, and the longest one, `TCP_KEEPIDLE`, is 32767 s.
const HIGHEST: u32 = 8;

/// Level of the timer wheel that a timer `delta` jiffies ahead is queued on, 0 to 8.
///
/// A timer on level `n` fires late by 1 to `8^n` jiffies, never early.
/// Since Linux 4.8; source: `kernel/time/timer.c`, `calc_wheel_index()`.
pub const fn wheel_level(delta: u64) -> u32 {
    let mut level = 0;
    while level < HIGHEST && delta >= BUCKETS << (SHIFT * level) {
        level += 1;
    }
    level
}

/// The jiffy in which a timer fires that is armed `delta` jiffies ahead in jiffy `now`.
///
/// Since Linux 4.8; source: `kernel/time/timer.c`, `calc_index()`. A `delta` of 63 * 8^8 jiffies or more
/// (98 days at `HZ=1000`) is cut to 62 * 8^8, as `WHEEL_TIMEOUT_MAX` has it. `now` counts from any multiple of
/// `8^8`; the sum must stay below 2^64.
pub const fn expiry(now: u64, delta: u64) -> u64 {
    let cutoff = BUCKETS << (SHIFT * HIGHEST);
    let delta = if delta >= cutoff { cutoff - (1 << (SHIFT * HIGHEST)) } else { delta };
    let shift = SHIFT * wheel_level(delta);
    (((now + delta) >> shift) + 1) << shift
}

/// How late a timer of this length may fire on a kernel with `hz` ticks a second: `8^level` ticks.
///
/// `hz` is the kernel's `CONFIG_HZ` (100, 250, 300, 1000 are common); at least 1. `timer` is rounded up to whole
/// ticks, as `usecs_to_jiffies()` does.
pub fn granularity(hz: u32, timer: Duration) -> Duration {
    let delta = jiffies(hz, timer);
    let late = 1_u128 << (SHIFT * wheel_level(delta));
    Duration::from_nanos_u128(late * NANOS_A_SECOND / u128::from(hz.max(1)))
}

const NANOS_A_SECOND: u128 = 1_000_000_000;

/// A span in whole ticks, rounded up.
fn jiffies(hz: u32, span: Duration) -> u64 {
    let ticks = (span.as_nanos() * u128::from(hz.max(1))).div_ceil(NANOS_A_SECOND);
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first jiffy at which a keepalive that was armed at `start` gives up, `start` taken off.
    fn keepalive(hz: u64, start: u64, [idle, interval, count]: [u64; 3]) -> u64 {
        let mut now = expiry(start, idle * hz);
        for _ in 0..count {
            now = expiry(now, interval * hz);
        }
        now - start
    }

    #[test]
    fn a_timer_of_75_s_from_an_aligned_tick_takes_what_was_read_off_the_kernel() {
        let millis = |hz: u64| expiry(0, 75 * hz) * 1000 / hz;
        assert_eq!([250, 1000, 100].map(millis), [75_776, 77_824, 76_800]);
    }

    #[test]
    fn the_levels_begin_where_the_kernels_table_says() {
        // `kernel/time/timer.c`, the table at its top, HZ 250: each level begins 1 bucket below its range.
        let begins = [63, 504, 4032, 32_256, 258_048, 2_064_384, 16_515_072, 132_120_576];
        for (below, begin) in begins.into_iter().enumerate() {
            assert_eq!(wheel_level(begin - 1) as usize, below);
            assert_eq!(wheel_level(begin) as usize, below + 1);
        }
        assert_eq!(wheel_level(u64::MAX), 8);
    }

    #[test]
    fn granularity_grows_by_eights() {
        let seconds = |hz, timer| granularity(hz, Duration::from_secs_f64(timer)).as_secs_f64();
        let steps: [(u32, &[(f64, f64)]); 3] = [
            (
                250,
                &[
                    (0.0, 0.004),
                    (0.248, 0.004),
                    (0.252, 0.032),
                    (2.0, 0.032),
                    (16.0, 0.256),
                    (75.0, 2.048),
                    (1000.0, 16.384),
                    (7200.0, 131.072),
                ],
            ),
            (
                1000,
                &[
                    (0.062, 0.001),
                    (0.5, 0.008),
                    (4.0, 0.064),
                    (32.0, 0.512),
                    (75.0, 4.096),
                    (2000.0, 32.768),
                    (7200.0, 262.144),
                ],
            ),
            (100, &[(40.0, 0.64), (75.0, 5.12), (320.0, 5.12), (330.0, 40.96)]),
        ];
        for (hz, steps) in steps {
            for &(timer, late) in steps {
                assert!((seconds(hz, timer) - late).abs() < 1e-9, "HZ={hz}, {timer} s");
            }
        }
    }

    #[test]
    fn a_chain_of_keepalive_timers_is_as_uncertain_as_one_of_them() {
        // docs: 742.0 to 744.0 s were measured for idle 60, interval 75, count 9 at HZ=250.
        let ticks: Vec<_> = (0..512).map(|start| keepalive(250, start, [60, 75, 9])).collect();
        let (min, max) = (ticks.iter().min().unwrap(), ticks.iter().max().unwrap());
        assert_eq!((min * 4, max * 4), (741_988, 744_032), "milliseconds");
        assert_eq!(max - min + 1, 512, "all of one level's width, and no more");
    }

    #[test]
    fn what_is_further_ahead_than_the_wheel_reaches_is_cut() {
        let bucket = 1 << 24;
        assert_eq!(expiry(0, 63 * bucket), 63 * bucket);
        assert_eq!(expiry(0, 1000 * bucket), 63 * bucket);
        assert_eq!(expiry(0, 63 * bucket - 1), 63 * bucket);
    }

    proptest! {
        #[test]
        fn a_timer_is_late_by_1_to_8_to_the_level_ticks(now in 0..1_u64 << 40, delta in 0..63_u64 << 24) {
            let late = expiry(now, delta) - (now + delta);
            prop_assert!((1..=1 << (3 * wheel_level(delta))).contains(&late), "{late}");
        }

        #[test]
        fn from_the_second_level_on_it_is_late_by_an_eighth_at_most(delta in 63..63_u64 << 24) {
            let widest = 1 << (3 * wheel_level(delta));
            prop_assert!(widest * 63 <= delta * 8);
        }

        #[test]
        fn a_longer_timer_never_fires_before_a_shorter_one(
            now in 0..1_u64 << 40, delta in 0..32_u64 << 24, more in 0..31_u64 << 24,
        ) {
            // Unless it is cut: see the test above.
            prop_assert!(expiry(now, delta) <= expiry(now, delta + more));
        }

        #[test]
        fn granularity_bounds_the_lateness_at_every_tick_rate(
            hz in 1_u32..=1200, millis in 0_u64..40_000_000, now in 0..1_u64 << 40,
        ) {
            let timer = Duration::from_millis(millis);
            let delta = jiffies(hz, timer);
            let late = u128::from(expiry(now, delta) - (now + delta)) * NANOS_A_SECOND / u128::from(hz);
            prop_assert!(late <= granularity(hz, timer).as_nanos());
        }

        #[test]
        fn the_phase_repeats_after_8_to_the_level_ticks(now in 0..1_u64 << 40, delta in 0..63_u64 << 24) {
            let period = 1 << (3 * wheel_level(delta));
            prop_assert_eq!(expiry(now + period, delta), expiry(now, delta) + period);
        }
    }
}
