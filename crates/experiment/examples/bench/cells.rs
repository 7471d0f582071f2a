//! Cells made for measuring, and running them.

use std::num::NonZeroUsize;
use std::time::Duration;

use keepalive_lab_experiment::lab::{Event, Lab, Next};
use keepalive_lab_experiment::outcome::CellOutcome;
use keepalive_lab_experiment::record::{LabRecord, Record};
use keepalive_lab_scenario::cell::{Cell, Experiment, IpVersion, Stop, StopWhen};
use keepalive_lab_scenario::end::{End, Ends};
use keepalive_lab_scenario::fault::{Action, Fault, Heal, RuleText, Tool, Trigger};
use keepalive_lab_scenario::program::Program;

use crate::Failure;

/// Where the servers listen: what the tracepoints are filtered by.
pub(crate) const PORT: u16 = 7654;

/// No cell of these takes longer, unless something is wrong.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the cells of a run told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// What the lab did.
    pub(crate) lab: Vec<LabRecord>,
    /// What each cell came to.
    pub(crate) outcomes: Vec<CellOutcome>,
}

/// A cell with these faults.
pub(crate) fn cell(programs: Ends<Program>, faults: Vec<Fault>, stop: Stop) -> Cell {
    let experiment = Experiment {
        ip: IpVersion::Ipv4,
        port: PORT,
        programs,
        sysctls: Ends::default(),
        faults,
        stop,
        expect: Ends::default(),
    };
    Cell {
        scenario: "bench".into(),
        id: "1".into(),
        repeat: 1,
        phase: None,
        parameters: Vec::new(),
        experiment,
    }
}

/// A cell ends when its client does.
pub(crate) const UNTIL_THE_CLIENT_ENDS: Stop = Stop { when: StopWhen::ClientClosed, limit: PATIENCE };

/// A rule in the server's firewall.
pub(crate) fn rule(name: impl Into<String>, trigger: Trigger, tool: Tool, line: &str) -> Fault {
    let rule = RuleText { tool, line: line.into() };
    Fault { name: name.into(), trigger, action: Action::Rule { on: End::Server, rule } }
}

/// Undoes one rule.
pub(crate) fn heal(name: &str, at: Duration) -> Fault {
    let action = Action::Heal(Heal::Named(vec![name.into()]));
    Fault { name: format!("heal {name}"), trigger: Trigger::At(at), action }
}

/// Runs cells, one after another.
pub(crate) fn run(lab: &Lab, cells: Vec<Cell>) -> Result<Told, Failure> {
    let run = lab.run(cells, NonZeroUsize::MIN)?;
    let mut told = Told::default();
    loop {
        match run.next_within(2 * PATIENCE) {
            Next::Event(Event::Recorded { record: Record::Lab(record), .. }) => told.lab.push(record),
            Next::Event(Event::Ended { outcome, .. }) => told.outcomes.push(*outcome),
            Next::Event(Event::Failed { error, .. }) => return Err(error.into()),
            Next::Event(Event::Started { .. } | Event::Recorded { .. }) => {}
            Next::Nothing => return Err("a cell does not end".into()),
            Next::Over => return Ok(told),
        }
    }
}
