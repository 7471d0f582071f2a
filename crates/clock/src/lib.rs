//! The one clock of the lab: `CLOCK_MONOTONIC` in nanoseconds.
//!
//! The ends, the firewall, the tracepoints (`trace_clock` = `mono`) and the scheduler all stamp
//! with this clock, so any two stamps of one machine can be subtracted.
//! See `clock_gettime(2)`; `std::time::Instant` reads the same clock but hides the number.

mod wheel;

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

pub use wheel::Wheel;

/// A moment: nanoseconds of `CLOCK_MONOTONIC` since some fixed point before boot ended.
///
/// 64 bits hold 584 years. Serialised as the plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Monotonic(u64);

impl Monotonic {
    /// The moment of the call. Costs about 30 ns (vDSO, no system call).
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("CLOCK_MONOTONIC exists on every Linux");
        Self::from_duration(Duration::from(now))
    }

    /// The moment `nanoseconds` after the clock's zero.
    pub const fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since the clock's zero.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this moment is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Seconds from `origin` to this moment; negative if this moment came first.
    pub fn seconds_from(self, origin: Self) -> f64 {
        if self >= origin { self.since(origin).as_secs_f64() } else { -origin.since(self).as_secs_f64() }
    }

    fn from_duration(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl Add<Duration> for Monotonic {
    type Output = Self;

    /// Saturates at the end of the clock (584 years).
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(Self::from_duration(duration).0))
    }
}

impl Sub for Monotonic {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Display for Monotonic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09} s", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

/// Ticks a second of the running kernel (`CONFIG_HZ`): 100, 250, 300 or 1000 on usual kernels.
///
/// `CLOCK_MONOTONIC_COARSE` advances once a tick and `clock_getres(2)` tells its step
/// (`kernel/time/posix-timers.c`, `posix_get_coarse_res()`: `KTIME_LOW_RES`, one `TICK_NSEC`),
/// so no configuration file has to be readable. `None` where the system call fails.
pub fn ticks_per_second() -> Option<u32> {
    let step = nix::time::clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).ok()?;
    let step = Duration::from(step).as_secs_f64();
    // TICK_NSEC is rounded to whole nanoseconds, so the quotient is a hair off a whole number.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (step > 0.0).then(|| (1.0 / step).round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_does_not_run_backwards_and_agrees_with_std() {
        let before = std::time::Instant::now();
        let a = Monotonic::now();
        std::thread::sleep(Duration::from_millis(2));
        let b = Monotonic::now();
        let elapsed = before.elapsed();
        assert!(b - a >= Duration::from_millis(2));
        assert!(b - a <= elapsed);
    }

    #[test]
    fn seconds_from_is_signed() {
        let origin = Monotonic::from_nanos(2_000_000_000);
        assert!((Monotonic::from_nanos(3_500_000_000).seconds_from(origin) - 1.5).abs() < 1e-12);
        assert!((Monotonic::from_nanos(500_000_000).seconds_from(origin) + 1.5).abs() < 1e-12);
    }

    #[test]
    fn the_tick_rate_is_one_that_kernels_are_built_with() {
        let hz = ticks_per_second().expect("clock_getres works");
        assert!((24..=1200).contains(&hz), "HZ = {hz}");
    }
}
