//! A comparison as one JSON document; its fields are explained in `docs/results.md`.

use std::collections::BTreeSet;

use keepalive_lab_results::compare::{
    Against, Change, Comparison, EndKey, Matched, Range, Samples, Seconds, Side, SideSummary, Subject,
};
use serde::Serialize;

#[derive(Serialize)]
struct Document<'a> {
    sides: Vec<SideSummary>,
    comparisons: Vec<AgainstJson<'a>>,
}

#[derive(Serialize)]
struct AgainstJson<'a> {
    baseline: &'a str,
    other: &'a str,
    same: usize,
    changed: usize,
    inconclusive: usize,
    ends: Vec<EndJson<'a>>,
    only_in_baseline: &'a [EndKey],
    only_in_other: &'a [EndKey],
}

#[derive(Serialize)]
struct EndJson<'a> {
    #[serde(flatten)]
    key: &'a EndKey,
    judgement: Change,
    subject: Option<Subject>,
    why: &'a str,
    notes: &'a [String],
    seconds: Option<Seconds>,
    baseline: SamplesJson<'a>,
    other: SamplesJson<'a>,
}

#[derive(Serialize)]
struct SamplesJson<'a> {
    samples: usize,
    results: std::collections::BTreeMap<&'a str, usize>,
    syscall: BTreeSet<&'a str>,
    hz: BTreeSet<u32>,
    time_to_error_s: Option<Range>,
    kernel_time_to_error_s: Option<Range>,
    silent_s: Option<Range>,
    armed_timer: BTreeSet<&'a str>,
    keepalive_probes: BTreeSet<u64>,
    retransmits: BTreeSet<u64>,
}

/// The whole comparison, every end of it.
pub(super) fn text(comparison: &Comparison) -> String {
    let sides =
        std::iter::once(&comparison.baseline).chain(comparison.others.iter().map(|other| &other.side));
    let document = Document {
        sides: sides.map(Side::summary).collect(),
        comparisons: comparison
            .others
            .iter()
            .map(|against| of_side(against, &comparison.baseline.label))
            .collect(),
    };
    serde_json::to_string_pretty(&document).expect("plain values serialise")
}

fn of_side<'a>(against: &'a Against, baseline: &'a str) -> AgainstJson<'a> {
    AgainstJson {
        baseline,
        other: &against.side.label,
        same: against.count(Change::Same),
        changed: against.count(Change::Changed),
        inconclusive: against.count(Change::Inconclusive),
        ends: against.ends.iter().map(of_end).collect(),
        only_in_baseline: &against.only_in_baseline,
        only_in_other: &against.only_in_other,
    }
}

fn of_end(end: &Matched) -> EndJson<'_> {
    let judgement = &end.judgement;
    EndJson {
        key: &end.key,
        judgement: judgement.change,
        subject: judgement.subject,
        why: &judgement.why,
        notes: &judgement.notes,
        seconds: judgement.seconds,
        baseline: of_samples(&end.baseline),
        other: of_samples(&end.other),
    }
}

fn of_samples(samples: &Samples) -> SamplesJson<'_> {
    SamplesJson {
        samples: samples.records().len(),
        results: samples.fates(),
        syscall: samples.values(|record| record.syscall.as_deref()),
        hz: samples.values(|record| record.hz),
        time_to_error_s: samples.range(|record| record.time_to_error_s),
        kernel_time_to_error_s: samples.range(|record| record.kernel_time_to_error_s),
        silent_s: samples.range(|record| record.silent_s),
        armed_timer: samples.values(|record| record.armed_timer.as_deref()),
        keepalive_probes: samples.values(|record| record.keepalive_probes),
        retransmits: samples.values(|record| record.retransmits),
    }
}
