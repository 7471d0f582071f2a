//! Whole files: matching, and what holds for any results.

use std::collections::BTreeMap;
use std::path::Path;

use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::expect::Outcome;
use proptest::prelude::*;

use super::*;
use crate::record::{Record, Settings};
use crate::row::Clock;

/// A row of an end on which this timer gave up, at HZ 250.
pub(super) fn death(timer: &str, seconds: f64) -> Record {
    Record {
        line: 2,
        scenario: "test".into(),
        parameters: Vec::new(),
        repeat: 1,
        endpoint: End::Client,
        kernel: "6.1".into(),
        hz: Some(250),
        clock: Clock::Real,
        settings: Settings { tcp_retries2: Some(15), ..Settings::default() },
        outcome: Outcome::Error,
        errno: Some("ETIMEDOUT".into()),
        syscall: Some("read".into()),
        time_to_error_s: Some(seconds),
        kernel_time_to_error_s: None,
        silent_s: None,
        armed_timer: Some(timer.into()),
        keepalive_probes: Some(0),
        retransmits: Some(0),
        phase_s: None,
    }
}

fn file(name: &str, records: Vec<Record>) -> ResultFile {
    ResultFile { path: Path::new(name).into(), records, unknown_columns: Vec::new(), ends_whole: true }
}

fn with(record: &Record, change: impl FnOnce(&mut Record)) -> Record {
    let mut record = record.clone();
    change(&mut record);
    record
}

fn names(keys: &[EndKey]) -> Vec<String> {
    keys.iter().map(EndKey::to_string).collect()
}

#[test]
fn ends_are_matched_by_what_was_asked_and_not_by_their_place() {
    let idle = |value: &str| {
        with(&death("keepalive", 9.0), |row| {
            row.parameters = vec![("client.keepalive.idle".into(), value.into())];
        })
    };
    let a = file("a", vec![idle("2s"), idle("10s"), idle("60s")]);
    let b = file("b", vec![idle("10s"), with(&idle("2s"), |row| row.endpoint = End::Server), idle("2s")]);
    let against = &compare(&[a, b]).unwrap().others[0];
    let matched: Vec<_> = against.ends.iter().map(|end| end.key.cell()).collect();
    assert_eq!(matched, ["test client.keepalive.idle=2s", "test client.keepalive.idle=10s"]);
    assert_eq!(names(&against.only_in_baseline), ["test client.keepalive.idle=60s client"]);
    assert_eq!(names(&against.only_in_other), ["test client.keepalive.idle=2s server"]);
}

#[test]
fn one_file_of_several_kernels_is_as_many_sides() {
    let row = death("keepalive", 9.0);
    let rows = ["6.1", "6.12", "7.2"].map(|kernel| with(&row, |row| row.kernel = kernel.into()));
    let comparison = compare(&[file("a", rows.to_vec())]).unwrap();
    assert_eq!(comparison.baseline.label, "6.1");
    let others: Vec<_> = comparison.others.iter().map(|other| other.side.label.as_str()).collect();
    assert_eq!(others, ["6.12", "7.2"]);
}

#[test]
fn one_kernel_on_two_clocks_is_two_sides() {
    let row = death("keepalive", 9.0);
    let rows = vec![row.clone(), with(&row, |row| row.clock = Clock::Virtual)];
    assert_eq!(compare(&[file("a", rows)]).unwrap().others[0].side.label, "6.1 (virtual)");
}

#[test]
fn what_has_nothing_in_common_is_refused() {
    let row = death("keepalive", 9.0);
    let other = with(&row, |row| row.scenario = "another".into());
    let error = compare(&[file("a", vec![row.clone()]), file("b", vec![other])]).unwrap_err();
    assert_eq!(error.to_string(), "b and a have no cell in common");
    let alone = compare(&[file("a", vec![row])]).unwrap_err();
    assert_eq!(alone.to_string(), "nothing to compare with: a holds one kernel only, 6.1");
    assert_eq!(compare(&[]), Err(CompareError::NoFile));
}

