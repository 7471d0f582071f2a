//! Judging seconds: are two sides' samples further apart than rounding and spread explain?

use super::rank::{self, ALPHA, ENOUGH};
use super::rounding::Bounds;

/// The samples of one side.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Times {
    /// Seconds, at least one, sorted; of several runs that are copies of each other only one.
    pub(super) seconds: Vec<f64>,
    /// Seconds and the phase each was measured at, where every sample has a phase: one for each phase.
    pub(super) phases: Option<Vec<(f64, f64)>>,
}

/// What the seconds say, and the reason.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Finding {
    /// Same: no two samples are further apart than [`Bounds::limit_s`].
    WithinRounding,
    /// Same: the medians are no further apart than that, though single samples are.
    MediansWithinRounding,
    /// Same: the sides differ by less than the samples of one side do among themselves.
    WithinSpread { p: f64 },
    /// Changed: no sample of one side is within reach of any of the other.
    BeyondRounding,
    /// Changed: each side's samples keep together, but apart from the other's.
    Apart,
    /// Changed: shifted by more than the limit.
    Shifted { p: f64 },
    /// Changed: shifted by less than the limit, but at all phases of the timer wheel.
    ShiftedAtAllPhases { p: f64 },
    /// Inconclusive: further apart than rounding explains, but not than the doubt in [`Bounds::doubt_s`].
    InDoubt,
    /// Inconclusive: too few samples for their spread.
    TooFew,
}

/// The distance of the medians, in seconds: how much later `b` is.
pub(super) fn shift(a: &[f64], b: &[f64]) -> f64 {
    median(b) - median(a)
}

/// The middle of sorted samples.
pub(super) fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

/// Judges two sides' seconds; the same whichever comes first. The rules in words: docs/results.md, "Comparing".
pub(super) fn judge(a: &Times, b: &Times, bounds: &Bounds) -> Finding {
    let ([a_min, a_max], [b_min, b_max]) = (ends(&a.seconds), ends(&b.seconds));
    let pooled = a_max.max(b_max) - a_min.min(b_min);
    if pooled <= bounds.limit_s {
        return at_all_phases(a, b, bounds).unwrap_or(Finding::WithinRounding);
    }
    let gap = (b_min - a_max).max(a_min - b_max);
    if gap > bounds.limit_s + bounds.doubt_s {
        return Finding::BeyondRounding;
    }
    let own = (a_max - a_min).max(b_max - b_min);
    if gap > 0.0 && own <= bounds.limit_s && bounds.doubt.is_none() {
        return Finding::Apart;
    }
    let shift = shift(&a.seconds, &b.seconds).abs();
    if shift <= bounds.limit_s {
        return at_all_phases(a, b, bounds).unwrap_or(Finding::MediansWithinRounding);
    }
    let p = rank::p_value(&a.seconds, &b.seconds);
    let fewest = a.seconds.len().min(b.seconds.len());
    match p {
        p if p < ALPHA => Finding::Shifted { p },
        p if fewest >= ENOUGH => Finding::WithinSpread { p },
        _ if gap > 0.0 && own <= bounds.limit_s => Finding::InDoubt,
        _ => Finding::TooFew,
    }
}

/// A shift smaller than the limit, which only samples of all phases can show.
///
/// Phases spread over the wheel's period sample one and the same distribution on both sides, wherever in the
/// period the first one fell. The medians of two such sets differ by up to the widest gap between
/// neighbouring phases without any change, and by what the limit allows beside the wheel (a tick, scheduling).
fn at_all_phases(a: &Times, b: &Times, bounds: &Bounds) -> Option<Finding> {
    let (a, b, period) = (a.phases.as_ref()?, b.phases.as_ref()?, bounds.period_s?);
    let widest = widest_gap(a, period).max(widest_gap(b, period));
    let (a, b) = (sorted(a), sorted(b));
    let is_beyond = shift(&a, &b).abs() > widest + (bounds.limit_s - period);
    let p = rank::p_value(&a, &b);
    (is_beyond && p < ALPHA).then_some(Finding::ShiftedAtAllPhases { p })
}

/// The widest gap between neighbouring phases around the period.
fn widest_gap(samples: &[(f64, f64)], period: f64) -> f64 {
    let mut phases: Vec<f64> = samples.iter().map(|(phase, _)| phase.rem_euclid(period)).collect();
    phases.sort_by(f64::total_cmp);
    let around = phases.first().map(|first| first + period);
    let next = phases.iter().skip(1).copied().chain(around);
    phases.iter().zip(next).map(|(phase, next)| next - phase).fold(0.0, f64::max)
}

fn sorted(samples: &[(f64, f64)]) -> Vec<f64> {
    let mut seconds: Vec<f64> = samples.iter().map(|(_, seconds)| *seconds).collect();
    seconds.sort_by(f64::total_cmp);
    seconds
}

fn ends(sorted: &[f64]) -> [f64; 2] {
    [sorted[0], sorted[sorted.len() - 1]]
}

#[cfg(test)]
#[path = "seconds_tests.rs"]
mod tests;
