//! Cells, outcomes and records in words.

use keepalive_lab_endpoint::EndpointEventKind;
use keepalive_lab_experiment::record::{LabEvent, Record};
use keepalive_lab_results::Row;
use keepalive_lab_scenario::cell::{Cell, Parameter};

/// The cell's name for people: `sweep client.keepalive.idle=2s #2`.
pub(crate) fn name_of(cell: &Cell) -> String {
    let parameters = cell.parameters.iter().map(|Parameter { key, value }| format!("{key}={value}"));
    let repeat = (cell.repeat > 1).then(|| format!("#{}", cell.repeat));
    let words = std::iter::once(cell.scenario.clone()).chain(parameters).chain(repeat);
    words.collect::<Vec<_>>().join(" ")
}

/// What an end came to: `ETIMEDOUT on read`, `alive`.
pub(crate) fn happened(row: &Row) -> String {
    match (&row.errno, &row.syscall) {
        (Some(errno), Some(syscall)) => format!("{errno} on {syscall}"),
        _ => row.outcome.to_string(),
    }
}

/// The kernel timer behind it and what it did: `keepalive, 9 probes`.
pub(crate) fn timer(row: &Row) -> String {
    let count = |number: Option<u64>, one: &str| match number {
        None | Some(0) => String::new(),
        Some(1) => format!(", 1 {one}"),
        Some(number) => format!(", {number} {one}s"),
    };
    let sent_again = || count(row.retransmits, "retransmission");
    match row.armed_timer.as_deref() {
        None => String::new(),
        Some("none") => "no timer".into(),
        Some("keepalive") => format!("keepalive{}", count(row.keepalive_probes, "probe")),
        Some("retransmission") => format!("retransmission{}", sent_again()),
        Some("persist-local-refusal") => "persist: its own host refuses to send".into(),
        Some("persist-zero-window") => "persist: the peer's window is shut".into(),
        Some(other) => other.to_owned(),
    }
}

/// What is worth a line while people wait; `None` for the rest.
pub(crate) fn milestone(record: &Record) -> Option<String> {
    Some(match record {
        Record::Application(event) => {
            let end = event.end;
            match &event.what {
                EndpointEventKind::Connected { .. } => format!("{end} connected"),
                EndpointEventKind::Failed { errno, syscall, .. } => format!("{end}: {errno} on {syscall}"),
                EndpointEventKind::EndOfStream => format!("{end}: the peer has closed"),
                EndpointEventKind::Closed { .. } => format!("{end} closed"),
                EndpointEventKind::Idle => format!("{end}: its idle timer ran out"),
                EndpointEventKind::ConnectTimeout => format!("{end} gave up connecting"),
                _ => return None,
            }
        }
        Record::Lab(record) => match &record.what {
            LabEvent::FaultInForce { fault, on, what, .. } => {
                format!("{on}: fault `{fault}` in force ({what})")
            }
            LabEvent::FaultUndone { fault, on, packets, .. } => match packets {
                Some(packets) => format!("{on}: fault `{fault}` undone, it matched {packets} packets"),
                None => format!("{on}: fault `{fault}` undone"),
            },
            LabEvent::RuleCounted { fault, on, packets, .. } => {
                format!("{on}: fault `{fault}` matched {packets} packets")
            }
            _ => return None,
        },
        Record::Kernel(_) => return None,
    })
}
