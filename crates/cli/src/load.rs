//! Reading scenario files, and finding all that is wrong with them without privilege.

use std::path::Path;

use keepalive_lab_experiment::world::rules_of;
use keepalive_lab_netlab::firewall::{self, PlannedLine, Program, Route, RuleSyntaxError};
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::fault::Action;
use keepalive_lab_scenario::{KeyPath, Options, Place, Scenario};

use crate::args::ChangeArgs;
use crate::complaint::{Complaint, of_scenario};
use crate::exit::Exit;

/// Reads one scenario; its rules must be rules too.
pub(crate) fn load(path: &Path, change: &ChangeArgs) -> Result<Scenario, Vec<Complaint>> {
    let overrides = change.set.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>();
    let overrides = overrides.map_err(|error| of_scenario(&error))?;
    let options = Options { repeat: change.repeat, phases: change.phases, ..Options::from(overrides) };
    let scenario = Scenario::load(path, &options).map_err(|error| of_scenario(&error))?;
    let mut complaints = Vec::new();
    for_each_rule(&scenario, |cell, index, planned| {
        if let Err(error) = planned {
            complaints.push(of_rule(&scenario, cell, index, error));
        }
    });
    complaints.dedup();
    if complaints.is_empty() { Ok(scenario) } else { Err(complaints) }
}

/// The programs that rules of a scenario need, each with the first rule that needs it: its cell, its
/// place in the schedule and the reason.
pub(crate) fn programs(scenario: &Scenario) -> Vec<(Program, Complaint)> {
    let mut needed = Vec::<(Program, Complaint)>::new();
    for_each_rule(scenario, |cell, index, planned| {
        if let Ok(PlannedLine { route: Route::Program { program, why, .. }, .. }) = planned
            && needed.iter().all(|(other, _)| other != program)
        {
            let message = format!("this rule needs the program `{program}`");
            let place = rule_place(scenario, cell, index);
            needed.push((*program, Complaint::new(Exit::Lacking, message).at(place).reason(why)));
        }
    });
    needed
}

/// Plans the rules of each cell, but not twice those that are equal to the cell's before.
fn for_each_rule(
    scenario: &Scenario,
    mut take: impl FnMut(&Cell, usize, &Result<PlannedLine, RuleSyntaxError>),
) {
    let mut before: Option<&Cell> = None;
    for cell in &scenario.cells {
        let faults = &cell.experiment.faults;
        if before.is_some_and(|before| before.experiment.faults == *faults) {
            continue;
        }
        before = Some(cell);
        for end in End::BOTH {
            let (indexes, lines): (Vec<_>, Vec<_>) = rules_of(faults, end).unzip();
            for (index, planned) in indexes.into_iter().zip(firewall::plan(&lines)) {
                take(cell, index, &planned);
            }
        }
    }
}

/// A rule that is not one, shown at its word.
pub(crate) fn of_rule(scenario: &Scenario, cell: &Cell, index: usize, error: &RuleSyntaxError) -> Complaint {
    let line = match &cell.experiment.faults[index].action {
        Action::Rule { rule, .. } => rule.line.as_str(),
        Action::Link { .. } | Action::Heal(_) => "",
    };
    let place = rule_place(scenario, cell, index).map(|place| narrowed(place, line, error));
    let complaint = Complaint::new(Exit::Usage, error.message.clone()).at(place);
    match &error.help {
        Some(help) => complaint.help(help),
        None => complaint,
    }
}

/// Where the rule of entry `index` is written.
fn rule_place(scenario: &Scenario, cell: &Cell, index: usize) -> Option<Place> {
    let keys = ["iptables", "ip6tables", "nft"].into_iter();
    let paths = keys.map(|key| format!("fault.{index}.{key}").parse::<KeyPath>());
    paths.filter_map(Result::ok).find_map(|path| scenario.locate_in(cell, &path))
}

/// The part of a rule that an error is about: the error counts bytes of the line, which stands somewhere
/// in the value (after a quote, or after a pasted `iptables`). One written with escapes is marked as a
/// whole.
fn narrowed(mut place: Place, line: &str, error: &RuleSyntaxError) -> Place {
    if let Some(offset) = place.text[place.range.clone()].find(line) {
        let start = place.range.start + offset;
        place.range = start + error.range.start..start + error.range.end;
    }
    place
}
