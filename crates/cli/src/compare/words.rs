//! One side's samples, and the sum of a comparison, in words.

use std::fmt::Write;

use keepalive_lab_results::compare::{Against, Change, EndKey, Matched, Samples};

use crate::span::{counted, measured};

/// What an end came to: `ETIMEDOUT on read, 742.0-744.0 s (10 samples)`.
pub(super) fn result(samples: &Samples) -> String {
    let fates = samples.fates();
    let is_one = fates.len() == 1;
    let mut words: Vec<String> = fates
        .into_iter()
        .map(|(fate, times)| if is_one { fate.to_owned() } else { format!("{fate} ({times})") })
        .collect();
    let calls = samples.values(|record| record.syscall.as_deref());
    if let (true, Some(call), None) = (is_one, calls.first(), calls.iter().nth(1)) {
        words[0] = format!("{} on {call}", words[0]);
    }
    words.extend(samples.range(|record| record.time_to_error_s).map(|range| {
        let (min, max) = (measured(range.min), measured(range.max));
        if min == max { max } else { format!("{}-{max}", min.trim_end_matches(" s")) }
    }));
    let number = samples.records().len();
    if is_one && number > 1 {
        let last = words.len() - 1;
        words[last] = format!("{} ({number} samples)", words[last]);
    }
    plain(&words.join(", "))
}

/// Why it is judged so, then what else differs.
pub(super) fn reasons(end: &Matched) -> Vec<String> {
    let judgement = &end.judgement;
    std::iter::once(&judgement.why).chain(&judgement.notes).map(|words| plain(words)).collect()
}

/// The name of a cell: a value may hold line ends, a table has lines of its own.
pub(super) fn cell(key: &EndKey) -> String {
    plain(&key.cell())
}

/// `14 ends the same, 2 changed, 1 inconclusive; 3 only in A.csv`.
pub(super) fn summary(against: &Against, baseline: &str) -> String {
    let mut words = format!("{} the same", counted_ends(against.count(Change::Same)));
    for change in [Change::Changed, Change::Inconclusive] {
        let number = against.count(change);
        if number > 0 {
            // A String takes all.
            let _ = write!(words, ", {number} {}", change.name());
        }
    }
    let lonely = [(&against.only_in_baseline, baseline), (&against.only_in_other, &against.side.label)];
    for (keys, label) in lonely {
        if !keys.is_empty() {
            let _ = write!(words, "; {} only in {label}", keys.len());
        }
    }
    plain(&words)
}

fn counted_ends(number: usize) -> String {
    counted(u64::try_from(number).unwrap_or(u64::MAX), "end")
}

/// Ends of one side only, listed by twenty unless all are wanted.
pub(super) fn only_in(keys: &[EndKey], label: &str, all: bool) -> Option<String> {
    const LISTED: usize = 20;
    let listed = if all { keys.len() } else { keys.len().min(LISTED) };
    let names: Vec<String> = keys[..listed].iter().map(|key| plain(&key.to_string())).collect();
    let more = keys.len() - listed;
    let more = if more > 0 { format!(" .. and {more} more (--all lists them)") } else { String::new() };
    (!keys.is_empty()).then(|| format!("only in {}: {}{more}", plain(label), names.join(", ")))
}

/// The ends to show: those that are not the same, or all.
pub(super) fn shown(against: &Against, all: bool) -> impl Iterator<Item = &Matched> {
    against.ends.iter().filter(move |end| all || end.judgement.change != Change::Same)
}

/// Text of a file without what would move a terminal's cursor.
pub(super) fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}
