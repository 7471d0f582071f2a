//! Holding a row to what its scenario expects.

use std::fmt;

use keepalive_lab_scenario::expect::{Expectation, Window, Within};

use crate::row::{Row, Verdict};

/// One expectation that a row does not meet: what was expected, and what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// What the scenario says, such as `errno ETIMEDOUT`.
    pub expected: String,
    /// What the row says, such as `errno ECONNRESET`.
    pub happened: String,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, happened: {}", self.expected, self.happened)
    }
}

/// All that `row` fails to meet of `expectation`; empty where it is as expected.
pub fn unmet(expectation: &Expectation, row: &Row) -> Vec<Unmet> {
    let how = ended(row);
    let mut unmet = Vec::new();
    let mut expect = |met: bool, expected: String, happened: &str| {
        if !met {
            unmet.push(Unmet { expected, happened: happened.to_owned() });
        }
    };
    if let Some(outcome) = expectation.outcome {
        expect(row.outcome == outcome, format!("outcome {outcome}"), &how);
    }
    if let Some(errno) = &expectation.errno {
        expect(row.errno.as_ref() == Some(errno), errno.clone(), &how);
    }
    if let Some(syscall) = &expectation.syscall {
        expect(row.syscall.as_ref() == Some(syscall), format!("an error on {syscall}"), &how);
    }
    let bounds = match expectation.within {
        Some(Within::Bounds(window)) => Some(window),
        Some(Within::Predicted) => {
            expect(row.verdict == Verdict::AsPredicted, predicted(row), &against_prediction(row, &how));
            None
        }
        None => None,
    };
    let windows =
        [("within", bounds, row.time_to_error_s), ("silent for", expectation.silent_within, row.silent_s)];
    for (what, window, seconds) in windows {
        let Some(window) = window else { continue };
        let expected = format!("{what} {}", window_text(window));
        match seconds {
            Some(seconds) => expect(contains(window, seconds), expected, &off_by(window, seconds)),
            None => expect(false, expected, &how),
        }
    }
    unmet
}

/// What theory says of this end.
fn predicted(row: &Row) -> String {
    match (&row.predicted_errno, row.predicted_min_s, row.predicted_max_s) {
        (Some(errno), Some(min), Some(max)) => format!("{errno} at {min:.3}-{max:.3} s, as predicted"),
        _ if row.verdict == Verdict::Unpredicted => "what theory says".into(),
        _ => "no error, as predicted".into(),
    }
}

/// What happened, with how far that is from the prediction where it is a moment that differs. The moment is the kernel's
/// own where it is known.
fn against_prediction(row: &Row, how: &str) -> String {
    let seconds = row.kernel_time_to_error_s.or(row.time_to_error_s);
    match (row.verdict, seconds, row.predicted_min_s, row.predicted_max_s) {
        (Verdict::Unpredicted, ..) => format!("{how}, and there is no theory for this case"),
        (Verdict::Early, Some(seconds), Some(min), _) => {
            format!("{how} at {seconds:.3} s, {:.3} s too early", min - seconds)
        }
        (Verdict::Late, Some(seconds), _, Some(max)) => {
            format!("{how} at {seconds:.3} s, {:.3} s too late", seconds - max)
        }
        _ => how.to_owned(),
    }
}

fn ended(row: &Row) -> String {
    match (&row.errno, &row.syscall) {
        (Some(errno), Some(syscall)) => format!("{errno} on {syscall}"),
        (Some(errno), None) => errno.clone(),
        _ => row.outcome.to_string(),
    }
}

fn contains(window: Window, seconds: f64) -> bool {
    (window.min.as_secs_f64()..=window.max.as_secs_f64()).contains(&seconds)
}

fn window_text(window: Window) -> String {
    format!("{}-{} s", window.min.as_secs_f64(), window.max.as_secs_f64())
}

/// How far outside the window: the figure a person needs to act on.
fn off_by(window: Window, seconds: f64) -> String {
    let (min, max) = (window.min.as_secs_f64(), window.max.as_secs_f64());
    if seconds < min {
        format!("{seconds:.3} s, {:.3} s too early", min - seconds)
    } else {
        format!("{seconds:.3} s, {:.3} s too late", seconds - max)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keepalive_lab_scenario::expect::Outcome;

    use super::*;
    use crate::row::tests::a_row;

    fn window(min: u64, max: u64) -> Window {
        Window { min: Duration::from_secs(min), max: Duration::from_secs(max) }
    }

    #[test]
    fn a_row_that_meets_all_has_nothing_unmet() {
        let expectation = Expectation {
            outcome: Some(Outcome::Error),
            errno: Some("ETIMEDOUT".into()),
            syscall: Some("read".into()),
            within: Some(Within::Bounds(window(742, 744))),
            silent_within: Some(window(743, 744)),
        };
        assert_eq!(unmet(&expectation, &a_row()), []);
    }

    #[test]
    fn a_time_outside_its_window_says_by_how_much() {
        let late = Expectation { within: Some(Within::Bounds(window(730, 740))), ..Expectation::default() };
        let [one] = &unmet(&late, &a_row())[..] else { panic!() };
        assert_eq!(one.to_string(), "expected within 730-740 s, happened: 742.931 s, 2.931 s too late");
        let early = Expectation { within: Some(Within::Bounds(window(750, 760))), ..Expectation::default() };
        let [one] = &unmet(&early, &a_row())[..] else { panic!() };
        assert_eq!(one.happened, "742.931 s, 7.069 s too early");
    }

    #[test]
    fn another_error_and_survival_are_told_apart() {
        let expectation = Expectation { errno: Some("ECONNRESET".into()), ..Expectation::default() };
        let [one] = &unmet(&expectation, &a_row())[..] else { panic!() };
        assert_eq!(one.to_string(), "expected ECONNRESET, happened: ETIMEDOUT on read");

        let mut row = a_row();
        (row.outcome, row.errno, row.syscall) = (Outcome::Alive, None, None);
        (row.time_to_error_s, row.silent_s) = (None, None);
        let [one] = &unmet(&expectation, &row)[..] else { panic!() };
        assert_eq!(one.happened, "alive");
        let timed = Expectation { within: Some(Within::Bounds(window(1, 2))), ..Expectation::default() };
        assert_eq!(unmet(&timed, &row).len(), 1, "a window without an error is not met");
    }

    #[test]
    fn a_prediction_that_fails_tells_by_how_much_and_one_that_is_not_there_fails_too() {
        let expectation = Expectation { within: Some(Within::Predicted), ..Expectation::default() };
        let row = |verdict| Row {
            predicted_min_s: Some(740.0),
            predicted_max_s: Some(742.0),
            predicted_errno: Some("ETIMEDOUT".into()),
            verdict,
            ..a_row()
        };
        assert_eq!(unmet(&expectation, &row(Verdict::AsPredicted)), []);
        let late = unmet(&expectation, &row(Verdict::Late))[0].to_string();
        assert_eq!(
            late,
            "expected ETIMEDOUT at 740.000-742.000 s, as predicted, happened: ETIMEDOUT on read at 742.931 s, \
             0.931 s too late"
        );
        let unknown = unmet(&expectation, &a_row())[0].to_string();
        assert!(unknown.ends_with("ETIMEDOUT on read, and there is no theory for this case"), "{unknown}");
    }
}
