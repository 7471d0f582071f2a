//! What theory says an end comes to, and what it makes of what happened.

use keepalive_lab_scenario::expect::Outcome;

use crate::row::{Row, Verdict};

/// How far beyond a predicted window a moment told by the kernel may lie, in seconds: a timer's softirq runs some
/// microseconds after its tick, later on a busy machine.
const KERNEL_TOLERANCE: f64 = 0.001;

/// The same where only the application tells: it has to be woken and scheduled first.
const APPLICATION_TOLERANCE: f64 = 0.02;

/// What theory says one end comes to, in the terms of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Forecast {
    /// An error.
    Error {
        /// Its name.
        errno: String,
        /// The earliest moment, in seconds as `time_to_error_s` counts them.
        min_s: f64,
        /// The latest.
        max_s: f64,
    },
    /// No error: this outcome.
    NoError(Outcome),
    /// There is no theory for this case.
    Unknown,
}

impl Forecast {
    /// Writes the forecast and its verdict into a row.
    #[must_use]
    pub fn put_into(&self, row: Row) -> Row {
        let verdict = self.verdict(&row);
        match self {
            Self::Error { errno, min_s, max_s } => Row {
                predicted_min_s: Some(*min_s),
                predicted_max_s: Some(*max_s),
                predicted_errno: Some(errno.clone()),
                verdict,
                ..row
            },
            Self::NoError(_) | Self::Unknown => Row { verdict, ..row },
        }
    }

    /// What theory makes of a row. The moment is the kernel's own where the row has it.
    pub fn verdict(&self, row: &Row) -> Verdict {
        match self {
            Self::Unknown => Verdict::Unpredicted,
            Self::NoError(outcome) if row.outcome == *outcome => Verdict::AsPredicted,
            // Alive for closed, or the other way round: it lived on, or it did not.
            Self::NoError(Outcome::Alive) => Verdict::UnexpectedDeath,
            Self::NoError(_) if row.outcome == Outcome::Error => Verdict::UnexpectedDeath,
            Self::NoError(_) => Verdict::UnexpectedLife,
            Self::Error { .. } if row.outcome != Outcome::Error => Verdict::UnexpectedLife,
            Self::Error { errno, .. } if row.errno.as_ref() != Some(errno) => Verdict::WrongErrno,
            Self::Error { min_s, max_s, .. } => match moment(row) {
                Some((seconds, tolerance)) if seconds < min_s - tolerance => Verdict::Early,
                Some((seconds, tolerance)) if seconds > max_s + tolerance => Verdict::Late,
                Some(_) => Verdict::AsPredicted,
                None => Verdict::Unpredicted,
            },
        }
    }
}

/// When the error came, and how exact that is.
fn moment(row: &Row) -> Option<(f64, f64)> {
    let of_kernel = row.kernel_time_to_error_s.map(|seconds| (seconds, KERNEL_TOLERANCE));
    of_kernel.or(row.time_to_error_s.map(|seconds| (seconds, APPLICATION_TOLERANCE)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::a_row;

    fn forecast(min_s: f64, max_s: f64) -> Forecast {
        Forecast::Error { errno: "ETIMEDOUT".into(), min_s, max_s }
    }

    #[test]
    fn each_way_to_differ_has_its_verdict() {
        // ETIMEDOUT at 742.931 s.
        let row = a_row();
        let alive = Row { outcome: Outcome::Alive, errno: None, ..a_row() };
        assert_eq!(forecast(742.0, 744.0).verdict(&row), Verdict::AsPredicted);
        assert_eq!(forecast(743.0, 744.0).verdict(&row), Verdict::Early);
        assert_eq!(forecast(740.0, 742.0).verdict(&row), Verdict::Late);
        assert_eq!(forecast(742.0, 744.0).verdict(&alive), Verdict::UnexpectedLife);
        let reset = Row { errno: Some("ECONNRESET".into()), ..a_row() };
        assert_eq!(forecast(742.0, 744.0).verdict(&reset), Verdict::WrongErrno);
        assert_eq!(Forecast::NoError(Outcome::Alive).verdict(&row), Verdict::UnexpectedDeath);
        assert_eq!(Forecast::NoError(Outcome::Alive).verdict(&alive), Verdict::AsPredicted);
        assert_eq!(Forecast::NoError(Outcome::Closed).verdict(&alive), Verdict::UnexpectedLife);
        assert_eq!(Forecast::Unknown.verdict(&row), Verdict::Unpredicted);
    }

    #[test]
    fn the_kernels_own_moment_is_held_to_more_exactly_than_the_applications() {
        let told = Row { kernel_time_to_error_s: None, ..a_row() };
        assert_eq!(forecast(740.0, 742.92).verdict(&told), Verdict::AsPredicted, "11 ms late");
        assert_eq!(
            forecast(740.0, 742.92).verdict(&a_row()),
            Verdict::Late,
            "11 ms late by the kernel's clock"
        );
    }

    #[test]
    fn a_forecast_fills_its_columns() {
        let row = forecast(742.0, 744.0).put_into(a_row());
        assert_eq!((row.predicted_min_s, row.predicted_max_s), (Some(742.0), Some(744.0)));
        assert_eq!(row.predicted_errno.as_deref(), Some("ETIMEDOUT"));
        assert_eq!(row.verdict, Verdict::AsPredicted);
        assert_eq!(Forecast::Unknown.put_into(a_row()).predicted_errno, None);
    }
}
