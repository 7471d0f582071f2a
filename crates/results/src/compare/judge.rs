//! Judging one end of one cell: same, changed or inconclusive, and why.

use std::collections::BTreeSet;

use serde::Serialize;

use super::rounding;
use super::sample::{self, Measure, Samples};
use super::seconds::{self, Finding};
use super::words;
use crate::record::Record;

/// What became of a matched end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// No difference, or none that rounding and spread do not explain.
    Same,
    /// It cannot be told from these samples.
    Inconclusive,
    /// The kernels behave differently.
    Changed,
}

impl Change {
    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Inconclusive => "inconclusive",
            Self::Changed => "changed",
        }
    }
}

/// What a judgement was made by: the first of these that is not the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The outcome or the errno.
    Result,
    /// The seconds.
    Seconds,
    /// The kernel timer that gave up.
    ArmedTimer,
    /// Keepalive probes sent before keepalive gave up.
    KeepaliveProbes,
    /// Retransmissions sent before they were given up.
    Retransmits,
}

/// What became of a matched end, and why it is judged so.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The judgement.
    pub change: Change,
    /// What it was made by; `None` where all is the same.
    pub subject: Option<Subject>,
    /// Why, in words.
    pub why: String,
    /// What else differs and does not decide, in words.
    pub notes: Vec<String>,
    /// The seconds that were compared; `None` where no error came on both sides.
    pub seconds: Option<Seconds>,
}

/// How the seconds of an error were compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Seconds {
    /// The time that was compared: the application's, or where only that differs, another one.
    pub measure: Measure,
    /// How much later the median is than the baseline's.
    pub shift_s: f64,
    /// What the rounding of the kernels' timers explains.
    pub limit_s: f64,
    /// The rank test's probability, where the judgement rests on it.
    pub p_value: Option<f64>,
}

/// Judges `other` against `baseline`. Which of the two is the baseline decides the words, never the judgement.
pub fn judge(baseline: &Samples, other: &Samples) -> Judgement {
    let (mut judgement, is_settled) = by_result_and_seconds(baseline, other);
    if !is_settled {
        by_mechanism(baseline, other, &mut judgement);
    }
    judgement.notes.splice(0..0, words::settings(baseline, other));
    judgement.notes.extend(words::unknown_tick_rate(baseline, other));
    judgement
}

/// By outcome and errno, then by seconds; and whether that settles it.
fn by_result_and_seconds(baseline: &Samples, other: &Samples) -> (Judgement, bool) {
    let (was, is) = (baseline.fates(), other.fates());
    let by_result = |change| Judgement {
        change,
        subject: Some(Subject::Result),
        why: words::results(baseline, other),
        notes: Vec::new(),
        seconds: None,
    };
    if !was.keys().any(|fate| is.contains_key(fate)) {
        return (by_result(Change::Changed), true);
    }
    let (samples_was, samples_is) = (baseline.records().len(), other.records().len());
    let shares_are_equal = was.len() == is.len()
        && was
            .iter()
            .all(|(fate, times)| is.get(fate).is_some_and(|now| now * samples_was == times * samples_is));
    if !shares_are_equal {
        return (by_result(Change::Inconclusive), true);
    }
    // Of several results in equal shares each is judged by itself; what differs most decides.
    let judged = was.keys().filter_map(|fate| of_fate(&baseline.with_fate(fate), &other.with_fate(fate)));
    let decisive = judged.reduce(|first, next| if next.change > first.change { next } else { first });
    let judgement = decisive.unwrap_or_else(|| Judgement {
        change: Change::Same,
        subject: None,
        why: words::no_error(baseline),
        notes: Vec::new(),
        seconds: None,
    });
    let is_settled = judgement.change != Change::Same;
    (judgement, is_settled)
}

