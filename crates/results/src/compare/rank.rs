//! The rank test: do two sets of samples come from the same distribution?
//!
//! Mann and Whitney's U test, two-sided. Times that the timer wheel rounds are often equal, so ties are the
//! rule here. Up to [`EXACT`] samples the distribution of the rank sum is counted out, ties as they are: every
//! way to split the pooled samples is as likely as any other. Beyond, statrs' normal approximation with its
//! corrections for ties and continuity serves.
//!
//! statrs 0.19 is not used for few samples: its normal approximation gives p = 0.047 for three samples against
//! three tied in two groups, where counting gives 0.1; and its exact method refuses ties, and gives p = 1 for
//! [1, 2, 3, 4] against [5, 6, 7, 8], where counting gives 2 / 70.

use statrs::stats_tests::Alternative;
use statrs::stats_tests::mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu};

/// The chance, for each end judged by the test, that a difference is seen where there is none.
pub const ALPHA: f64 = 0.05;

/// So many samples on each side find, four times in five, a shift that puts nine of ten pairs the same way
/// round: `(1.960 + 0.842)^2 / (6 * (0.9 - 0.5)^2)` = 8.2 (Noether 1987, for two equal groups, level
/// [`ALPHA`] and power 0.8). With fewer, a test that finds nothing says little.
pub const ENOUGH: usize = 9;

/// Samples, of both sides together, up to which the distribution is counted out.
const EXACT: usize = 40;

/// The probability that samples of one distribution differ in rank by at least as much as these; 1 where one
/// side has none. No sample may be NaN.
pub(super) fn p_value(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 1.0;
    }
    if a.len() + b.len() <= EXACT {
        return counted_out(a, b);
    }
    let method = MannWhitneyUMethod::AsymptoticInclContinuityCorrection;
    mannwhitneyu(a, b, method, Alternative::TwoSided).map_or(1.0, |(_, p)| p)
}

fn counted_out(a: &[f64], b: &[f64]) -> f64 {
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let ranks = doubled_ranks(few, many);
    let total: usize = ranks.iter().sum();
    // ways[k][s]: how many sets of k of the pooled samples have the doubled rank sum s.
    let mut ways = vec![vec![0.0_f64; total + 1]; few.len() + 1];
    ways[0][0] = 1.0;
    for &rank in &ranks {
        for k in (1..=few.len()).rev() {
            for sum in rank..=total {
                ways[k][sum] += ways[k - 1][sum - rank];
            }
        }
    }
    let observed: usize = ranks[..few.len()].iter().sum();
    let middle = few.len() * (ranks.len() + 1);
    let (mut extreme, mut all) = (0.0, 0.0);
    for (sum, ways) in ways[few.len()].iter().enumerate() {
        all += ways;
        if sum.abs_diff(middle) >= observed.abs_diff(middle) {
            extreme += ways;
        }
    }
    extreme / all
}

/// Twice the rank, counted from 1, of each of `a` and then each of `b` among all; equal ones share their mean.
fn doubled_ranks(a: &[f64], b: &[f64]) -> Vec<usize> {
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    let rank = |x: &f64| {
        let below = all.iter().filter(|y| *y < x).count();
        let up_to = all.iter().filter(|y| *y <= x).count();
        below + 1 + up_to
    };
    all.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(a: &[i32], b: &[i32]) -> f64 {
        let floats = |x: &[i32]| x.iter().copied().map(f64::from).collect::<Vec<_>>();
        p_value(&floats(a), &floats(b))
    }

    #[test]
    fn few_samples_are_counted_out() {
        // 2 of the C(8, 4) = 70, of the C(7, 3) = 35, of the C(6, 3) = 20 splits.
        assert!((p(&[1, 2, 3, 4], &[5, 6, 7, 8]) - 2.0 / 70.0).abs() < 1e-12);
        assert!((p(&[1, 2, 3], &[5, 6, 7, 8]) - 2.0 / 35.0).abs() < 1e-12);
        assert!((p(&[4, 5, 6], &[1, 2, 3]) - 2.0 / 20.0).abs() < 1e-12);
        assert!((p(&[1], &[2]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn three_samples_a_side_show_nothing_however_far_apart() {
        assert!(p(&[1, 2, 3], &[7, 8, 9]) > ALPHA);
        assert!(p(&[1, 2, 3, 4], &[7, 8, 9, 10]) < ALPHA);
        assert!(p(&[], &[1, 2]) > ALPHA);
    }

    #[test]
    fn ties_do_not_make_three_samples_say_more_than_they_bear() {
        assert!((p(&[1, 1, 1], &[2, 2, 2]) - 2.0 / 20.0).abs() < 1e-12);
        assert!((p(&[1, 1, 1, 1], &[1, 1, 1, 1]) - 1.0).abs() < 1e-12);
        // 14 of the 35 splits, listed one by one.
        assert!((p(&[1, 2, 2, 3], &[2, 3, 3]) - 14.0 / 35.0).abs() < 1e-12);
    }

    #[test]
    fn counting_and_the_librarys_approximation_agree_where_both_serve() {
        let a: Vec<f64> = (0..19).map(|n| f64::from(n % 7)).collect();
        let b: Vec<f64> = (0..21).map(|n| f64::from(n % 8) + 1.0).collect();
        let method = MannWhitneyUMethod::AsymptoticInclContinuityCorrection;
        let (_, approximate) = mannwhitneyu(&a, &b, method, Alternative::TwoSided).unwrap();
        let exact = p_value(&a, &b);
        assert!((exact - approximate).abs() < 0.005, "{exact} {approximate}");
    }

    #[test]
    fn many_samples_are_left_to_the_library() {
        let a: Vec<i32> = (0..100).collect();
        let b: Vec<i32> = (40..140).collect();
        assert!(p(&a, &b) < 1e-6);
        assert!(p(&a, &a) > 0.99);
    }
}