/// Any row of a small world, so that many are about the same end.
fn records() -> impl Strategy<Value = Vec<Record>> {
    let timers = ["keepalive", "retransmission", "persist", "persist-zero-window", "none"];
    let errnos = [None, Some("ETIMEDOUT"), Some("ETIMEDOUT"), Some("ECONNRESET")];
    let seconds = prop_oneof![0.0..20.0, 740.0..746.0, Just(9.5), Just(742.5)];
    let row = (
        prop::sample::select(timers.to_vec()),
        prop::sample::select(errnos.to_vec()),
        seconds,
        prop::option::of(0.0..0.3),
        (0..2_u8, any::<bool>(), prop::sample::select(vec![None, Some(100), Some(250), Some(1000)])),
        prop::option::of(0..8_u32),
        (9..12_u64, 0..4_u64, any::<bool>()),
    );
    let row = row.prop_map(|(timer, errno, seconds, lag, (cell, is_client, hz), phase, counts)| {
        let (probes, retransmits, is_virtual) = counts;
        let mut row = death(timer, seconds);
        row.errno = errno.map(str::to_owned);
        if errno.is_none() {
            (row.outcome, row.time_to_error_s) = (Outcome::Alive, None);
        }
        row.kernel_time_to_error_s = row.time_to_error_s.zip(lag).map(|(seconds, lag)| seconds - lag);
        row.silent_s = row.time_to_error_s.map(|seconds| seconds + 0.5);
        row.parameters = vec![("client.keepalive.idle".into(), cell.to_string())];
        row.endpoint = if is_client { End::Client } else { End::Server };
        row.settings.keepidle_s = Some(60);
        row.settings.keepintvl_s = Some(75);
        row.settings.keepcnt = Some(9);
        row.hz = hz;
        row.phase_s = phase.map(|phase| f64::from(phase) * 0.256);
        (row.keepalive_probes, row.retransmits) = (Some(probes), Some(retransmits));
        // All of one side: rows of two clocks in one file would be two sides.
        row.clock = if is_virtual { Clock::Virtual } else { Clock::Real };
        row
    });
    (prop::collection::vec(row, 1..14), any::<bool>()).prop_map(|(mut rows, is_virtual)| {
        for (repeat, row) in (1..).zip(&mut rows) {
            row.clock = if is_virtual { Clock::Virtual } else { Clock::Real };
            row.repeat = repeat;
        }
        rows
    })
}

fn judgements(against: &Against) -> BTreeMap<EndKey, (Change, Option<Subject>)> {
    let of = |end: &Matched| (end.key.clone(), (end.judgement.change, end.judgement.subject));
    against.ends.iter().map(of).collect()
}

proptest! {
    #[test]
    fn results_are_the_same_as_themselves(rows in records()) {
        let comparison = compare(&[file("a", rows.clone()), file("b", rows)]).unwrap();
        for end in &comparison.others[0].ends {
            prop_assert_eq!(end.judgement.change, Change::Same, "{:?}", end);
        }
    }

    #[test]
    fn which_side_is_the_baseline_decides_no_judgement(a in records(), b in records()) {
        let (a, b) = (file("a", a), file("b", b));
        let forth = compare(&[a.clone(), b.clone()]);
        let back = compare(&[b, a]);
        match (forth, back) {
            (Ok(forth), Ok(back)) => {
                let (forth, back) = (&forth.others[0], &back.others[0]);
                prop_assert_eq!(judgements(forth), judgements(back));
                prop_assert_eq!(forth.only_in_baseline.len(), back.only_in_other.len());
                prop_assert_eq!(forth.only_in_other.len(), back.only_in_baseline.len());
            }
            (forth, back) => prop_assert!(forth.is_err() && back.is_err()),
        }
    }

    #[test]
    fn the_order_of_rows_decides_nothing(
        (rows, shuffled) in records().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        other in records(),
    ) {
        let other = file("b", other);
        let in_order = compare(&[file("a", rows), other.clone()]);
        let mixed = compare(&[file("a", shuffled), other]);
        match (in_order, mixed) {
            (Ok(in_order), Ok(mixed)) => {
                let all = |against: &Against| {
                    let ends = against.ends.iter().map(|end| (end.key.clone(), end.judgement.clone()));
                    ends.map(|(key, judgement)| (key, format!("{judgement:?}"))).collect::<BTreeMap<_, _>>()
                };
                prop_assert_eq!(all(&in_order.others[0]), all(&mixed.others[0]));
            }
            (in_order, mixed) => prop_assert!(in_order.is_err() && mixed.is_err()),
        }
    }
}