/// By the seconds of one error; `None` where it is no error, so that there are none.
fn of_fate(was: &[&Record], is: &[&Record]) -> Option<Judgement> {
    let bounds = rounding::bounds(was, is);
    let measured = Measure::ALL.into_iter().filter_map(|measure| {
        let (was, is) = (sample::times(was, measure)?, sample::times(is, measure)?);
        Some((measure, seconds::judge(&was, &is, &bounds), was, is))
    });
    // The application's own time decides, unless another one shows that the kernel did the same.
    let (measure, finding, was_times, is_times) =
        measured.reduce(|first, next| if change(next.1) < change(first.1) { next } else { first })?;
    let shift_s = seconds::shift(&was_times.seconds, &is_times.seconds);
    let compared = Seconds { measure, shift_s, limit_s: bounds.limit_s, p_value: p_value(finding) };
    let change = change(finding);
    Some(Judgement {
        change,
        subject: (change != Change::Same).then_some(Subject::Seconds),
        why: words::seconds(
            finding,
            &compared,
            &bounds,
            [&was_times, &is_times],
            &words::tick_rates(was, is),
        ),
        notes: Vec::new(),
        seconds: Some(compared),
    })
}

const fn change(finding: Finding) -> Change {
    match finding {
        Finding::WithinRounding | Finding::MediansWithinRounding | Finding::WithinSpread { .. } => {
            Change::Same
        }
        Finding::BeyondRounding
        | Finding::Apart
        | Finding::Shifted { .. }
        | Finding::ShiftedAtAllPhases { .. } => Change::Changed,
        Finding::InDoubt | Finding::TooFew => Change::Inconclusive,
    }
}

const fn p_value(finding: Finding) -> Option<f64> {
    match finding {
        Finding::WithinSpread { p } | Finding::Shifted { p } | Finding::ShiftedAtAllPhases { p } => Some(p),
        _ => None,
    }
}

/// By the timer that gave up and what it had sent, where results and seconds are the same: in the same time
/// and with the same error, another mechanism is a change. Where no timer of this end decided, the counts
/// follow from the traffic and are only noted. So is a retransmission more or less: a loss probe
/// (`tcp_send_loss_probe()`) counts as one and depends on what had been acknowledged.
fn by_mechanism(baseline: &Samples, other: &Samples, judgement: &mut Judgement) {
    let all = || baseline.records().iter().chain(other.records());
    let is_own_timers = all().all(rounding::is_own_timers);
    let is_keepalive = all().all(rounding::is_keepalive_death);
    let mut differ = |subject, text: Option<String>, is_change: bool| {
        let Some(text) = text else { return };
        if is_change && judgement.change == Change::Same {
            judgement.change = Change::Changed;
            judgement.subject = Some(subject);
            let same = std::mem::replace(&mut judgement.why, text);
            judgement.notes.push(same);
        } else {
            judgement.notes.push(text);
        }
    };
    let timer = |samples: &Samples| samples.values(|record| record.armed_timer.clone());
    let (was, is) = (timer(baseline), timer(other));
    let is_another = !was.iter().any(|was| is.iter().any(|is| could_be_one(was, is)));
    let text = is_another.then(|| words::values("kernel timer", &was, &is)).flatten();
    differ(Subject::ArmedTimer, text, is_own_timers && is_another);

    let probes = |samples: &Samples| samples.values(|record| record.keepalive_probes);
    let (was, is) = (probes(baseline), probes(other));
    let text = words::values("keepalive probes", &was, &is);
    differ(Subject::KeepaliveProbes, text, is_keepalive && distance(&was, &is) >= 1);

    let retransmits = |samples: &Samples| samples.values(|record| record.retransmits);
    let (was, is) = (retransmits(baseline), retransmits(other));
    let text = words::values("retransmissions", &was, &is);
    differ(Subject::Retransmits, text, is_own_timers && !is_keepalive && distance(&was, &is) >= 2);
}

/// Kernels before 5.4 do not tell the two persist timers apart.
fn could_be_one(a: &str, b: &str) -> bool {
    a == b || [(a, b), (b, a)].iter().any(|(a, b)| *a == "persist" && b.starts_with("persist-"))
}

/// How far apart the nearest two counts are; 0 where a side has none.
fn distance(a: &BTreeSet<u64>, b: &BTreeSet<u64>) -> u64 {
    a.iter().flat_map(|a| b.iter().map(|b| a.abs_diff(*b))).min().unwrap_or(0)
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
