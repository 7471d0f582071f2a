//! One side's rows of one end of one cell, as samples.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::rounding;
use super::seconds::{Times, median};
use crate::record::Record;
use crate::row::Clock;

/// One side's rows of one end of one cell: at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples(Vec<Record>);

/// Lowest, middle and highest of some samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Range {
    /// The lowest.
    pub min: f64,
    /// The middle one, or between the two in the middle.
    pub median: f64,
    /// The highest.
    pub max: f64,
}

/// Which of a row's times is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Measure {
    /// `time_to_error_s`: when the application was told.
    #[serde(rename = "time_to_error_s")]
    Told,
    /// `kernel_time_to_error_s`: when the kernel decided.
    #[serde(rename = "kernel_time_to_error_s")]
    Kernel,
    /// `silent_s`: counted from the last data received, as the keepalive timer counts.
    #[serde(rename = "silent_s")]
    Silent,
}

/// The kernel's own time stands for the application's where it tells it within so many seconds, as a
/// loaded machine does. A longer delay is a finding of its own.
const TOLD_SOON_S: f64 = 1.0;

impl Measure {
    /// All of them, in the order in which they are preferred.
    pub const ALL: [Self; 3] = [Self::Told, Self::Kernel, Self::Silent];

    fn of(self, record: &Record) -> Option<f64> {
        match self {
            Self::Told => record.time_to_error_s,
            Self::Kernel => {
                let (told, kernel) = (record.time_to_error_s?, record.kernel_time_to_error_s?);
                ((told - kernel).abs() <= TOLD_SOON_S).then_some(kernel)
            }
            Self::Silent => record.silent_s.filter(|_| rounding::is_keepalive_death(record)),
        }
    }
}

impl Samples {
    /// Of these rows, which are about the same end of the same cell. `None` where there are none.
    pub fn new(mut records: Vec<Record>) -> Option<Self> {
        let phase = |record: &Record| record.phase_s.unwrap_or(0.0);
        records.sort_by(|a, b| a.repeat.cmp(&b.repeat).then(phase(a).total_cmp(&phase(b))));
        (!records.is_empty()).then_some(Self(records))
    }

    /// The rows, by repeat and phase.
    pub fn records(&self) -> &[Record] {
        &self.0
    }

    /// What the end came to, errno or outcome, and how often.
    pub fn fates(&self) -> BTreeMap<&str, usize> {
        let mut fates = BTreeMap::new();
        for record in &self.0 {
            *fates.entry(record.fate()).or_default() += 1;
        }
        fates
    }

    /// The different values of a column, sorted; empty fields are left out.
    pub fn values<'a, T: Ord>(&'a self, column: impl Fn(&'a Record) -> Option<T>) -> BTreeSet<T> {
        self.0.iter().filter_map(column).collect()
    }

    /// The range of a measure over all rows that have it.
    pub fn range(&self, measure: impl Fn(&Record) -> Option<f64>) -> Option<Range> {
        let mut seconds: Vec<f64> = self.0.iter().filter_map(measure).collect();
        seconds.sort_by(f64::total_cmp);
        let (min, max) = (*seconds.first()?, *seconds.last()?);
        Some(Range { min, median: median(&seconds), max })
    }

    pub(super) fn with_fate<'a>(&'a self, fate: &str) -> Vec<&'a Record> {
        self.0.iter().filter(|record| record.fate() == fate).collect()
    }
}

/// The samples of a measure; `None` where one of the rows does not have it.
pub(super) fn times(records: &[&Record], measure: Measure) -> Option<Times> {
    let all: Vec<f64> = records.iter().map(|record| measure.of(record)).collect::<Option<_>>()?;
    if all.is_empty() {
        return None;
    }
    let mut copies = BTreeSet::new();
    let mut seconds = Vec::new();
    for (record, &second) in records.iter().zip(&all) {
        // A virtual machine repeats itself to the bit: that is one sample, not many.
        let phase = record.phase_s.map(f64::to_bits);
        if record.clock == Clock::Real || copies.insert((phase, second.to_bits())) {
            seconds.push(second);
        }
    }
    seconds.sort_by(f64::total_cmp);
    Some(Times { seconds, phases: phases(records, &all) })
}

/// The middle one of the samples of each phase; `None` where a row has no phase.
fn phases(records: &[&Record], seconds: &[f64]) -> Option<Vec<(f64, f64)>> {
    let mut phases: Vec<(f64, Vec<f64>)> = Vec::new();
    for (record, &second) in records.iter().zip(seconds) {
        let phase = record.phase_s?;
        match phases.iter_mut().find(|(known, _)| known.to_bits() == phase.to_bits()) {
            Some((_, samples)) => samples.push(second),
            None => phases.push((phase, vec![second])),
        }
    }
    let middle = |(phase, mut samples): (f64, Vec<f64>)| {
        samples.sort_by(f64::total_cmp);
        (phase, median(&samples))
    };
    Some(phases.into_iter().map(middle).collect())
}
