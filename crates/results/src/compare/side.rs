//! The sides of a comparison: one kernel on one clock in one file each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::key::EndKey;
use super::sample::Samples;
use crate::read::ResultFile;
use crate::record::Record;
use crate::row::Clock;

/// One side: all rows of one kernel on one clock in one file.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// Its name: what tells the sides apart.
    pub label: String,
    /// The file.
    pub file: PathBuf,
    /// Kernel release.
    pub kernel: String,
    /// Its clock.
    pub clock: Clock,
    /// Its ends, in the order of the file.
    pub ends: Vec<(EndKey, Samples)>,
}

/// A side without its rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SideSummary {
    /// Its name.
    pub label: String,
    /// The file.
    pub file: PathBuf,
    /// Kernel release.
    pub kernel: String,
    /// Its clock.
    pub clock: Clock,
    /// Rows.
    pub rows: usize,
}

impl Side {
    /// The side without its rows.
    pub fn summary(&self) -> SideSummary {
        SideSummary {
            label: self.label.clone(),
            file: self.file.clone(),
            kernel: self.kernel.clone(),
            clock: self.clock,
            rows: self.ends.iter().map(|(_, samples)| samples.records().len()).sum(),
        }
    }
}

/// The sides of these files, in the order of files and rows.
pub(super) fn sides(files: &[ResultFile]) -> Vec<Side> {
    let mut sides = Vec::new();
    for file in files {
        let mut groups: Vec<(&str, Clock, Vec<&Record>)> = Vec::new();
        for record in &file.records {
            let known = groups
                .iter_mut()
                .find(|(kernel, clock, _)| *kernel == record.kernel && *clock == record.clock);
            match known {
                Some((.., records)) => records.push(record),
                None => groups.push((&record.kernel, record.clock, vec![record])),
            }
        }
        sides.extend(groups.into_iter().map(|(kernel, clock, records)| Side {
            label: String::new(),
            file: file.path.clone(),
            kernel: kernel.to_owned(),
            clock,
            ends: ends(&records),
        }));
    }
    for (side, label) in labels(&sides).into_iter().enumerate() {
        sides[side].label = label;
    }
    sides
}

fn ends(records: &[&Record]) -> Vec<(EndKey, Samples)> {
    let mut order = Vec::new();
    let mut groups: BTreeMap<EndKey, Vec<Record>> = BTreeMap::new();
    for record in records {
        let key = EndKey::of(record);
        let group = groups.entry(key.clone()).or_insert_with(|| {
            order.push(key);
            Vec::new()
        });
        group.push((*record).clone());
    }
    let samples = |key: EndKey| groups.remove(&key).and_then(Samples::new).map(|samples| (key, samples));
    order.into_iter().filter_map(samples).collect()
}

/// The shortest names that tell the sides apart: kernel, else file, else both, then the clock too. Where one file is
/// given twice, the second is numbered.
fn labels(sides: &[Side]) -> Vec<String> {
    let files = short_paths(&sides.iter().map(|side| side.file.as_path()).collect::<Vec<_>>());
    let name = |parts: fn(&Side, &str) -> String| {
        sides.iter().zip(&files).map(|(side, file)| parts(side, file)).collect::<Vec<_>>()
    };
    let candidates = [
        name(|side, _| side.kernel.clone()),
        name(|_, file| file.to_owned()),
        name(|side, _| format!("{} ({})", side.kernel, side.clock.name())),
        name(|side, file| format!("{file} {}", side.kernel)),
        name(|side, file| format!("{file} {} ({})", side.kernel, side.clock.name())),
    ];
    let is_clear = |names: &&Vec<String>| {
        let mut different: Vec<&String> = names.iter().collect();
        different.sort();
        different.dedup();
        different.len() == names.len()
    };
    if let Some(clear) = candidates.iter().find(is_clear) {
        return clear.clone();
    }
    // The same file more than once; the shortest name that tells the rest apart is of no use here.
    let [.., full] = candidates;
    let mut times = BTreeMap::<String, u32>::new();
    let number = |name: String| {
        let time = times.entry(name.clone()).or_default();
        *time += 1;
        if *time == 1 { name } else { format!("{name} #{time}") }
    };
    full.into_iter().map(number).collect()
}

/// The last components of each path, as few as tell different paths apart; a file name that all share is left out.
fn short_paths(paths: &[&Path]) -> Vec<String> {
    let parts: Vec<Vec<String>> = paths
        .iter()
        .map(|path| path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect())
        .collect();
    let tail = |length: usize, skip: usize| -> Vec<String> {
        let part = |parts: &Vec<String>| {
            let end = parts.len().saturating_sub(skip);
            parts[end.saturating_sub(length)..end].join("/")
        };
        parts.iter().map(part).collect()
    };
    let tells_apart = |names: &Vec<String>| {
        let pairs = || paths.iter().zip(names);
        pairs().all(|(path, name)| pairs().all(|(other, same)| path == other || name != same))
    };
    let last = tail(1, 0);
    let all_share_it = last.iter().all(|name| name == &last[0]) && paths.iter().any(|path| *path != paths[0]);
    let skip = usize::from(all_share_it);
    let longest = parts.iter().map(Vec::len).max().unwrap_or(0);
    let mut lengths = (1..=longest).map(|length| tail(length, skip));
    lengths.find(tells_apart).unwrap_or_else(|| paths.iter().map(|path| path.display().to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sides: &[(&str, &str)]) -> Vec<String> {
        let side = |(file, kernel): &(&str, &str)| Side {
            label: String::new(),
            file: PathBuf::from(file),
            kernel: (*kernel).to_owned(),
            clock: Clock::Real,
            ends: Vec::new(),
        };
        labels(&sides.iter().map(side).collect::<Vec<_>>())
    }

    #[test]
    fn kernels_name_the_sides_where_they_differ() {
        assert_eq!(names(&[("a.csv", "6.1"), ("a.csv", "6.12")]), ["6.1", "6.12"]);
        assert_eq!(names(&[("a.csv", "6.1"), ("b.csv", "6.12")]), ["6.1", "6.12"]);
    }

    #[test]
    fn files_name_them_where_the_kernel_is_the_same() {
        assert_eq!(names(&[("x/a.csv", "6.1"), ("x/b.csv", "6.1")]), ["a.csv", "b.csv"]);
        let folders = ["results/t/day1/results.csv", "results/t/day2/results.csv"];
        assert_eq!(names(&[(folders[0], "6.1"), (folders[1], "6.1")]), ["day1", "day2"]);
        assert_eq!(
            names(&[("one/day/results.csv", "6.1"), ("two/day/results.csv", "6.1")]),
            ["one/day", "two/day"]
        );
        assert_eq!(names(&[("results.csv", "6.1"), ("x/results.csv", "6.1")]).len(), 2);
    }

    #[test]
    fn both_name_them_where_neither_is_enough() {
        let mixed = [("a.csv", "6.1"), ("a.csv", "6.12"), ("b.csv", "6.1")];
        assert_eq!(names(&mixed), ["a.csv 6.1", "a.csv 6.12", "b.csv 6.1"]);
        assert_eq!(names(&[("a.csv", "6.1"), ("a.csv", "6.1")])[1], "a.csv 6.1 (real) #2");
    }
}
