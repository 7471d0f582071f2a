//! The ladder of retransmission timeouts: where it begins, where it ends, and how long it is meant to take.

use std::time::Duration;

use crate::clock::Clock;
use crate::options::Socket;

/// `TCP_RTO_MIN`: 200 ms. Some places use this constant whatever the sysctl says.
const RTO_MIN: Duration = Duration::from_millis(200);

/// `TCP_RTO_MAX`: 120 s, where it cannot be set.
const RTO_MAX: Duration = Duration::from_mins(2);

/// The timeouts of one connection, in jiffies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ladder {
    pub(crate) clock: Clock,
    /// `icsk_rto` at the start: the smoothed round-trip time and its variation (`__tcp_set_rto()`).
    pub(crate) first: u64,
    /// `tcp_rto_max()`
    pub(crate) max: u64,
    /// `TCP_RTO_MIN`
    pub(crate) min: u64,
}

impl Ladder {
    pub(crate) fn of(socket: &Socket) -> Self {
        let clock = Clock::of(socket.kernel);
        let variation = if socket.since(6, 11) { socket.sysctls.rto_min } else { RTO_MIN };
        let max = if socket.since(6, 15) {
            socket.options.rto_max.unwrap_or(socket.sysctls.rto_max)
        } else {
            RTO_MAX
        };
        let max = clock.jiffies(max);
        let first = clock.jiffies(socket.round_trip + variation).min(max);
        Self { clock, first, max, min: clock.jiffies(RTO_MIN) }
    }

    /// How long `retries` retransmissions are meant to take, in milliseconds: the first after `base` jiffies, each
    /// of the others after twice as long, but never more than the maximum (`tcp_model_timeout()`).
    pub(crate) fn model(&self, retries: u32, base: u64) -> u64 {
        let doublings = u64::from((self.max / base).max(1).ilog2());
        let retries = u64::from(retries);
        let doubled = ((2_u64 << retries.min(doublings)) - 1) * base;
        self.clock.millis(doubled + retries.saturating_sub(doublings) * self.max)
    }

    /// The timeout after this one.
    pub(crate) fn next(&self, timeout: u64) -> u64 {
        (timeout * 2).min(self.max)
    }

    /// `TCP_RESOURCE_PROBE_INTERVAL`: 500 ms, when the host's own queue drops.
    /// Also `tcp_invalid_ratelimit`, by default.
    pub(crate) const fn congestion(&self) -> u64 {
        self.clock.hz / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Kernel, KernelVersion};
    use crate::options::{Options, Sysctls};

    #[test]
    fn retries_stand_for_these_spans() {
        let kernel = Kernel { version: KernelVersion::new(6, 17), hz: 250 };
        let model = |rto_max: Option<Duration>, retries| {
            let options = Options { rto_max, ..Options::default() };
            let sysctls = Sysctls::default();
            let ladder = Ladder::of(&Socket {
                kernel,
                options: &options,
                sysctls: &sysctls,
                round_trip: Duration::ZERO,
            });
            ladder.model(retries, ladder.min)
        };
        let default = [3, 5, 8, 15].map(|retries| model(None, retries));
        assert_eq!(default, [3_000, 12_600, 102_200, 924_600], "milliseconds");
        assert_eq!(model(Some(Duration::from_secs(1)), 15), 14_400, "a lower maximum shortens it");
    }
}
