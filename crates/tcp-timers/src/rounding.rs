//! How a kernel rounds its timers: by the wheel since 4.8, by a slack of 1/256 before.

use crate::kernel::Kernel;
use crate::{slack, wheel};

/// The rounding of one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    Wheel,
    Slack,
}

impl Rounding {
    pub(crate) const fn of(kernel: Kernel) -> Self {
        if kernel.version.has_wheel() { Self::Wheel } else { Self::Slack }
    }

    /// The jiffy in which a timer fires that is armed in jiffy `now` for jiffy `target`.
    ///
    /// A timer that is armed as another one fires (`armed_by_timer`) finds the wheel's clock one jiffy ahead of
    /// `jiffies` (`__run_timers()` steps it before it calls the timers), and so may land one level lower.
    pub(crate) fn expiry(self, now: u64, target: u64, armed_by_timer: bool) -> u64 {
        let target = target.max(now);
        match self {
            Self::Wheel => {
                let clock = (now + u64::from(armed_by_timer)).min(target);
                wheel::expiry(clock, target - clock)
            }
            Self::Slack => slack::expiry(now, target - now),
        }
    }

    /// The first target after `target` that may be rounded to another jiffy, or on another level.
    pub(crate) fn next_change(self, now: u64, target: u64, armed_by_timer: bool) -> u64 {
        match self {
            Self::Wheel => {
                let clock = now + u64::from(armed_by_timer);
                let level = wheel::wheel_level(target.saturating_sub(clock));
                let bucket = ((target >> (wheel::SHIFT * level)) + 1) << (wheel::SHIFT * level);
                bucket.min(clock + (wheel::BUCKETS << (wheel::SHIFT * level)))
            }
            Self::Slack => target + 1,
        }
    }

    /// After this many ticks all timers that are no longer than `longest` repeat themselves.
    pub(crate) fn period(self, longest: u64) -> u64 {
        match self {
            Self::Wheel => 1 << (wheel::SHIFT * wheel::wheel_level(longest)),
            Self::Slack => (longest / slack::PART + 1).next_power_of_two(),
        }
    }
}
