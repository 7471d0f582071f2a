//! `keepalive-lab run`: scenarios in, rows and an exit code out.

mod circumstances;
mod json;
mod news;
mod progress;
mod recorder;
mod refusal;
mod rows;
mod signals;
mod story;
mod table;
mod terminal;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keepalive_lab_experiment::lab::{Event, Lab, Next, Run};
use keepalive_lab_experiment::tools::LabError;
use keepalive_lab_netlab::userns;
use keepalive_lab_results::metadata::{Kernel, RunState};
use keepalive_lab_results::{CsvFile, FolderError, Owner, Unmet, unmet};
use keepalive_lab_scenario::Scenario;
use keepalive_lab_scenario::end::End;

use self::circumstances::Circumstances;
use self::news::{News, Reporter, Tally};
use self::recorder::Recorder;
use crate::args::RunArgs;
use crate::complaint::{Complaint, tell};
use crate::exit::Exit;
use crate::load;
use crate::output::complain;

/// How long the run may be silent before the reporter is asked for a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// Runs the command and returns its exit code.
pub(crate) fn run(args: &RunArgs) -> Exit {
    match try_run(args) {
        Ok(exit) => exit,
        Err(complaints) => tell(&complaints),
    }
}

fn try_run(args: &RunArgs) -> Result<Exit, Vec<Complaint>> {
    let scenarios = load_all(args)?;
    let programs = programs_of(&scenarios)?;

    // Before the user namespace: inside it everybody is root.
    let owner = Owner::of_this_process();
    userns::acquire().map_err(|error| vec![powerless(&error)])?;
    signals::block().map_err(|errno| {
        vec![Complaint::new(Exit::Lacking, format!("could not block SIGINT and SIGTERM: {errno}"))]
    })?;
    let lab = open_lab(&scenarios)?;
    signals::forward(lab.interrupt_handle()).map_err(|error| vec![of_lab(&LabError::Thread(error))])?;
    for (_, scenario) in &scenarios {
        lab.rehearse(&scenario.cells)
            .map_err(|(cell, error)| vec![refusal::of(scenario, &scenario.cells[cell], &error)])?;
    }
    if lab.interrupt_handle().is_interrupted() {
        return Err(vec![Complaint::new(Exit::Interrupted, "interrupted before the first cell")]);
    }
    let circumstances = Circumstances::of(&lab, programs, owner);
    if !args.quiet && !args.json && lab.kernel_watch_error().is_some() {
        complain(format_args!("note: {}", circumstances.kernel_events));
    }
    let mut all_rows = match &args.csv {
        Some(path) => Some(create_csv(path, &scenarios, owner)?),
        None => None,
    };
    let mut reporter: Box<dyn Reporter> = if args.json {
        Box::new(json::Json::new(std::io::stdout()))
    } else {
        Box::new(terminal::Terminal::new(args.quiet))
    };

    let mut exit = Exit::Success;
    for (path, scenario) in &scenarios {
        let recorder = Recorder::begin(&args.results, scenario, path, &circumstances, all_rows.as_mut());
        let recorder = recorder.map_err(|error| vec![unwritten(&error)])?;
        let ended = run_scenario(&lab, scenario, recorder, &circumstances, reporter.as_mut())?;
        exit = exit.max(ended);
        if ended == Exit::Interrupted {
            break;
        }
    }
    Ok(reporter.end(exit))
}

fn load_all(args: &RunArgs) -> Result<Vec<(PathBuf, Scenario)>, Vec<Complaint>> {
    let mut scenarios = Vec::new();
    let mut complaints = Vec::new();
    for path in &args.files {
        match load::load(path, &args.change) {
            Ok(scenario) => scenarios.push((path.clone(), scenario)),
            Err(more) => complaints.extend(more),
        }
    }
    if complaints.is_empty() { Ok(scenarios) } else { Err(complaints) }
}

/// The programs that rules need, with their versions; a missing one is told before anything starts.
fn programs_of(scenarios: &[(PathBuf, Scenario)]) -> Result<BTreeMap<String, String>, Vec<Complaint>> {
    let mut versions = BTreeMap::new();
    let mut complaints = Vec::new();
    for (_, scenario) in scenarios {
        for (program, mut complaint) in load::programs(scenario) {
            match program.version() {
                Ok(version) => {
                    versions.insert(program.to_string(), version);
                }
                Err(missing) => {
                    complaint.message = format!("{}, and {}", complaint.message, missing.why);
                    let package = program.package();
                    complaints.push(complaint.help(format!("apt-get install {package}")));
                }
            }
        }
    }
    if complaints.is_empty() { Ok(versions) } else { Err(complaints) }
}

fn open_lab(scenarios: &[(PathBuf, Scenario)]) -> Result<Lab, Vec<Complaint>> {
    let cells = scenarios.iter().flat_map(|(_, scenario)| &scenario.cells);
    let mut ports: Vec<u16> = cells.map(|cell| cell.experiment.port).collect();
    ports.sort_unstable();
    ports.dedup();
    Lab::open(&ports).map_err(|error| vec![of_lab(&error)])
}

