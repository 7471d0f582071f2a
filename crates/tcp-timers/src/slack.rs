//! Timers before Linux 4.8: `apply_slack()` of `kernel/timer.c` moves a long one to a round jiffy.
//!
//! A timer shorter than 256 ticks fires exactly in its jiffy. A longer one may fire later by up to 1/256 of its
//! length, in the jiffy whose number has most zeros at its binary end, so that many timers share one wake-up.

/// A timer moves by no more than one part of this many.
pub const PART: u64 = 256;

/// The jiffy in which a timer fires that is armed `delta` jiffies ahead in jiffy `now`.
///
/// Linux 2.6.35 to 4.7; source: `kernel/timer.c` (`kernel/time/timer.c` since 3.17), `apply_slack()`.
/// Unlike the wheel since 4.8 it adds no tick for the one that has begun: such a timer may be early by less than one.
pub const fn expiry(now: u64, delta: u64) -> u64 {
    let target = now + delta;
    if delta < PART {
        return target;
    }
    let limit = target + delta / PART;
    let differ = target ^ limit;
    if differ == 0 {
        return target;
    }
    let highest = u64::BITS - 1 - differ.leading_zeros();
    limit & !((1 << highest) - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_timer_moves_to_the_roundest_jiffy_in_reach() {
        assert_eq!(expiry(1000, 255), 1255, "short timers are exact");
        assert_eq!(expiry(0, 15_000), 15_040, "58 ticks of slack: 15040 ends in six binary zeros");
        assert_eq!(expiry(0, 16_384), 16_384 + 64);
    }

    proptest! {
        #[test]
        fn it_is_late_by_a_256th_at_most_and_never_early(now in 0..1_u64 << 40, delta in 0..1_u64 << 32) {
            let late = expiry(now, delta) - (now + delta);
            prop_assert!(late <= delta / PART);
        }

        #[test]
        fn no_other_jiffy_in_reach_is_rounder(now in 0..1_u64 << 40, delta in 256..1_u64 << 20) {
            let target = now + delta;
            let roundest = (target..=target + delta / PART).map(u64::trailing_zeros).max().unwrap();
            let chosen = expiry(now, delta).trailing_zeros();
            // `target` itself is not considered, unless nothing else is in reach.
            prop_assert!(chosen == roundest || target.trailing_zeros() == roundest);
        }

        #[test]
        fn the_phase_repeats(now in 0..1_u64 << 40, delta in 0..1_u64 << 32) {
            let period = (delta / PART + 1).next_power_of_two();
            prop_assert_eq!(expiry(now + period, delta), expiry(now, delta) + period);
        }
    }
}
