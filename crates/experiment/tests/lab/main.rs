//! Cells in real namespaces: several at once, and at their phases of the kernel's timer wheel. Where
//! this process lacks a power that a test needs, the test reports itself as ignored, with the reason.

mod phases;
mod waves;

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use keepalive_lab_evidence::KernelWatch;
use keepalive_lab_experiment::lab::{Event, Lab, Next};
use keepalive_lab_experiment::outcome::CellOutcome;
use keepalive_lab_netlab::userns;
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::{Options, Scenario};
use libtest_mimic::{Arguments, Completion, Trial};

/// A test: its name, a sentence, what it needs and what it does.
type Test = (&'static str, Needs, fn());

/// What a test needs beyond the power to make network namespaces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// `/proc/timer_list`, which tells where the timer wheel stands.
    TimerList,
    /// That, and the kernel's tracepoints.
    Tracepoints,
}

impl Needs {
    /// Why it cannot be had.
    fn refused(self) -> Option<String> {
        let timer_list = || match std::fs::read_to_string("/proc/timer_list") {
            Ok(list) if list.contains("\njiffies: ") => None,
            Ok(_) => Some("/proc/timer_list does not tell the count of ticks".to_owned()),
            Err(error) => Some(format!("/proc/timer_list: {error}")),
        };
        match self {
            Self::Nothing => None,
            Self::TimerList => timer_list(),
            Self::Tracepoints => timer_list()
                .or_else(|| KernelWatch::start(&[PORT], drop).err().map(|error| error.to_string())),
        }
    }
}

/// Where the servers listen.
const PORT: u16 = 7654;

/// Longer than any cell here lives.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    // Before anything starts a thread.
    let refusal = userns::acquire().err().map(|error| error.to_string());
    let mut arguments = Arguments::from_args();
    // The tests measure time: one at a time.
    arguments.test_threads = Some(1);
    let tests = [waves::TESTS, phases::TESTS].concat();
    let trials = tests.into_iter().map(|(name, needs, test)| {
        let refusal = refusal.clone();
        Trial::ignorable_test(name, move || {
            if let Some(reason) = refusal.or_else(|| needs.refused()) {
                return Ok(Completion::ignored_with(reason));
            }
            test();
            Ok(Completion::Completed)
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// The cells of a scenario.
fn cells(text: &str, options: &Options) -> Vec<Cell> {
    Scenario::parse("test", text, options).unwrap_or_else(|error| panic!("{error}")).cells
}

fn open_lab() -> Lab {
    Lab::open(&[PORT]).expect("main() made sure of the privilege")
}

/// Runs cells and returns all that was told, in its order.
fn run(lab: &Lab, cells: Vec<Cell>, at_once: usize) -> Vec<Event> {
    let at_once = NonZeroUsize::new(at_once).expect("at least one at once");
    let run = lab.run(cells, at_once).expect("a thread can be started");
    let mut events = Vec::new();
    loop {
        match run.next_within(PATIENCE) {
            Next::Event(event) => events.push(event),
            Next::Nothing => panic!("a cell does not end"),
            Next::Over => return events,
        }
    }
}

/// What the cells came to, in the order of the list. Panics if one could not be carried out.
fn outcomes(events: Vec<Event>) -> Vec<CellOutcome> {
    let mut outcomes: Vec<_> = events
        .into_iter()
        .filter_map(|event| match event {
            Event::Ended { cell, outcome } => Some((cell, *outcome)),
            Event::Failed { cell, error } => panic!("cell {cell}: {error}"),
            Event::Started { .. } | Event::Recorded { .. } => None,
        })
        .collect();
    outcomes.sort_by_key(|(cell, _)| *cell);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}