/// Runs the cells of one scenario, showing and recording what happens.
fn run_scenario(
    lab: &Lab,
    scenario: &Scenario,
    mut recorder: Recorder<'_>,
    circumstances: &Circumstances,
    reporter: &mut dyn Reporter,
) -> Result<Exit, Vec<Complaint>> {
    let began = Instant::now();
    let folder = recorder.path().to_owned();
    let kernel = &circumstances.kernel;
    reporter.tell(&News::RunStarted { scenario, folder: &folder, kernel });

    let run = lab.run(scenario.cells.clone()).map_err(|error| vec![of_lab(&error)])?;
    let watched = watch(&run, scenario, &mut recorder, kernel, reporter);
    let tally = watched.map_err(|error| {
        // Where the disk is full this fails too, and what failed first is the one to tell.
        let _ = recorder.end(RunState::Failed);
        vec![unwritten(&error)]
    })?;
    let (state, exit) = ending(tally, lab.interrupt_handle().is_interrupted());
    recorder.end(state).map_err(|error| vec![unwritten(&error)])?;
    reporter.tell(&News::RunEnded { scenario, folder: &folder, state, tally, took: began.elapsed() });
    Ok(exit)
}

/// Takes the events of a run until it is over, or until one could not be written down.
fn watch(
    run: &Run,
    scenario: &Scenario,
    recorder: &mut Recorder<'_>,
    kernel: &Kernel,
    reporter: &mut dyn Reporter,
) -> Result<Tally, FolderError> {
    let mut tally = Tally { cells: scenario.cells.len(), ..Tally::default() };
    loop {
        match run.next_within(SIGN_OF_LIFE) {
            Next::Nothing => reporter.tell(&News::Waiting),
            Next::Event(Event::Started { cell, .. }) => {
                let cell = &scenario.cells[cell];
                recorder.cell_started(cell)?;
                reporter.tell(&News::CellStarted { cell });
            }
            Next::Event(Event::Recorded { cell, record }) => {
                recorder.recorded(&record)?;
                reporter.tell(&News::Recorded { cell: &scenario.cells[cell], record: &record });
            }
            Next::Event(Event::Ended { cell, outcome }) => {
                let cell = &scenario.cells[cell];
                let rows = rows::of_cell(cell, &outcome, kernel);
                let expectations = cell.experiment.expect.iter();
                let missed: Vec<(End, Unmet)> = expectations
                    .filter_map(|(end, expectation)| Some((end, expectation.as_ref()?)))
                    .flat_map(|(end, expectation)| {
                        unmet(expectation, rows.get(end)).into_iter().map(move |unmet| (end, unmet))
                    })
                    .collect();
                recorder.cell_ended(&rows)?;
                tally.met += usize::from(missed.is_empty());
                tally.unmet += usize::from(!missed.is_empty());
                let took = outcome.stopped - outcome.started;
                reporter.tell(&News::CellEnded { cell, rows: &rows, unmet: &missed, took });
            }
            Next::Event(Event::Failed { cell, error }) => {
                let cell = &scenario.cells[cell];
                let complaint = refusal::of_cell(scenario, cell, &error);
                tally.failed += 1;
                reporter.tell(&News::CellFailed { cell, complaint: &complaint });
            }
            Next::Over => return Ok(tally),
        }
    }
}

/// How a run ended, told from its cells. Those that are missing were interrupted; if nobody did that,
/// the thread that ran them has panicked and said why.
fn ending(tally: Tally, is_interrupted: bool) -> (RunState, Exit) {
    let missing = tally.met + tally.unmet + tally.failed < tally.cells;
    if missing && is_interrupted {
        (RunState::Interrupted, Exit::Interrupted)
    } else if missing || tally.failed > 0 {
        (RunState::Failed, Exit::Failed)
    } else if tally.unmet > 0 {
        (RunState::Complete, Exit::Unmet)
    } else {
        (RunState::Complete, Exit::Success)
    }
}

/// One CSV for all scenarios; the swept keys of each are columns of all.
fn create_csv(
    path: &Path,
    scenarios: &[(PathBuf, Scenario)],
    owner: Owner,
) -> Result<CsvFile, Vec<Complaint>> {
    let mut swept = Vec::<String>::new();
    for key in scenarios.iter().flat_map(|(_, scenario)| &scenario.swept) {
        if !swept.contains(key) {
            swept.push(key.clone());
        }
    }
    CsvFile::create(path, &swept, owner).map_err(|error| vec![unwritten(&error.into())])
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

fn unwritten(error: &FolderError) -> Complaint {
    Complaint::new(Exit::Failed, error.to_string())
        .help("what ended before is kept; --results DIR and --csv PATH choose other places")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(met: usize, unmet: usize, failed: usize) -> Exit {
        ending(Tally { cells: 3, met, unmet, failed }, true).1
    }

    #[test]
    fn the_exit_code_tells_the_worst_of_what_happened() {
        assert_eq!(exit(3, 0, 0), Exit::Success);
        assert_eq!(exit(2, 1, 0), Exit::Unmet);
        assert_eq!(exit(1, 1, 1), Exit::Failed);
        assert_eq!(exit(1, 1, 0), Exit::Interrupted, "a cell is missing");
        let panicked = ending(Tally { cells: 3, met: 2, unmet: 0, failed: 0 }, false);
        assert_eq!(panicked, (RunState::Failed, Exit::Failed), "nobody interrupted it");
        assert!(
            Exit::Success < Exit::Unmet && Exit::Unmet < Exit::Failed,
            "of several runs the worst counts"
        );
    }
}
