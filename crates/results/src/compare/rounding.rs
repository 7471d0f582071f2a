//! How far apart two measurements of the same behaviour may lie: what the kernels' timers round.

use std::time::Duration;

use tcp_timers::wheel;

use crate::record::Record;

/// What the two machines themselves add, in seconds: 5 ms on each side. A fault comes into force up to some 4 ms
/// after its time, an application's timer fires on whole milliseconds, and it is scheduled when its turn
/// comes (`scripts/bench` measures all three).
pub const SCHEDULING_S: f64 = 0.010;

/// What no kernel timer sets comes when the peer, or the application's own next write, brings it about. That
/// has a rhythm which no column tells; scenarios write at least once a second.
pub const RHYTHM_S: f64 = 1.0;

/// The tick rate taken where a row has none: the slowest in use, so the coarsest.
pub const ASSUMED_HZ: u32 = 100;

/// `TCP_RTO_MAX`, the longest retransmission and persist timer (`include/net/tcp.h`; also the most that
/// `TCP_RTO_MAX_MS` takes).
const RTO_MAX: Duration = Duration::from_mins(2);

/// `TCP_RTO_MIN` (`include/net/tcp.h`): the first retransmission timer where the round trip is short.
const RTO_MIN: Duration = Duration::from_millis(200);

/// `TCP_TIMEOUT_INIT` (`include/net/tcp.h`): the first timer of a SYN.
const SYN_RTO: Duration = Duration::from_secs(1);

/// How far apart two sides may lie before their kernels behave differently.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Two samples of the same behaviour are at most this far apart, in seconds.
    pub limit_s: f64,
    /// Beyond that, so many seconds more could come from what no column tells.
    pub doubt_s: f64,
    /// What that is; `None` where `doubt_s` is 0.
    pub doubt: Option<Doubt>,
    /// One width of the wheel's bucket for the longest timer, in seconds, where all kernels have the same
    /// tick rate: seconds repeat when the phase moves by this much.
    pub period_s: Option<f64>,
}

/// What no column tells and what could move the seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The first retransmission timeout follows the measured round trip: one tick more there, doubled at
    /// each retransmission.
    FirstTimeout,
    /// The peer, or the application's own writes: see [`RHYTHM_S`].
    Rhythm,
}

/// Bounds for two sides' rows of one end of one cell, which all ended with the same error.
///
/// With one tick rate the kernels round alike. A chain of timers is then as uncertain as the longest of them (see
/// [`wheel`]), so `limit_s` is that timer's granularity, a tick (a timer may be armed anywhere within one) and
/// [`SCHEDULING_S`]. Which timers they were:
///
/// - keepalive: the longer of idle and interval, read back from the socket;
/// - retransmission and persist: unknown in detail, but none is longer than the time itself or `TCP_RTO_MAX`;
/// - an error that the peer or the network made, or a timer that is not known: the time itself.
///
/// With different tick rates each step of the chain is rounded another way, always up, so `limit_s` is the sum of the
/// granularities of all steps on the kernel where that is more. The steps of a retransmission are a
/// ladder of doublings from 200 ms (a SYN: 1 s) to 120 s; its first step is a whole number of ticks too, and what is
/// rounded there is doubled with it.
///
/// The result is the same whichever side comes first.
pub fn bounds(a: &[&Record], b: &[&Record]) -> Bounds {
    let records = || a.iter().chain(b).copied();
    let rates = || records().map(|record| record.hz.unwrap_or(ASSUMED_HZ));
    let most = |seconds: &dyn Fn(&Record) -> f64| records().map(seconds).fold(0.0, f64::max);
    let tick = most(&tick);
    let chain = Chain::of;
    let is_one_rate = rates().all(|hz| Some(hz) == rates().next());
    let period_s = most(&|record| granularity(record, chain(record).longest()));
    let timers_s = if is_one_rate { period_s } else { most(&|record| chain(record).rounding(record)) };
    let first_timeout_s = most(&|record| chain(record).first_timeout(record));
    let (doubt_s, doubt) = if records().any(|record| matches!(chain(record), Chain::Unknown(_))) {
        (RHYTHM_S, Some(Doubt::Rhythm))
    } else if is_one_rate && first_timeout_s > 0.0 {
        (first_timeout_s, Some(Doubt::FirstTimeout))
    } else {
        (0.0, None)
    };
    Bounds {
        limit_s: timers_s + tick + SCHEDULING_S,
        doubt_s,
        doubt,
        period_s: is_one_rate.then_some(period_s),
    }
}

/// Errors that reach an end from outside, at no timer's time.
const FROM_OUTSIDE: [&str; 4] = ["ECONNRESET", "EPIPE", "ECONNREFUSED", "ECONNABORTED"];

