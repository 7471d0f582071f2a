//! The fields of one row, by the names of their columns.

use std::collections::HashMap;
use std::str::FromStr;

use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::expect::Outcome;

use super::error::Flaw;
use crate::record::{Record, Settings};
use crate::row::Clock;

/// One row of text with the header's places.
pub(super) struct Fields<'a> {
    pub(super) places: &'a HashMap<&'static str, usize>,
    pub(super) text: &'a csv::StringRecord,
}

impl Fields<'_> {
    /// The whole row.
    pub(super) fn record(&self, line: u64, parameters: Vec<(String, String)>) -> Result<Record, Flaw> {
        let outcomes = Outcome::ALL.map(|outcome| (outcome.name(), outcome));
        let outcome = self.one_of("outcome", &outcomes)?;
        let is_error = outcome == Outcome::Error;
        Ok(Record {
            line,
            scenario: self.word("scenario", "a scenario's name")?,
            parameters,
            repeat: self
                .number("repeat")?
                .filter(|&repeat| repeat > 0)
                .ok_or_else(|| self.no_count("repeat"))?,
            endpoint: self.one_of("endpoint", &End::BOTH.map(|end| (end.name(), end)))?,
            kernel: self.word("kernel", "a kernel release")?,
            hz: match self.number("hz")? {
                Some(0) => return Err(self.no_count("hz")),
                hz => hz,
            },
            clock: self.one_of("clock", &Clock::ALL.map(|clock| (clock.name(), clock)))?,
            settings: Settings {
                keepidle_s: self.number("keepidle_s")?,
                keepintvl_s: self.number("keepintvl_s")?,
                keepcnt: self.number("keepcnt")?,
                user_timeout_s: self.seconds("user_timeout_s")?,
                tcp_retries2: self.number("tcp_retries2")?,
            },
            outcome,
            errno: self.only_for_errors("errno", is_error, self.text("errno"))?.map(str::to_owned),
            syscall: self.text("syscall").map(str::to_owned),
            time_to_error_s: self.only_for_errors(
                "time_to_error_s",
                is_error,
                self.seconds("time_to_error_s")?,
            )?,
            kernel_time_to_error_s: self.seconds("kernel_time_to_error_s")?,
            silent_s: self.seconds("silent_s")?,
            armed_timer: self.text("armed_timer").map(str::to_owned),
            keepalive_probes: self.number("keepalive_probes")?,
            retransmits: self.number("retransmits")?,
            phase_s: self.seconds("phase_s")?,
        })
    }

    /// The field, without the blanks around it; `None` where it is empty or the file has no such column.
    fn text(&self, column: &str) -> Option<&str> {
        let text = self.text.get(*self.places.get(column)?)?.trim();
        (!text.is_empty()).then_some(text)
    }

    fn wrong(&self, column: &'static str, expected: impl Into<String>) -> Flaw {
        let found = self.text(column).unwrap_or_default().to_owned();
        Flaw::Field { column, found, expected: expected.into() }
    }

    fn no_count(&self, column: &'static str) -> Flaw {
        self.wrong(column, "a whole number from 1")
    }

    fn word(&self, column: &'static str, expected: &str) -> Result<String, Flaw> {
        self.text(column).map(str::to_owned).ok_or_else(|| self.wrong(column, expected))
    }

    fn number<T: FromStr>(&self, column: &'static str) -> Result<Option<T>, Flaw> {
        let number = self.text(column).map(str::parse).transpose();
        number.map_err(|_| self.wrong(column, "a whole number"))
    }

    fn seconds(&self, column: &'static str) -> Result<Option<f64>, Flaw> {
        let Some(text) = self.text(column) else { return Ok(None) };
        let seconds = text.parse().ok().filter(|seconds: &f64| seconds.is_finite());
        seconds.map(Some).ok_or_else(|| self.wrong(column, "seconds, such as 742.931236"))
    }

    fn one_of<T: Copy>(&self, column: &'static str, names: &[(&str, T)]) -> Result<T, Flaw> {
        let text = self.text(column).unwrap_or_default();
        let found = names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
            self.wrong(column, names.join(" or "))
        })
    }

    /// A value that stands where the outcome is `error` and only there: else the row contradicts itself.
    fn only_for_errors<T>(
        &self,
        column: &'static str,
        is_error: bool,
        value: Option<T>,
    ) -> Result<Option<T>, Flaw> {
        match (is_error, value) {
            (true, None) => Err(self.wrong(column, "a value, for the outcome is `error`")),
            (false, Some(_)) => Err(self.wrong(column, "nothing, for the outcome is not `error`")),
            (_, value) => Ok(value),
        }
    }
}
