//! Comparing results: what changed between kernels, machines or clocks, and what only rounding moved.
//!
//! [`compare`] takes files, sorts their rows into [`Side`]s, matches each side's ends with those of the first side, and
//! judges every match. The rules are told in `docs/results.md`, "Comparing".

mod judge;
mod key;
mod rank;
mod rounding;
mod sample;
mod seconds;
mod side;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use judge::{Change, Judgement, Seconds, Subject, judge};
pub use key::EndKey;
pub use rank::{ALPHA, ENOUGH};
pub use rounding::{ASSUMED_HZ, Bounds, Doubt, RHYTHM_S, SCHEDULING_S, bounds};
pub use sample::{Measure, Range, Samples};
pub use side::{Side, SideSummary};

use crate::read::ResultFile;

/// What became of each end, side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The side all others are compared with.
    pub baseline: Side,
    /// Each other side, in the order of files and rows.
    pub others: Vec<Against>,
}

/// One side against the baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Against {
    /// That side.
    pub side: Side,
    /// Every end that both have, at least one, in the order of the baseline.
    pub ends: Vec<Matched>,
    /// Ends that only the baseline has, in its order.
    pub only_in_baseline: Vec<EndKey>,
    /// Ends that only this side has, in its order.
    pub only_in_other: Vec<EndKey>,
}

/// An end that both sides have.
#[derive(Clone, Debug, PartialEq)]
pub struct Matched {
    /// Which.
    pub key: EndKey,
    /// The baseline's samples.
    pub baseline: Samples,
    /// The other side's.
    pub other: Samples,
    /// What became of it.
    pub judgement: Judgement,
}

/// Files that cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// One kernel on one clock in one file: there is nothing to compare it with.
    #[error("nothing to compare with: {} holds one kernel only, {kernel}", file.display())]
    OneSide {
        /// The file.
        file: PathBuf,
        /// Its kernel.
        kernel: String,
    },
    /// No file at all.
    #[error("no file to compare")]
    NoFile,
    /// Two sides without a common end of a common cell.
    #[error("{other} and {baseline} have no cell in common")]
    NothingInCommon {
        /// The baseline's name.
        baseline: String,
        /// The other side's name.
        other: String,
        /// The first end of the baseline.
        baseline_has: String,
        /// The first end of the other side.
        other_has: String,
    },
}

/// Compares the first side of these files with each other one.
///
/// A side is one kernel on one clock in one file. Errors where there is only one, or where a side has no end
/// in common with the first.
pub fn compare(files: &[ResultFile]) -> Result<Comparison, CompareError> {
    let mut sides = side::sides(files).into_iter();
    let baseline = sides.next().ok_or(CompareError::NoFile)?;
    let others = sides.map(|side| against(&baseline, side)).collect::<Result<Vec<_>, _>>()?;
    if others.is_empty() {
        return Err(CompareError::OneSide { file: baseline.file, kernel: baseline.kernel });
    }
    Ok(Comparison { baseline, others })
}

fn against(baseline: &Side, side: Side) -> Result<Against, CompareError> {
    let index = |side: &Side| -> BTreeMap<EndKey, Samples> { side.ends.iter().cloned().collect() };
    let (of_baseline, of_side) = (index(baseline), index(&side));
    let mut ends = Vec::new();
    let mut only_in_baseline = Vec::new();
    for (key, samples) in &baseline.ends {
        match of_side.get(key) {
            Some(other) => ends.push(Matched {
                key: key.clone(),
                baseline: samples.clone(),
                other: other.clone(),
                judgement: judge(samples, other),
            }),
            None => only_in_baseline.push(key.clone()),
        }
    }
    let only_in_other: Vec<EndKey> =
        side.ends.iter().map(|(key, _)| key).filter(|key| !of_baseline.contains_key(key)).cloned().collect();
    match (only_in_baseline.first(), only_in_other.first()) {
        (Some(baseline_has), Some(other_has)) if ends.is_empty() => Err(CompareError::NothingInCommon {
            baseline: baseline.label.clone(),
            other: side.label,
            baseline_has: baseline_has.to_string(),
            other_has: other_has.to_string(),
        }),
        _ => Ok(Against { side, ends, only_in_baseline, only_in_other }),
    }
}

impl Against {
    /// How many ends were judged so.
    pub fn count(&self, change: Change) -> usize {
        self.ends.iter().filter(|end| end.judgement.change == change).count()
    }
}

#[cfg(test)]
mod tests;
