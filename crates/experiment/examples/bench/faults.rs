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

/// A rule that comes and goes.
struct Visitor {
    tool: Tool,
    line: &'static str,
    /// The line that takes it away; `None`: healing does, through netlink.
    flush: Option<&'static str>,
    gap: Duration,
}

const TRANSLATED: Visitor = Visitor {
    tool: Tool::Iptables,
    line: "-A INPUT -p tcp --dport 9 -j DROP",
    flush: None,
    gap: GAP_NETLINK,
};

/// Lines that only the programs understand.
const UNTRANSLATED: [(Program, Visitor); 2] = [
    (
        Program::Nft,
        Visitor {
            tool: Tool::Nft,
            line: "add rule inet filter input tcp dport { 9, 10 } drop",
            flush: Some("flush chain inet filter input"),
            gap: GAP_PROGRAM,
        },
    ),
    (
        Program::Iptables,
        Visitor {
            tool: Tool::Iptables,
            line: "-A INPUT -p tcp -m multiport --dports 9,10 -j DROP",
            flush: Some("-F INPUT"),
            gap: GAP_PROGRAM,
        },
    ),
];

/// What was seen of a visitor.
#[derive(Default)]
struct Visits {
    came: Vec<Moment>,
    went: Vec<Moment>,
    /// How late a bare thread awoke meanwhile.
    bare: Vec<Duration>,
}

/// When one fault was due, was begun, and was in force.
struct Moment {
    due: Monotonic,
    called: Monotonic,
    acknowledged: Monotonic,
}

/// Rules that are translated, coming and going.
pub(crate) fn by_netlink(lab: &Lab) -> Part {
    let Visits { came, went, bare } = watch(lab, &TRANSLATED)?;
    Ok(vec![
        lateness("rule by netlink in force after its time", &came).within(Limit::P99Ms(0.5)),
        lateness("rule by netlink gone after its time", &went).within(Limit::P99Ms(0.5)),
        work("  of this: the kernel's work", came.iter().chain(&went)),
        Figure::distribution(BARE, bare),
    ])
}

/// Rules that only the real programs understand.
pub(crate) fn by_programs(lab: &Lab) -> Part {
    let mut figures = Vec::new();
    for (program, visitor) in UNTRANSLATED {
        let what = |what: &str| format!("rule by {program} {what} after its time");
        if let Err(missing) = program.version() {
            figures.push(Figure::skipped(what("in force"), missing.to_string()));
            continue;
        }
        let Visits { came, went, bare } = watch(lab, &visitor)?;
        figures.push(lateness(what("in force"), &came).within(Limit::P99Ms(5.0)));
        figures.push(lateness(what("gone"), &went).within(Limit::P99Ms(5.0)));
        figures.push(work("  of this: the program's work", came.iter().chain(&went)));
        figures.push(Figure::distribution(BARE, bare));
    }
    Ok(figures)
}

const BARE: &str = "  bare clock_nanosleep beside it, late";

/// Runs cells in which the rule comes and goes while a bare thread sleeps beside them.
fn watch(lab: &Lab, visitor: &Visitor) -> Result<Visits, Failure> {
    let Visitor { tool, line, flush, gap } = *visitor;
    let faults = (0..RULES).flat_map(|number| {
        let (name, comes) = (format!("rule-{number}"), LEAD + gap * number);
        let goes = comes + gap / 2;
        let end = match flush {
            None => heal(&name, goes),
            Some(line) => rule(format!("flush-{number}"), Trigger::At(goes), tool, line),
        };
        [rule(name, Trigger::At(comes), tool, line), end]
    });
    let stop = Stop { when: StopWhen::Limit, limit: 2 * LEAD + gap * RULES };
    let cell = cell(Ends::default(), faults.collect(), stop);
    let sleeper = Sleeper::start(gap / 2)?;
    let told = run(lab, vec![cell; CELLS])?;
    let mut visits = Visits { bare: sleeper.stop(), ..Visits::default() };
    for LabRecord { at: acknowledged, what } in told.lab {
        match what {
            LabEvent::FaultInForce { due: Some(due), called, .. } => {
                visits.came.push(Moment { due, called, acknowledged });
            }
            LabEvent::FaultUndone { due: Some(due), called, .. } => {
                visits.went.push(Moment { due, called, acknowledged });
            }
            _ => {}
        }
    }
    Ok(visits)
}

fn lateness(what: impl Into<String>, moments: &[Moment]) -> Figure {
    Figure::distribution(what, moments.iter().map(|moment| moment.acknowledged - moment.due).collect())
}

fn work<'a>(what: &str, moments: impl Iterator<Item = &'a Moment>) -> Figure {
    Figure::distribution(what, moments.map(|moment| moment.acknowledged - moment.called).collect())
}
