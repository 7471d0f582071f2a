//! A run in words, for people: a line as each cell ends, a progress line while they wait, a table.

use std::path::Path;
use std::time::Duration;

use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};
use keepalive_lab_results::metadata::RunState;
use keepalive_lab_results::{Row, Unmet};
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::end::{End, Ends};

use super::news::{News, Reporter, Tally};
use super::progress::Progress;
use super::story::{happened, name_of};
use super::table::table;
use crate::complaint::Complaint;
use crate::span::{measured, rough};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Shows a run on a terminal, or as plain lines where there is none.
pub(crate) struct Terminal {
    progress: Progress,
    /// Nothing but what went wrong.
    quiet: bool,
    begun: usize,
    cells: usize,
    rows: Vec<(Cell, Ends<Row>)>,
}

impl Terminal {
    /// For a person who wants to see it all, or (`quiet`) only what went wrong.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { progress: Progress::new(quiet), quiet, begun: 0, cells: 0, rows: Vec::new() }
    }

    fn cell_ended(&mut self, cell: &Cell, rows: &Ends<Row>, unmet: &[(End, Unmet)], took: Duration) {
        self.progress.cell_ended();
        self.rows.push((cell.clone(), rows.clone()));
        let line = cell_line(cell, rows, took);
        if !unmet.is_empty() {
            eprintln!("{BAD}FAILED{BAD:#} {line}");
            for (end, unmet) in unmet {
                eprintln!("       {end}: {unmet}");
            }
        } else if !self.quiet {
            println!("{GOOD}ok{GOOD:#}     {line}");
        }
    }

    fn cell_failed(&mut self, cell: &Cell, complaint: &Complaint) {
        self.progress.cell_ended();
        eprintln!("{BAD}BROKEN{BAD:#} {}", name_of(cell));
        eprintln!("{}", complaint.render());
    }

    fn run_ended(&mut self, folder: &Path, state: RunState, tally: Tally, took: Duration) {
        self.progress.cell_ended();
        let rows = std::mem::take(&mut self.rows);
        if self.quiet {
            return;
        }
        if !rows.is_empty() {
            println!("\n{}\n", table(&rows));
        }
        println!("{} · {}", summary(state, tally, took), folder.display());
    }
}

impl Reporter for Terminal {
    fn tell(&mut self, news: &News<'_>) {
        match *news {
            News::RunStarted { scenario, .. } => {
                (self.begun, self.cells) = (0, scenario.cells.len());
                if let (Some(title), false) = (&scenario.title, self.quiet) {
                    println!("{}: {title}", scenario.name);
                }
            }
            News::CellStarted { cell } => {
                self.begun += 1;
                self.progress.cell_started(cell, self.begun, self.cells);
            }
            News::Recorded { record, .. } => self.progress.recorded(record),
            News::Waiting => self.progress.waiting(),
            News::CellEnded { cell, rows, unmet, took } => self.cell_ended(cell, rows, unmet, took),
            News::CellFailed { cell, complaint } => self.cell_failed(cell, complaint),
            News::RunEnded { folder, state, tally, took, .. } => self.run_ended(folder, state, tally, took),
        }
    }
}

/// `quick  client ETIMEDOUT on read 5.09 s · server ECONNRESET on read 7.22 s  (9 s)`
fn cell_line(cell: &Cell, rows: &Ends<Row>, took: Duration) -> String {
    let end = |row: &Row| match row.time_to_error_s {
        Some(seconds) => format!("{} {} {}", row.endpoint, happened(row), measured(seconds)),
        None => format!("{} {}", row.endpoint, happened(row)),
    };
    format!("{}  {} · {}  ({})", name_of(cell), end(&rows.client), end(&rows.server), rough(took))
}

/// `3 cells: 2 as expected, 1 not, in 13 min 6 s`
fn summary(state: RunState, tally: Tally, took: Duration) -> String {
    let cells = |number: usize| if number == 1 { "1 cell".into() } else { format!("{number} cells") };
    let what = match tally {
        Tally { unmet: 0, failed: 0, met, .. } => format!("{} as expected", cells(met)),
        Tally { cells: all, met, unmet, failed } => {
            let parts = [(met, "as expected"), (unmet, "not as expected"), (failed, "not carried out")];
            let parts = parts.iter().filter(|(number, _)| *number > 0);
            let parts: Vec<_> = parts.map(|(number, word)| format!("{number} {word}")).collect();
            format!("{}: {}", cells(all), parts.join(", "))
        }
    };
    let interrupted = match state {
        RunState::Interrupted => {
            format!("interrupted, {} not run; ", cells(tally.cells - tally.met - tally.unmet - tally.failed))
        }
        _ => String::new(),
    };
    format!("{interrupted}{what} in {}", rough(took))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(state: RunState, cells: usize, met: usize, unmet: usize, failed: usize) -> String {
        summary(state, Tally { cells, met, unmet, failed }, Duration::from_secs(786))
    }

    #[test]
    fn the_last_line_counts_what_became_of_the_cells() {
        assert_eq!(words(RunState::Complete, 1, 1, 0, 0), "1 cell as expected in 13 min 6 s");
        assert_eq!(
            words(RunState::Failed, 9, 6, 2, 1),
            "9 cells: 6 as expected, 2 not as expected, 1 not carried out in 13 min 6 s"
        );
        assert_eq!(
            words(RunState::Interrupted, 5, 3, 0, 0),
            "interrupted, 2 cells not run; 3 cells as expected in 13 min 6 s"
        );
    }
}
