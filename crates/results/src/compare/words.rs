//! Judgements in words: what differs, by how much, and why that is one or none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::judge::Seconds;
use super::rank::ENOUGH;
use super::rounding::{ASSUMED_HZ, Bounds, Doubt};
use super::sample::{Measure, Samples};
use super::seconds::{Finding, Times};
use crate::record::{Record, Settings};

/// Options or sysctls that differ: then the kernels were not asked the same.
pub(super) fn settings(baseline: &Samples, other: &Samples) -> Option<String> {
    type Column = (&'static str, fn(&Settings) -> Option<String>);
    let columns: [Column; 5] = [
        ("keepidle_s", |settings| text(settings.keepidle_s)),
        ("keepintvl_s", |settings| text(settings.keepintvl_s)),
        ("keepcnt", |settings| text(settings.keepcnt)),
        ("user_timeout_s", |settings| text(settings.user_timeout_s)),
        ("tcp_retries2", |settings| text(settings.tcp_retries2)),
    ];
    let differences: Vec<String> = columns
        .iter()
        .filter_map(|(name, value)| {
            let of = |samples: &Samples| {
                samples.values(|record| Some(value(&record.settings).unwrap_or_else(|| "unset".to_owned())))
            };
            values(name, &of(baseline), &of(other))
        })
        .collect();
    (!differences.is_empty()).then(|| format!("not the same question: {}", differences.join(", ")))
}

fn text<T: ToString>(value: Option<T>) -> Option<String> {
    value.map(|value| value.to_string())
}

/// Says so where a tick rate had to be assumed.
pub(super) fn unknown_tick_rate(baseline: &Samples, other: &Samples) -> Option<String> {
    let mut records = baseline.records().iter().chain(other.records());
    let is_unknown = records.any(|record| record.errno.is_some() && record.hz.is_none());
    is_unknown.then(|| format!("tick rate not recorded: HZ {ASSUMED_HZ} assumed, the coarsest"))
}

/// A column whose values differ: `keepalive probes 10, was 9`. `None` where they do not, or where a side has none.
pub(super) fn values<T: Ord + Display>(name: &str, was: &BTreeSet<T>, is: &BTreeSet<T>) -> Option<String> {
    let list = |values: &BTreeSet<T>| values.iter().map(T::to_string).collect::<Vec<_>>().join(" or ");
    let differ = was != is && !was.is_empty() && !is.is_empty();
    differ.then(|| format!("{name} {}, was {}", list(is), list(was)))
}

/// Results that differ, in kind or in their shares.
pub(super) fn results(baseline: &Samples, other: &Samples) -> String {
    let (was, is) = (baseline.fates(), other.fates());
    if !was.keys().any(|fate| is.contains_key(fate)) {
        return format!("{}, was {}", fates(&is), fates(&was));
    }
    let samples = sample_counts(baseline.records().len(), other.records().len());
    format!("{}, was {}: {samples} do not tell whether that is a change", fates(&is), fates(&was))
}

fn fates(fates: &BTreeMap<&str, usize>) -> String {
    let all: usize = fates.values().sum();
    let words = fates.iter().map(|(fate, times)| {
        if *times == all { (*fate).to_owned() } else { format!("{fate} in {times} of {all}") }
    });
    words.collect::<Vec<_>>().join(" and ")
}

/// Both sides came to the same without an error.
pub(super) fn no_error(samples: &Samples) -> String {
    format!("{} on both sides", fates(&samples.fates()))
}

fn sample_counts(a: usize, b: usize) -> String {
    if (a, b) == (1, 1) { "1 sample on each side".to_owned() } else { format!("{a} and {b} samples") }
}

/// What the seconds say.
pub(super) fn seconds(
    finding: Finding,
    compared: &Seconds,
    bounds: &Bounds,
    [was, is]: [&Times; 2],
    rates: &BTreeSet<u32>,
) -> String {
    let moved = moved(compared, was.seconds.len() > 1 || is.seconds.len() > 1);
    let limit = figure(bounds.limit_s);
    let rounding = if rates.len() > 1 {
        let rates: Vec<String> = rates.iter().map(u32::to_string).collect();
        format!("tick rates differ (HZ {}): rounding alone moves it by up to {limit}", rates.join(", "))
    } else {
        format!("rounding moves it by up to {limit}")
    };
    let samples = sample_counts(was.seconds.len(), is.seconds.len());
    let would_do = format!("{ENOUGH} on each side would do");
    match finding {
        Finding::WithinRounding if is_nothing(compared) => moved,
        Finding::WithinRounding | Finding::MediansWithinRounding | Finding::BeyondRounding => {
            format!("{moved}; {rounding}")
        }
        Finding::WithinSpread { p } => {
            format!("{moved}, within the spread of the samples ({samples}, p = {})", probability(p))
        }
        Finding::Apart => {
            format!(
                "{moved}: each side's samples lie as close together as rounding lets them ({limit}), but apart from the other's"
            )
        }
        Finding::Shifted { p } => {
            format!("{moved} ({samples}, p = {}); {rounding}", probability(p))
        }
        Finding::ShiftedAtAllPhases { p } => {
            let phases = |times: &Times| times.phases.as_ref().map_or(0, Vec::len);
            format!(
                "{moved} over all phases of the timer wheel ({} and {} phases, p = {}), though {rounding}",
                phases(was),
                phases(is),
                probability(p)
            )
        }
        Finding::InDoubt => {
            let doubt = match bounds.doubt {
                Some(Doubt::FirstTimeout) => "a first retransmission timeout one tick longer",
                _ => "the rhythm of the traffic (no timer of this end set the time)",
            };
            let more = figure(bounds.doubt_s);
            format!("{moved}; {rounding}, and {doubt} by up to {more} more; {samples}, {would_do}")
        }
        Finding::TooFew => format!("{moved}; {rounding}; {samples} lie too far apart to tell, {would_do}"),
    }
}

fn moved(compared: &Seconds, is_median: bool) -> String {
    let how = match compared.measure {
        Measure::Told => "",
        Measure::Kernel => " by the kernel's own time",
        Measure::Silent => " counted from the last data",
    };
    let distance = compared.shift_s.abs();
    let moved = match compared.shift_s {
        _ if is_nothing(compared) => "the same time".to_owned(),
        shift if shift < 0.0 => format!("{} earlier", figure(distance)),
        _ => format!("{} later", figure(distance)),
    };
    format!("{moved}{how}{}", if is_median { " at the median" } else { "" })
}

/// Whether it is less than what is shown.
fn is_nothing(compared: &Seconds) -> bool {
    compared.shift_s.abs() < 0.000_5
}

/// Seconds: below 1 s to the millisecond, below 10 s to the hundredth.
fn figure(seconds: f64) -> String {
    let decimals = match seconds {
        seconds if seconds < 1.0 => 3,
        seconds if seconds < 10.0 => 2,
        _ => 1,
    };
    format!("{seconds:.decimals$} s")
}

fn probability(p: f64) -> String {
    if p < 0.001 { "under 0.001".to_owned() } else { format!("{p:.3}") }
}

/// The tick rates of these rows.
pub(super) fn tick_rates(was: &[&Record], is: &[&Record]) -> BTreeSet<u32> {
    was.iter().chain(is).map(|record| record.hz.unwrap_or(ASSUMED_HZ)).collect()
}
