//! What happens in a run: the interface between running it and showing it.

use std::path::Path;
use std::time::Duration;

use keepalive_lab_experiment::record::Record;
use keepalive_lab_results::metadata::{Kernel, RunState};
use keepalive_lab_results::{Row, Unmet};
use keepalive_lab_scenario::Scenario;
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::end::{End, Ends};

use crate::complaint::Complaint;
use crate::exit::Exit;

/// Something to show.
#[derive(Debug)]
pub(crate) enum News<'a> {
    /// The run of one scenario begins.
    RunStarted {
        /// What is run.
        scenario: &'a Scenario,
        /// Where it is written down.
        folder: &'a Path,
        /// On what.
        kernel: &'a Kernel,
    },
    /// A cell begins.
    CellStarted {
        /// Which.
        cell: &'a Cell,
    },
    /// Something happened in a cell.
    Recorded {
        /// In which.
        cell: &'a Cell,
        /// What.
        record: &'a Record,
    },
    /// Nothing has happened for a while, and the run goes on.
    Waiting,
    /// A cell ended.
    CellEnded {
        /// Which.
        cell: &'a Cell,
        /// Its rows.
        rows: &'a Ends<Row>,
        /// The expectations it does not meet.
        unmet: &'a [(End, Unmet)],
        /// How long it took.
        took: Duration,
    },
    /// A cell could not be carried out.
    CellFailed {
        /// Which.
        cell: &'a Cell,
        /// Why.
        complaint: &'a Complaint,
    },
    /// The run of one scenario ended.
    RunEnded {
        /// What was run.
        scenario: &'a Scenario,
        /// Where it is written down.
        folder: &'a Path,
        /// How it ended.
        state: RunState,
        /// How many of its cells came to what.
        tally: Tally,
        /// How long it took.
        took: Duration,
    },
}

/// How many cells came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Cells of the scenario.
    pub cells: usize,
    /// Those that ended, and met their expectations or had none.
    pub met: usize,
    /// Those that ended and did not meet an expectation.
    pub unmet: usize,
    /// Those that could not be carried out.
    pub failed: usize,
}

/// Shows what happens, in one form or another.
pub(crate) trait Reporter {
    /// Takes one piece of news.
    fn tell(&mut self, news: &News<'_>);

    /// After the last: the exit code, or a worse one (and the reason told) where news could not be shown.
    fn end(self: Box<Self>, exit: Exit) -> Exit;
}
