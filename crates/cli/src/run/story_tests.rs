use keepalive_lab_clock::Monotonic;
use keepalive_lab_endpoint::{ArmedTimer, EndpointEvent, Syscall};
use keepalive_lab_experiment::record::LabRecord;
use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::{Options, Scenario};

use super::*;

fn lab(what: LabEvent) -> Option<String> {
    milestone(&Record::Lab(LabRecord { at: Monotonic::from_nanos(1), what }))
}

fn application(what: EndpointEventKind) -> Option<String> {
    milestone(&Record::Application(EndpointEvent { at: Monotonic::from_nanos(1), end: End::Client, what }))
}

#[test]
fn a_cell_is_named_by_scenario_parameters_and_repeat() {
    let text = "[sweep]\n\"client.keepalive.idle\" = [\"2s\"]\nrepeat = 2\n";
    let cells = Scenario::parse("sweep", text, &Options::default()).expect("a scenario").cells;
    let names: Vec<_> = cells.iter().map(name_of).collect();
    assert_eq!(names, ["sweep client.keepalive.idle=2s", "sweep client.keepalive.idle=2s #2"]);
}

#[test]
fn counts_agree_with_their_nouns() {
    let counted = |packets| {
        let (fault, on) = ("in".to_owned(), End::Server);
        lab(LabEvent::RuleCounted { fault, on, packets, bytes: 0 }).expect("a milestone")
    };
    assert_eq!(counted(0), "server: fault `in` matched 0 packets");
    assert_eq!(counted(1), "server: fault `in` matched 1 packet");
    assert_eq!(counted(19), "server: fault `in` matched 19 packets");
}

#[test]
fn errors_are_worth_a_line_and_data_is_not() {
    let failed = EndpointEventKind::Failed { errno: "ETIMEDOUT".into(), number: 110, syscall: Syscall::Read };
    assert_eq!(application(failed).as_deref(), Some("client: ETIMEDOUT on read"));
    assert_eq!(application(EndpointEventKind::Idle).as_deref(), Some("client: its idle timer ran out"));
    assert_eq!(application(EndpointEventKind::Sent { bytes: 1, calls: 1 }), None);
    assert_eq!(lab(LabEvent::FaultNeverDue { fault: "in".into() }), None);
}

#[test]
fn every_timer_that_a_row_can_have_is_told_in_words() {
    let words = |timer: ArmedTimer, number| timer_of(&timer.to_string(), Some(number), Some(number));
    assert_eq!(words(ArmedTimer::None, 0), "no timer");
    assert_eq!(words(ArmedTimer::Keepalive, 9), "keepalive, 9 probes");
    assert_eq!(words(ArmedTimer::Keepalive, 1), "keepalive, 1 probe");
    assert_eq!(words(ArmedTimer::Retransmission, 5), "retransmission, sent again 5 times");
    assert_eq!(words(ArmedTimer::Retransmission, 1), "retransmission, sent again once");
    assert_eq!(words(ArmedTimer::Retransmission, 0), "retransmission");
    assert_eq!(words(ArmedTimer::PersistLocalRefusal, 0), "persist: its own host refuses to send");
    assert_eq!(words(ArmedTimer::PersistZeroWindow, 0), "persist: the peer's window is shut");
    assert_eq!(words(ArmedTimer::Persist, 0), "persist");
}
