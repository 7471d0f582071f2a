use super::*;
use crate::compare::rounding::Doubt;

const BOUNDS: Bounds = Bounds { limit_s: 2.0, doubt_s: 0.0, doubt: None, period_s: Some(2.0) };

fn times(seconds: &[f64]) -> Times {
    let mut seconds = seconds.to_vec();
    seconds.sort_by(f64::total_cmp);
    Times { seconds, phases: None }
}

fn judged(a: &[f64], b: &[f64]) -> Finding {
    let (a, b) = (times(a), times(b));
    let finding = judge(&a, &b, &BOUNDS);
    assert_eq!(judge(&b, &a, &BOUNDS), finding, "whichever comes first");
    finding
}

/// `count` samples, `step` apart.
fn spread(from: f64, step: f64, count: u32) -> Vec<f64> {
    (0..count).map(|n| from + step * f64::from(n)).collect()
}

#[test]
fn single_samples_are_the_same_up_to_the_limit() {
    assert_eq!(judged(&[742.0], &[744.0]), Finding::WithinRounding);
    assert_eq!(judged(&[742.0], &[744.1]), Finding::BeyondRounding);
}

#[test]
fn samples_that_rounding_keeps_together_on_each_side_but_not_across_are_a_change() {
    assert_eq!(judged(&[742.0, 743.9], &[744.0, 745.9]), Finding::Apart);
    assert_eq!(judged(&[742.0, 743.9], &[743.8, 745.0]), Finding::MediansWithinRounding);
}

#[test]
fn wide_samples_need_to_be_many() {
    assert_eq!(judged(&[740.0, 750.0], &[748.0, 753.0]), Finding::TooFew);
    assert_eq!(judged(&[740.0, 750.0], &[745.0]), Finding::MediansWithinRounding);
    // One of nine is as late as the others: a shift of the median that chance gives once in five times.
    let wide = spread(740.0, 2.0, 9);
    let Finding::WithinSpread { p } = judged(&wide, &spread(743.0, 2.0, 9)) else { panic!() };
    assert!(p > ALPHA, "{p}");
    let Finding::Shifted { p } = judged(&wide, &spread(752.0, 2.0, 9)) else { panic!() };
    assert!(p < ALPHA, "{p}");
    assert_eq!(judged(&wide, &spread(741.0, 2.0, 9)), Finding::MediansWithinRounding);
}

#[test]
fn what_may_have_another_cause_is_in_doubt_until_samples_settle_it() {
    let bounds = Bounds { doubt_s: 4.0, doubt: Some(Doubt::FirstTimeout), ..BOUNDS };
    let of = |a: &[f64], b: &[f64]| judge(&times(a), &times(b), &bounds);
    assert_eq!(of(&[938.0], &[941.0]), Finding::InDoubt);
    assert_eq!(of(&[938.0], &[944.5]), Finding::BeyondRounding);
    assert_eq!(of(&[938.0, 939.0], &[941.5, 942.0]), Finding::InDoubt);
    assert!(matches!(of(&spread(938.0, 0.2, 5), &spread(941.5, 0.2, 5)), Finding::Shifted { .. }));
}

fn phased(seconds: impl Fn(f64) -> f64, first: f64, count: u32) -> Times {
    let phases = spread(first, 2.0 / f64::from(count), count);
    let samples: Vec<(f64, f64)> = phases.into_iter().map(|phase| (phase, seconds(phase))).collect();
    let mut seconds: Vec<f64> = samples.iter().map(|(_, seconds)| *seconds).collect();
    seconds.sort_by(f64::total_cmp);
    Times { seconds, phases: Some(samples) }
}

/// What the wheel does: the later it is armed in its period, the less late it is.
fn wheel(phase: f64) -> f64 {
    744.0 - phase.rem_euclid(2.0)
}

#[test]
fn over_all_phases_a_shift_shows_that_is_smaller_than_the_limit() {
    let bounds = Bounds { limit_s: 2.014, ..BOUNDS };
    let a = phased(wheel, 0.0, 10);
    for first in [0.0, 0.07, 0.15] {
        let same = phased(wheel, first, 10);
        let is_same = [Finding::WithinRounding, Finding::MediansWithinRounding];
        assert!(is_same.contains(&judge(&a, &same, &bounds)), "from phase {first}");
        let later = phased(|phase| wheel(phase) + 1.4, first, 10);
        assert!(matches!(judge(&a, &later, &bounds), Finding::ShiftedAtAllPhases { .. }), "from {first}");
    }
    let barely = phased(|phase| wheel(phase) + 0.15, 0.0, 10);
    assert_eq!(judge(&a, &barely, &bounds), Finding::WithinRounding, "less than one step of the phase");
    let (three, later) = (phased(wheel, 0.0, 3), phased(|phase| wheel(phase) + 1.2, 0.0, 3));
    assert_eq!(judge(&three, &later, &bounds), Finding::MediansWithinRounding, "three phases on each side");
}

#[test]
fn phases_of_a_part_of_the_period_only_show_nothing() {
    let bounds = Bounds { limit_s: 2.014, ..BOUNDS };
    let part = |add: f64| {
        let samples: Vec<_> = spread(0.0, 0.02, 10).into_iter().map(|phase| (phase, 743.0 + add)).collect();
        Times { seconds: samples.iter().map(|(_, seconds)| *seconds).collect(), phases: Some(samples) }
    };
    assert_eq!(judge(&part(0.0), &part(1.5), &bounds), Finding::WithinRounding);
    // A whole number of periods apart is the same phase again.
    let again = |add: f64| {
        let samples: Vec<_> = spread(0.0, 2.0, 10).into_iter().map(|phase| (phase, 743.0 + add)).collect();
        Times { seconds: samples.iter().map(|(_, seconds)| *seconds).collect(), phases: Some(samples) }
    };
    assert_eq!(judge(&again(0.0), &again(1.5), &bounds), Finding::WithinRounding);
}

#[test]
fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
    assert!((median(&[1.0, 2.0, 4.0, 9.0]) - 3.0).abs() < f64::EPSILON);
    assert!((median(&[1.0, 2.0, 4.0]) - 2.0).abs() < f64::EPSILON);
}
