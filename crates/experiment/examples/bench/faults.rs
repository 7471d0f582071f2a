//! How long after its moment a fault is in force.

use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_experiment::lab::Lab;
use keepalive_lab_experiment::record::{LabEvent, LabRecord};
use keepalive_lab_netlab::firewall::Program;
use keepalive_lab_scenario::cell::{Stop, StopWhen};
use keepalive_lab_scenario::end::Ends;
use keepalive_lab_scenario::fault::{Tool, Trigger};

use crate::bare::Sleeper;
use crate::cells::{cell, heal, rule, run};
use crate::figure::{Figure, Limit};
use crate::{Failure, Part};

/// Before the first fault of a cell.
const LEAD: Duration = Duration::from_millis(50);

/// Each rule comes, and goes half of this later. No multiple of a tick at any usual HZ.
const GAP_NETLINK: Duration = Duration::from_micros(21_700);

/// A program needs some milliseconds for its rule, and the next must not have to wait for it.
const GAP_PROGRAM: Duration = Duration::from_micros(81_700);

/// Rules of one cell: so many programs wait at a time.
const RULES: u32 = 50;

const CELLS: usize = 4;

/// When one fault was due, was begun, and was in force.
struct Moment {
    due: Monotonic,
    called: Monotonic,
    acknowledged: Monotonic,
}

/// Rules that are translated, coming and going.
pub(crate) fn by_netlink(lab: &Lab) -> Part {
    let line = "-A INPUT -p tcp --dport 9 -j DROP";
    let (came, went, bare) = measure(lab, Tool::Iptables, line, GAP_NETLINK)?;
    let asking = came.iter().chain(&went).map(|moment| moment.acknowledged - moment.called).collect();
    Ok(vec![
        lateness("rule by netlink in force after its time", &came).within(Limit::P99Ms(0.5)),
        lateness("rule removed by netlink after its time", &went).within(Limit::P99Ms(0.5)),
        Figure::distribution("  of this: the kernel's work", asking),
        Figure::distribution("  bare clock_nanosleep beside it, late", bare),
    ])
}

/// Rules that only the real programs understand.
pub(crate) fn by_programs(lab: &Lab) -> Part {
    let mut figures = Vec::new();
    for (program, tool, line) in [
        (Program::Nft, Tool::Nft, "add rule inet filter input tcp dport { 9, 10 } drop"),
        (Program::Iptables, Tool::Iptables, "-A INPUT -p tcp -m multiport --dports 9,10 -j DROP"),
    ] {
        let what = format!("rule by {program} in force after its time");
        if let Err(missing) = program.version() {
            figures.push(Figure::skipped(what, missing.to_string()));
            continue;
        }
        let (came, _, bare) = measure(lab, tool, line, GAP_PROGRAM)?;
        figures.push(lateness(&what, &came).within(Limit::P99Ms(5.0)));
        figures.push(Figure::distribution("  bare clock_nanosleep beside it, late", bare));
    }
    Ok(figures)
}

/// Runs cells in which rules come and go while a bare thread sleeps beside them.
#[allow(clippy::type_complexity)]
fn measure(
    lab: &Lab,
    tool: Tool,
    line: &str,
    gap: Duration,
) -> Result<(Vec<Moment>, Vec<Moment>, Vec<Duration>), Failure> {
    let faults = (0..RULES).flat_map(|number| {
        let (name, at) = (format!("rule-{number}"), LEAD + gap * number);
        [rule(&name, Trigger::At(at), tool, line), heal(&name, at + gap / 2)]
    });
    let stop = Stop { when: StopWhen::Limit, limit: 2 * LEAD + gap * RULES };
    let cell = cell(Ends::default(), faults.collect(), stop);
    let sleeper = Sleeper::start(gap / 2)?;
    let told = run(lab, vec![cell; CELLS])?;
    let bare = sleeper.stop();
    let (mut came, mut went) = (Vec::new(), Vec::new());
    for LabRecord { at, what } in told.lab {
        match what {
            LabEvent::FaultInForce { due: Some(due), called, .. } => {
                came.push(Moment { due, called, acknowledged: at });
            }
            LabEvent::FaultUndone { due: Some(due), called, .. } => {
                went.push(Moment { due, called, acknowledged: at });
            }
            _ => {}
        }
    }
    Ok((came, went, bare))
}

fn lateness(what: &str, moments: &[Moment]) -> Figure {
    Figure::distribution(what, moments.iter().map(|moment| moment.acknowledged - moment.due).collect())
}
