use super::super::tests::death;
use super::*;
use keepalive_lab_scenario::expect::Outcome;

fn samples(records: Vec<Record>) -> Samples {
    Samples::new(records).expect("some rows")
}

/// Judges single rows, both ways round: the judgement must not depend on it.
fn judged(was: &Record, is: &Record) -> Judgement {
    judged_all(vec![was.clone()], vec![is.clone()])
}

fn judged_all(was: Vec<Record>, is: Vec<Record>) -> Judgement {
    let (was, is) = (samples(was), samples(is));
    let (forth, back) = (judge(&was, &is), judge(&is, &was));
    assert_eq!((forth.change, forth.subject), (back.change, back.subject));
    forth
}

fn keepalive(seconds: f64) -> Record {
    let mut record = death("keepalive", seconds);
    record.settings.keepidle_s = Some(60);
    record.settings.keepintvl_s = Some(75);
    record.settings.keepcnt = Some(9);
    record.keepalive_probes = Some(9);
    record
}

fn user_timeout(seconds: f64) -> Record {
    let mut record = death("retransmission", seconds);
    record.settings.user_timeout_s = Some(5.0);
    record
}

fn alive() -> Record {
    let mut record = death("none", 0.0);
    (record.outcome, record.errno, record.syscall, record.time_to_error_s) =
        (Outcome::Alive, None, None, None);
    record
}

fn with_errno(record: &Record, errno: &str) -> Record {
    Record { errno: Some(errno.into()), ..record.clone() }
}

#[test]
fn measured_cells_are_judged_as_a_person_would() {
    let path = |seconds| death("retransmission", seconds);
    let zero_window = |seconds| death("persist-zero-window", seconds);
    let same = [
        (keepalive(742.16), keepalive(743.1)),
        (path(937.9), path(939.7)),
        (user_timeout(5.42), user_timeout(5.67)),
        (zero_window(10.40), zero_window(10.45)),
        (alive(), alive()),
    ];
    for (was, is) in same {
        assert_eq!(judged(&was, &is).change, Change::Same, "{:?}", judged(&was, &is));
    }
    let changed = [
        (keepalive(683.5), keepalive(742.9), Subject::Seconds),
        (user_timeout(5.42), user_timeout(7.2), Subject::Seconds),
        (path(938.0), path(1031.0), Subject::Seconds),
        (zero_window(10.4), alive(), Subject::Result),
        (keepalive(742.9), with_errno(&keepalive(742.9), "ECONNRESET"), Subject::Result),
    ];
    for (was, is, subject) in changed {
        let judgement = judged(&was, &is);
        assert_eq!((judgement.change, judgement.subject), (Change::Changed, Some(subject)), "{judgement:?}");
    }
}

#[test]
fn keepalive_counts_from_the_last_data_and_not_from_the_fault() {
    let (mut was, mut is) = (keepalive(741.66), keepalive(745.0));
    (was.silent_s, is.silent_s) = (Some(742.16), Some(742.5));
    let judgement = judged(&was, &is);
    assert_eq!(judgement.change, Change::Same, "{judgement:?}");
    assert_eq!(judgement.seconds.unwrap().measure, Measure::Silent);
    is.silent_s = Some(746.5);
    assert_eq!(judged(&was, &is).change, Change::Changed);
}

#[test]
fn an_application_that_was_told_late_is_no_change_of_the_kernel_unless_by_a_second() {
    let (mut was, mut is) = (user_timeout(5.42), user_timeout(6.1));
    (was.kernel_time_to_error_s, is.kernel_time_to_error_s) = (Some(5.419), Some(5.43));
    assert_eq!(judged(&was, &is).change, Change::Same);
    is.time_to_error_s = Some(9.0);
    assert_eq!(judged(&was, &is).change, Change::Changed);
}

#[test]
fn other_tick_rates_round_otherwise() {
    let was = keepalive(743.0);
    let is = Record { hz: Some(1000), ..keepalive(762.0) };
    let judgement = judged(&was, &is);
    assert_eq!(judgement.change, Change::Same, "{judgement:?}");
    assert!(judgement.why.contains("tick rates differ (HZ 250, 1000)"), "{}", judgement.why);
    let too_late = Record { hz: Some(1000), ..keepalive(790.0) };
    assert_eq!(judged(&was, &too_late).change, Change::Changed);
}

