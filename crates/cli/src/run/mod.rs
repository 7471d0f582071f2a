//! `keepalive-lab run`: scenarios in, rows and an exit code out.

mod circumstances;
mod forecast;
mod guests;
mod here;
mod json;
mod news;
mod progress;
mod recorder;
mod refusal;
mod rows;
mod session;
mod signals;
mod story;
mod table;
mod terminal;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use keepalive_lab_results::{CsvFile, FolderError, Owner};
use keepalive_lab_scenario::Scenario;

use self::guests::Guests;
pub(crate) use self::guests::{inside, trial};
use self::here::Here;
use self::news::Reporter;
use crate::args::{ChangeArgs, RunArgs};
use crate::complaint::{Complaint, tell};
use crate::exit::Exit;
use crate::load;

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
    signals::block().map_err(|errno| {
        vec![Complaint::new(Exit::Lacking, format!("could not block SIGINT and SIGTERM: {errno}"))]
    })?;
    let mut reporter: Box<dyn Reporter> = if args.json {
        Box::new(json::Json::new(std::io::stdout()))
    } else {
        Box::new(terminal::Terminal::new(args.quiet, args.vm.kernel.len().max(1)))
    };
    let exit = if args.vm.is_wanted() {
        let guests = Guests::prepare(args, &scenarios, &programs, owner, reporter.as_mut())?;
        let all_rows = create_csv(args, &scenarios, owner)?;
        guests.run(all_rows, reporter.as_mut())?
    } else {
        let here = Here::open(&scenarios, programs, owner)?;
        here.note_what_is_missing(args);
        let all_rows = create_csv(args, &scenarios, owner)?;
        here.run(args, &scenarios, all_rows, reporter.as_mut())?
    };
    Ok(reporter.end(exit))
}

fn load_all(args: &RunArgs) -> Result<Vec<(PathBuf, Scenario)>, Vec<Complaint>> {
    let mut scenarios = Vec::new();
    let mut complaints = Vec::new();
    // In virtual time every cell begins at a known phase of the timer wheel: the same cell then gives the same
    // seconds alone and among others, and on kernels whose boot takes more or less time.
    let phases = args.change.phases.or(args.vm.virtual_time.then_some(1));
    let change = ChangeArgs { phases, ..args.change.clone() };
    for path in &args.files {
        match load::load(path, &change) {
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

/// The ports that servers listen on, each once.
fn ports_of(scenarios: &[(PathBuf, Scenario)]) -> Vec<u16> {
    let cells = scenarios.iter().flat_map(|(_, scenario)| &scenario.cells);
    let mut ports: Vec<u16> = cells.map(|cell| cell.experiment.port).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// One CSV for all scenarios; the swept keys of each are columns of all.
fn create_csv(
    args: &RunArgs,
    scenarios: &[(PathBuf, Scenario)],
    owner: Owner,
) -> Result<Option<CsvFile>, Vec<Complaint>> {
    let Some(path) = &args.csv else { return Ok(None) };
    let mut swept = Vec::<String>::new();
    for key in scenarios.iter().flat_map(|(_, scenario)| &scenario.swept) {
        if !swept.contains(key) {
            swept.push(key.clone());
        }
    }
    CsvFile::create(path, &swept, owner).map(Some).map_err(|error| vec![unwritten(&error.into())])
}

fn unwritten(error: &FolderError) -> Complaint {
    Complaint::new(Exit::Failed, error.to_string())
        .help("what ended before is kept; --results DIR and --csv PATH choose other places")
}
