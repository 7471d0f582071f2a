//! How a kernel counts time: jiffies, milliseconds, and parts of a tick.

use std::time::Duration;

use crate::kernel::Kernel;
use crate::rounding::Rounding;

/// Parts of a tick in which exact moments are counted: a nanosecond is `HZ` of them.
pub(crate) const TICK: u64 = 1_000_000_000;

/// A kernel's clock: from spans of time to jiffies and back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) hz: u64,
    pub(crate) rounding: Rounding,
}

impl Clock {
    pub(crate) fn of(kernel: Kernel) -> Self {
        Self { hz: u64::from(kernel.hz.max(1)), rounding: Rounding::of(kernel) }
    }

    /// A span in jiffies, rounded up, as `msecs_to_jiffies()` and `usecs_to_jiffies()` do.
    pub(crate) fn jiffies(self, span: Duration) -> u64 {
        self.units(span).div_ceil(TICK)
    }

    /// A span in parts of a tick, exactly.
    pub(crate) fn units(self, span: Duration) -> u64 {
        u64::try_from(span.as_nanos() * u128::from(self.hz)).unwrap_or(u64::MAX / 4)
    }

    /// A span in parts of a tick as time; what is left of a nanosecond is cut off.
    pub(crate) fn span(self, units: u64) -> Duration {
        Duration::from_nanos(units / self.hz)
    }

    /// Whole milliseconds in that many jiffies: `jiffies_to_msecs()`.
    pub(crate) fn millis(self, jiffies: u64) -> u64 {
        jiffies * 1000 / self.hz
    }

    /// Jiffies of that many milliseconds, rounded up: `msecs_to_jiffies()`.
    pub(crate) fn jiffies_of_millis(self, millis: u64) -> u64 {
        (millis * self.hz).div_ceil(1000)
    }
}
