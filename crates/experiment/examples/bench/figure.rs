//! One line of the table.

use std::time::Duration;

use serde::Serialize;

/// How figures are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    /// Aligned, for people.
    Table,
    /// One object a line, for machines.
    JsonLines,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    what: String,
    #[serde(flatten)]
    value: Value,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Value {
    /// Of many, in milliseconds.
    Distribution { samples: usize, median_ms: f64, p99_ms: f64, max_ms: f64, limit: Option<Limit> },
    /// One number of milliseconds, a median that somebody else took.
    Median { samples: usize, median_ms: f64, limit: Option<Limit> },
    /// How many times something else.
    Ratio { ratio: f64, at_most: Option<f64> },
    /// So much of something.
    Amount { amount: f64, unit: &'static str, at_most: Option<f64> },
    /// Nothing, and why.
    Skipped { skipped: String },
}

/// What a distribution should keep to, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Limit {
    /// Its median.
    MedianMs(f64),
    /// Its 99th percentile.
    P99Ms(f64),
}

impl Figure {
    /// The distribution of `samples`, of which there is at least one.
    pub(crate) fn distribution(what: impl Into<String>, mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        let value = match samples.last() {
            None => Value::Skipped { skipped: "nothing of the kind happened".into() },
            Some(max) => Value::Distribution {
                samples: samples.len(),
                median_ms: milliseconds(percentile(&samples, 50)),
                p99_ms: milliseconds(percentile(&samples, 99)),
                max_ms: milliseconds(*max),
                limit: None,
            },
        };
        Self { what: what.into(), value }
    }

    /// A median over `samples` that was taken elsewhere.
    pub(crate) fn median(what: impl Into<String>, samples: usize, median_ms: f64) -> Self {
        Self { what: what.into(), value: Value::Median { samples, median_ms, limit: None } }
    }

    /// A quotient that should not be above `at_most`.
    pub(crate) fn ratio(what: impl Into<String>, ratio: f64, at_most: Option<f64>) -> Self {
        Self { what: what.into(), value: Value::Ratio { ratio, at_most } }
    }

    /// A whole number of something that should not be above `at_most`.
    pub(crate) fn amount(
        what: impl Into<String>,
        amount: f64,
        unit: &'static str,
        at_most: Option<f64>,
    ) -> Self {
        Self { what: what.into(), value: Value::Amount { amount, unit, at_most } }
    }

    /// What could not be measured here.
    pub(crate) fn skipped(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), value: Value::Skipped { skipped: why.into() } }
    }

    /// The same with a limit.
    pub(crate) fn within(mut self, at_most: Limit) -> Self {
        if let Value::Distribution { limit, .. } | Value::Median { limit, .. } = &mut self.value {
            *limit = Some(at_most);
        }
        self
    }
}

impl Style {
    /// The names of the columns.
    pub(crate) fn heading(self) {
        if matches!(self, Self::Table) {
            let [samples, median, p99, max] = ["samples", "median", "p99", "max"];
            println!("{:<44} {samples:>7} {median:>10} {p99:>10} {max:>10}   limit", "");
        }
    }

    /// One figure.
    pub(crate) fn show(self, figure: &Figure) {
        match self {
            Self::Table => println!("{}", figure.line()),
            Self::JsonLines => {
                println!("{}", serde_json::to_string(figure).expect("numbers and strings are JSON"));
            }
        }
    }
}

impl Figure {
    fn line(&self) -> String {
        let what = &self.what;
        match &self.value {
            Value::Distribution { samples, median_ms, p99_ms, max_ms, limit } => {
                let limit = match limit {
                    Some(Limit::P99Ms(at_most)) => mark("p99", *p99_ms, *at_most, " ms"),
                    limit => of_median(*median_ms, *limit),
                };
                let [median, p99, max] = [median_ms, p99_ms, max_ms].map(|value| format!("{value:.3} ms"));
                format!("{what:<44} {samples:>7} {median:>10} {p99:>10} {max:>10} {limit}")
            }
            Value::Median { samples, median_ms, limit } => {
                let (median, limit) = (format!("{median_ms:.3} ms"), of_median(*median_ms, *limit));
                format!("{what:<44} {samples:>7} {median:>10} {:>10} {:>10} {limit}", "", "")
            }
            Value::Ratio { ratio, at_most } => {
                let limit = at_most.map_or_else(String::new, |at_most| mark("ratio", *ratio, at_most, ""));
                format!("{what:<44} {:>7} {ratio:>10.2} {:>10} {:>10} {limit}", "", "", "")
            }
            Value::Amount { amount, unit, at_most } => {
                let limit = at_most
                    .map_or_else(String::new, |at_most| mark("", *amount, at_most, &format!(" {unit}")));
                let amount = format!("{amount:.0} {unit}");
                format!("{what:<44} {:>7} {:>10} {:>10} {:>10} {limit}", "", amount.trim_end(), "", "")
            }
            Value::Skipped { skipped } => format!("{what:<44} skipped: {skipped}"),
        }
        .trim_end()
        .to_owned()
    }
}

fn of_median(median_ms: f64, limit: Option<Limit>) -> String {
    match limit {
        Some(Limit::MedianMs(at_most)) => mark("median", median_ms, at_most, " ms"),
        Some(Limit::P99Ms(_)) | None => String::new(),
    }
}

/// A limit, with `!` in front where it is not kept.
fn mark(of: &str, value: f64, at_most: f64, unit: &str) -> String {
    let mark = if value > at_most { '!' } else { ' ' };
    let space = if of.is_empty() { "" } else { " " };
    format!("{mark} {of}{space}{at_most}{unit}")
}

/// The smallest sample that so many per cent of them do not exceed.
fn percentile(sorted: &[Duration], per_cent: usize) -> Duration {
    sorted[(sorted.len() * per_cent).div_ceil(100).max(1) - 1]
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