/// Whether one of this end's own timers decided on the error.
pub(super) fn is_own_timers(record: &Record) -> bool {
    record.errno.as_ref().is_some_and(|errno| !FROM_OUTSIDE.contains(&errno.as_str()))
}

/// Whether the keepalive timer gave up.
pub(super) fn is_keepalive_death(record: &Record) -> bool {
    matches!(Chain::of(record), Chain::Keepalive { .. })
}

/// The timers that an error stood on, one after another.
enum Chain {
    /// Idle, then so many intervals (a whole number).
    Keepalive { idle: Duration, interval: Duration, intervals: f64 },
    /// Doublings from `first` to [`RTO_MAX`] until `time`. `follows_round_trip`: whether the first one does.
    Backoff { first: Duration, time: Duration, follows_round_trip: bool },
    /// Not known; it took this long.
    Unknown(Duration),
}

impl Chain {
    fn of(record: &Record) -> Self {
        let time = record.time_to_error_s.unwrap_or(0.0).clamp(0.0, f64::from(u32::MAX));
        let time = Duration::from_secs_f64(time);
        let timer = record.armed_timer.as_deref().unwrap_or_default();
        let settings = &record.settings;
        let keepalive = settings.keepidle_s.zip(settings.keepintvl_s).zip(settings.keepcnt);
        match (timer, keepalive) {
            _ if !is_own_timers(record) => Self::Unknown(time),
            ("keepalive", Some(((idle, interval), count))) => {
                let intervals = match settings.user_timeout_s {
                    // tcp_keepalive_timer(): the first tick of idle + k * interval, k >= 1, past the user timeout.
                    Some(timeout) => {
                        let after = (timeout - f64::from(idle)) / f64::from(interval.max(1));
                        after.ceil().max(1.0)
                    }
                    None => f64::from(count),
                };
                let seconds = |seconds: u32| Duration::from_secs(seconds.into());
                Self::Keepalive { idle: seconds(idle), interval: seconds(interval), intervals }
            }
            ("retransmission", _) if record.syscall.as_deref() == Some("connect") => {
                Self::Backoff { first: SYN_RTO, time, follows_round_trip: false }
            }
            (name, _) if name == "retransmission" || name.starts_with("persist") => {
                // tcp_clamp_rto_to_user_timeout(): the last step makes good what the others added.
                let follows_round_trip = settings.user_timeout_s.is_none();
                Self::Backoff { first: RTO_MIN, time, follows_round_trip }
            }
            _ => Self::Unknown(time),
        }
    }

    /// The longest of the timers, or a bound of it.
    fn longest(&self) -> Duration {
        match *self {
            Self::Keepalive { idle, interval, .. } => idle.max(interval),
            Self::Backoff { time, .. } => time.min(RTO_MAX),
            Self::Unknown(time) => time,
        }
    }

    /// The granularities of all steps together, in seconds.
    fn rounding(&self, record: &Record) -> f64 {
        match self {
            Self::Keepalive { idle, interval, intervals } => {
                granularity(record, *idle) + intervals * granularity(record, *interval)
            }
            Self::Backoff { .. } => {
                let late: f64 = self.ladder().iter().map(|step| granularity(record, *step)).sum();
                late + self.first_timeout(record)
            }
            Self::Unknown(time) => granularity(record, *time),
        }
    }

    /// What one tick more in the first retransmission timeout adds up to.
    fn first_timeout(&self, record: &Record) -> f64 {
        match self {
            Self::Backoff { first, follows_round_trip: true, .. } => {
                let doubled = self.ladder().into_iter().filter(|step| *step < RTO_MAX);
                doubled.map(|step| tick(record) * step.as_secs_f64() / first.as_secs_f64()).sum()
            }
            _ => 0.0,
        }
    }

    fn ladder(&self) -> Vec<Duration> {
        let Self::Backoff { first, time, .. } = *self else { return Vec::new() };
        let mut steps = Vec::new();
        let (mut step, mut sum) = (first, Duration::ZERO);
        while sum < time {
            steps.push(step);
            sum += step;
            step = (step * 2).min(RTO_MAX);
        }
        steps
    }
}

fn tick(record: &Record) -> f64 {
    1.0 / f64::from(record.hz.unwrap_or(ASSUMED_HZ))
}

fn granularity(record: &Record, timer: Duration) -> f64 {
    wheel::granularity(record.hz.unwrap_or(ASSUMED_HZ), timer).as_secs_f64()
}

#[cfg(test)]
#[path = "rounding_tests.rs"]
mod tests;
