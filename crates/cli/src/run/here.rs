//! Running on this machine's own kernel, in its own time.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use keepalive_lab_experiment::lab::{Event, Lab, Next};
use keepalive_lab_experiment::tools::LabError;
use keepalive_lab_netlab::userns;
use keepalive_lab_results::{Clock, CsvFile, FolderError, Owner};
use keepalive_lab_scenario::Scenario;

use super::circumstances::{Circumstances, Ground};
use super::news::Reporter;
use super::refusal::{self, Refusal};
use super::session::{Audience, Session};
use super::{SIGN_OF_LIFE, ports_of, unwritten};
use crate::args::RunArgs;
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::output::complain;

/// A lab that is open, and has been seen to bear every cell.
pub(crate) struct Here {
    lab: Lab,
    circumstances: Circumstances,
}

impl Here {
    /// Opens the lab and rehearses every cell: what this machine cannot do is told before anything starts.
    pub(crate) fn open(
        scenarios: &[(PathBuf, Scenario)],
        programs: BTreeMap<String, String>,
        owner: Owner,
    ) -> Result<Self, Vec<Complaint>> {
        userns::acquire().map_err(|error| vec![powerless(&error)])?;
        let lab = Lab::open(&ports_of(scenarios)).map_err(|error| vec![of_lab(&error)])?;
        super::signals::forward(lab.interrupt_handle())
            .map_err(|error| vec![of_lab(&LabError::Thread(error))])?;
        for (_, scenario) in scenarios {
            lab.rehearse(&scenario.cells).map_err(|(number, error)| {
                let cell = &scenario.cells[number];
                vec![Refusal::of(&error).complaint(scenario, cell)]
            })?;
        }
        if lab.interrupt_handle().is_interrupted() {
            return Err(vec![Complaint::new(Exit::Interrupted, "interrupted before the first cell")]);
        }
        let Ground { kernel, kernel_events, sysctls } = Ground::of(&lab);
        let (clock, machine) = (Clock::Real, None);
        let circumstances = Circumstances { kernel, clock, machine, kernel_events, programs, sysctls, owner };
        Ok(Self { lab, circumstances })
    }

    /// Says what will be missing, where people read it.
    pub(crate) fn note_what_is_missing(&self, args: &RunArgs) {
        if !args.quiet && !args.json && self.lab.kernel_watch_error().is_some() {
            complain(format_args!("note: {}", self.circumstances.kernel_events));
        }
    }

    /// Runs the scenarios, one after another.
    pub(crate) fn run(
        &self,
        args: &RunArgs,
        scenarios: &[(PathBuf, Scenario)],
        mut all_rows: Option<CsvFile>,
        reporter: &mut dyn Reporter,
    ) -> Result<Exit, Vec<Complaint>> {
        let mut audience = Audience { root: &args.results, reporter };
        let mut exit = Exit::Success;
        for (number, (path, scenario)) in scenarios.iter().enumerate() {
            let mut session = Session::begin(number, path, scenario, &self.circumstances, &mut audience)
                .map_err(|error| vec![unwritten(&error)])?;
            let watched = self.watch(scenario, &mut session, all_rows.as_mut(), &mut audience);
            if let Err(error) = watched {
                session.abandon();
                return Err(vec![error]);
            }
            let ended = session.finish(self.lab.interrupt_handle().is_interrupted(), &mut audience);
            let ended = ended.map_err(|error| vec![unwritten(&error)])?;
            exit = exit.max(ended);
            if ended == Exit::Interrupted {
                break;
            }
        }
        Ok(exit)
    }

    /// Takes the events of a run until it is over, or until one could not be written down.
    fn watch(
        &self,
        scenario: &Scenario,
        session: &mut Session<'_>,
        mut all_rows: Option<&mut CsvFile>,
        audience: &mut Audience<'_>,
    ) -> Result<(), Complaint> {
        let run = self.lab.run(scenario.cells.clone(), NonZeroUsize::MIN).map_err(|error| of_lab(&error))?;
        let written = |result: Result<(), FolderError>| result.map_err(|error| unwritten(&error));
        loop {
            match run.next_within(SIGN_OF_LIFE) {
                Next::Nothing => audience.reporter.waiting(),
                Next::Event(Event::Started { cell, .. }) => written(session.started(cell, audience))?,
                Next::Event(Event::Recorded { cell, record }) => {
                    written(session.recorded(cell, &record, audience))?;
                }
                Next::Event(Event::Ended { cell, outcome }) => {
                    let rows = session.ended(cell, &outcome, audience).map_err(|error| unwritten(&error))?;
                    if let Some(all_rows) = &mut all_rows {
                        written(all_rows.append(&[rows.client, rows.server]).map_err(FolderError::from))?;
                    }
                }
                Next::Event(Event::Failed { cell, error }) => {
                    let complaint = Refusal::of_cell(&error).complaint(scenario, &scenario.cells[cell]);
                    session.failed(cell, &complaint, audience);
                }
                Next::Over => return Ok(()),
            }
        }
    }
}

fn powerless(error: &keepalive_lab_netlab::UserNamespaceError) -> Complaint {
    Complaint::new(Exit::Lacking, "this process may not make network namespaces")
        .reason(error.to_string())
        .help("run it as root: sudo keepalive-lab run ...; `keepalive-lab doctor` tells what is missing")
}

fn of_lab(error: &LabError) -> Complaint {
    let complaint = Complaint::new(Exit::Lacking, "could not open the lab").reason(error.to_string());
    match error {
        LabError::Build(error) => complaint.help(
            refusal::of_a_limit(error).unwrap_or("`keepalive-lab doctor` tells what this machine can do"),
        ),
        LabError::Thread(_) => complaint,
    }
}