#[test]
fn errnos_that_are_mixed_on_a_side_are_compared_as_sets() {
    let (timeout, reset) = (keepalive(742.9), with_errno(&keepalive(742.9), "ECONNRESET"));
    let unreachable = with_errno(&timeout, "EHOSTUNREACH");
    let mixed = vec![timeout.clone(), reset.clone(), timeout.clone()];
    let other_mix = vec![timeout.clone(), reset.clone(), reset.clone()];
    assert_eq!(judged_all(mixed.clone(), other_mix).change, Change::Inconclusive);
    assert_eq!(judged_all(mixed.clone(), vec![timeout.clone()]).change, Change::Inconclusive);
    assert_eq!(judged_all(mixed.clone(), vec![unreachable]).change, Change::Changed);
    assert_eq!(judged_all(mixed.clone(), mixed.clone()).change, Change::Same);
    let later: Vec<_> = mixed
        .iter()
        .map(|row| if row.fate() == "ETIMEDOUT" { keepalive(800.0) } else { row.clone() })
        .collect();
    assert_eq!(judged_all(mixed, later).subject, Some(Subject::Seconds));
}

#[test]
fn a_tenth_probe_in_the_same_time_is_a_change_and_one_retransmission_more_is_not() {
    let was = keepalive(742.9);
    let judgement = judged(&was, &Record { keepalive_probes: Some(10), ..was.clone() });
    assert_eq!(judgement.subject, Some(Subject::KeepaliveProbes));
    assert_eq!(judgement.why, "keepalive probes 10, was 9");

    let sent = |times| Record { retransmits: Some(times), ..user_timeout(5.5) };
    let judgement = judged(&sent(5), &sent(6));
    assert_eq!((judgement.change, judgement.notes), (Change::Same, vec!["retransmissions 6, was 5".into()]));
    assert_eq!(judged(&sent(5), &sent(7)).subject, Some(Subject::Retransmits));
    // Repeats that overlap are no change.
    assert_eq!(judged_all(vec![sent(5), sent(7)], vec![sent(7), sent(9)]).change, Change::Same);
    // An end that was told from outside only counts its traffic.
    let reset = |times| with_errno(&sent(times), "ECONNRESET");
    assert_eq!(judged(&reset(0), &reset(50)).change, Change::Same);
}

#[test]
fn another_timer_that_gave_up_in_the_same_time_is_a_change() {
    let at = |timer: &str| death(timer, 5.5);
    let judgement = judged(&at("retransmission"), &at("persist-local-refusal"));
    assert_eq!(judgement.subject, Some(Subject::ArmedTimer));
    // Linux before 5.4 does not tell which of the two it was.
    assert_eq!(judged(&at("persist"), &at("persist-local-refusal")).change, Change::Same);
    let alive_with = |timer: &str| Record { armed_timer: Some(timer.into()), ..alive() };
    let judgement = judged(&alive_with("none"), &alive_with("keepalive"));
    assert_eq!(judgement.change, Change::Same, "{judgement:?}");
    assert_eq!(judgement.notes, ["kernel timer keepalive, was none"]);
}

#[test]
fn another_question_is_said() {
    let was = keepalive(742.9);
    let mut is = keepalive(7995.0);
    is.settings.keepidle_s = Some(7200);
    is.settings.tcp_retries2 = Some(8);
    let judgement = judged(&was, &is);
    assert_eq!(judgement.notes, ["not the same question: keepidle_s 7200, was 60, tcp_retries2 8, was 15"]);
    is.settings.keepidle_s = None;
    assert!(judged(&was, &is).notes[0].contains("keepidle_s unset, was 60"));
}

#[test]
fn copies_of_one_virtual_run_are_one_sample() {
    let mut row = death("none", 5.0);
    row.clock = crate::row::Clock::Virtual;
    let of = |seconds: f64| vec![Record { time_to_error_s: Some(seconds), ..row.clone() }; 9];
    // Nine against nine would be clear, one against one is not: the peer's rhythm may be behind it.
    assert_eq!(judged_all(of(5.0), of(5.9)).change, Change::Inconclusive);
    row.clock = crate::row::Clock::Real;
    let of = |seconds: f64| vec![Record { time_to_error_s: Some(seconds), ..row.clone() }; 9];
    assert_eq!(judged_all(of(5.0), of(5.9)).change, Change::Changed);
}

#[test]
fn an_assumed_tick_rate_is_said() {
    let unknown = Record { hz: None, ..keepalive(742.9) };
    assert_eq!(judged(&unknown, &unknown).notes, ["tick rate not recorded: HZ 100 assumed, the coarsest"]);
}
