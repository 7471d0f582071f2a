//! What goes into a guest, and what comes out of it.

use std::num::NonZeroUsize;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_experiment::outcome::CellOutcome;
use keepalive_lab_experiment::record::Record;
use keepalive_lab_scenario::cell::Cell;
use serde::{Deserialize, Serialize};

use crate::run::circumstances::Ground;
use crate::run::refusal::Refusal;

/// What a guest is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The ports that servers listen on.
    pub ports: Vec<u16>,
    /// The cells of each scenario.
    pub scenarios: Vec<Vec<Cell>>,
    /// How many cells may run at once.
    pub at_once: NonZeroUsize,
}

/// What a guest tells: one JSON line each. Cells and scenarios go by their places in the [`Job`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "tells", rename_all = "snake_case")]
pub(crate) enum Message {
    /// The lab is open.
    Ready(Ground),
    /// There is no lab in this kernel.
    Lacking {
        /// Why.
        reason: String,
    },
    /// A cell of a scenario was refused when it was tried; none of that scenario will run.
    Refused {
        /// The scenario.
        scenario: usize,
        /// The cell.
        cell: usize,
        /// What was refused.
        refusal: Refusal,
    },
    /// A scenario begins; what follows is of its cells.
    ScenarioStarted {
        /// The scenario.
        scenario: usize,
    },
    /// A cell begins.
    CellStarted {
        /// The cell.
        cell: usize,
    },
    /// Something happened in a cell.
    Recorded {
        /// The cell.
        cell: usize,
        /// What.
        record: Record,
    },
    /// A cell ended.
    CellEnded {
        /// The cell.
        cell: usize,
        /// What it came to.
        outcome: Box<CellOutcome>,
    },
    /// A cell could not be carried out.
    CellFailed {
        /// The cell.
        cell: usize,
        /// Why.
        refusal: Refusal,
    },
    /// All cells of the scenario have ended.
    ScenarioEnded,
    /// A sign of life.
    Alive {
        /// The guest's time.
        at: Monotonic,
    },
    /// All is done.
    Done,
}
