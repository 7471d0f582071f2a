//! What happens in a run: the interface between running it and showing it.

use std::path::Path;
use std::time::Duration;

use keepalive_lab_experiment::record::Record;
use keepalive_lab_results::metadata::{Kernel, RunState};
use keepalive_lab_results::{Clock, Row, Unmet};
use keepalive_lab_scenario::Scenario;
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::end::{End, Ends};

use crate::complaint::Complaint;
use crate::exit::Exit;

/// One scenario on one kernel: what a piece of news is about. Several may go on at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a> {
    /// Its number in this command.
    pub number: usize,
    /// What is run.
    pub scenario: &'a Scenario,
    /// On what.
    pub kernel: &'a Kernel,
    /// On which clock.
    pub clock: Clock,
    /// Where it is written down.
    pub folder: &'a Path,
}

/// Something to show.
#[derive(Debug)]
pub(crate) enum News<'a> {
    /// The run begins.
    RunStarted,
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
    /// A cell ended.
    CellEnded {
        /// Which.
        cell: &'a Cell,
        /// Its rows.
        rows: &'a Ends<Row>,
        /// The expectations it does not meet.
        unmet: &'a [(End, Unmet)],
        /// How long it took, on the clock of its run.
        took: Duration,
    },
    /// A cell could not be carried out.
    CellFailed {
        /// Which.
        cell: &'a Cell,
        /// Why.
        complaint: &'a Complaint,
    },
    /// The run ended.
    RunEnded {
        /// How it ended.
        state: RunState,
        /// How many of its cells came to what.
        tally: Tally,
        /// How long it took, on the user's own clock.
        took: Duration,
        /// From the first cell's beginning to the last one's end, on the clock of the run.
        lived: Duration,
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

impl Tally {
    /// Adds those of another run.
    pub(crate) const fn add(&mut self, other: Self) {
        self.cells += other.cells;
        self.met += other.met;
        self.unmet += other.unmet;
        self.failed += other.failed;
    }

    /// Those of which nothing is known: interrupted, or lost.
    pub(crate) const fn missing(self) -> usize {
        self.cells - self.met - self.unmet - self.failed
    }
}

/// Shows what happens, in one form or another.
pub(crate) trait Reporter {
    /// Takes one piece of news of a run.
    fn tell(&mut self, run: &Run<'_>, news: &News<'_>);

    /// Nothing has happened for a while, and the runs go on.
    fn waiting(&mut self);

    /// A step on the way that is worth a line while people wait, such as a download.
    fn step(&mut self, text: &str);

    /// Something went wrong that is not of one cell; it is told at once.
    fn complain(&mut self, complaint: &Complaint);

    /// After the last: the exit code, or a worse one (and the reason told) where news could not be shown.
    fn end(self: Box<Self>, exit: Exit) -> Exit;
}
