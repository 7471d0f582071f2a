//! Cells, outcomes and records in words.

use keepalive_lab_endpoint::EndpointEventKind;
use keepalive_lab_experiment::record::{LabEvent, Record};
use keepalive_lab_results::Row;
use keepalive_lab_scenario::cell::{Cell, Parameter};

use crate::span::counted;

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
    let timer = row.armed_timer.as_deref();
    timer.map(|timer| timer_of(timer, row.keepalive_probes, row.retransmits)).unwrap_or_default()
}

fn timer_of(timer: &str, probes: Option<u64>, retransmits: Option<u64>) -> String {
    match (timer, probes.unwrap_or(0), retransmits.unwrap_or(0)) {
        ("none", ..) => "no timer".into(),
        ("keepalive", probes @ 1.., _) => format!("keepalive, {}", counted(probes, "probe")),
        ("retransmission", _, 1) => "retransmission, sent again once".into(),
        ("retransmission", _, number @ 2..) => format!("retransmission, sent again {number} times"),
        ("persist-local-refusal", ..) => "persist: its own host refuses to send".into(),
        ("persist-zero-window", ..) => "persist: the peer's window is shut".into(),
        (other, ..) => other.to_owned(),
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
                Some(packets) => format!("{on}: fault `{fault}` undone, it matched {}", matched(*packets)),
                None => format!("{on}: fault `{fault}` undone"),
            },
            LabEvent::RuleCounted { fault, on, packets, .. } => {
                format!("{on}: fault `{fault}` matched {}", matched(*packets))
            }
            _ => return None,
        },
        Record::Kernel(_) => return None,
    })
}

fn matched(packets: u64) -> String {
    counted(packets, "packet")
}

#[cfg(test)]
#[path = "story_tests.rs"]
mod tests;
