//! A run in words, for people: a line as each cell ends, a progress line while they wait, a table.

use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use keepalive_lab_results::metadata::RunState;
use keepalive_lab_results::{Row, Unmet};
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::end::{End, Ends};

use super::news::{News, Reporter, Tally};
use super::progress::Progress;
use super::story::{happened, name_of};
use super::table::Digest;
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::output::{Output, complain};
use crate::span::{counted, measured, rough};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Shows a run on a terminal, or as plain lines where there is none.
pub(crate) struct Terminal {
    progress: Progress,
    /// Nothing but what went wrong.
    quiet: bool,
    runs: usize,
    begun: usize,
    cells: usize,
    digest: Digest,
    output: Output,
}

impl Terminal {
    /// For a person who wants to see it all, or (`quiet`) only what went wrong.
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            progress: Progress::new(quiet),
            quiet,
            runs: 0,
            begun: 0,
            cells: 0,
            digest: Digest::default(),
            output: Output::default(),
        }
    }

    fn cell_ended(&mut self, cell: &Cell, rows: &Ends<Row>, unmet: &[(End, Unmet)], took: Duration) {
        self.progress.cell_ended();
        self.digest.add(cell, rows);
        let line = cell_line(cell, rows, took);
        if !unmet.is_empty() {
            self.output.line(format_args!("{BAD}FAILED{BAD:#} {line}"));
            for (end, unmet) in unmet {
                self.output.line(format_args!("       {end}: {unmet}"));
            }
        } else if !self.quiet {
            self.output.line(format_args!("{GOOD}ok{GOOD:#}     {line}"));
        }
    }

    fn cell_failed(&mut self, cell: &Cell, complaint: &Complaint) {
        self.progress.cell_ended();
        complain(format_args!("{BAD}BROKEN{BAD:#} {}", name_of(cell)));
        complain(complaint.render());
    }

    fn run_ended(&mut self, folder: &Path, state: RunState, tally: Tally, took: Duration) {
        self.progress.cell_ended();
        let digest = std::mem::take(&mut self.digest);
        if self.quiet {
            return;
        }
        if let Some(table) = digest.text() {
            self.output.line(format_args!("\n{table}\n"));
        }
        self.output.line(format_args!("{} · {}/", summary(state, tally, took), folder.display()));
    }
}

impl Reporter for Terminal {
    fn tell(&mut self, news: &News<'_>) {
        match *news {
            News::RunStarted { scenario, .. } => {
                (self.begun, self.cells) = (0, scenario.cells.len());
                self.runs += 1;
                if self.runs > 1 && !self.quiet {
                    self.output.line("");
                }
                if let (Some(title), false) = (&scenario.title, self.quiet) {
                    self.output.line(format_args!("{}: {title}", scenario.name));
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

    fn end(self: Box<Self>, exit: Exit) -> Exit {
        self.output.end(exit)
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

/// `3 cells: 2 as expected, 1 not as expected in 13 min 6 s`
fn summary(state: RunState, tally: Tally, took: Duration) -> String {
    let Tally { cells, met, unmet, failed } = tally;
    let unfinished = cells - met - unmet - failed;
    let what = if met == cells {
        format!("{} as expected", counted(cells, "cell"))
    } else {
        let parts = [
            (met, "as expected"),
            (unmet, "not as expected"),
            (failed, "not carried out"),
            (unfinished, "unfinished"),
        ];
        let parts = parts.iter().filter(|(number, _)| *number > 0);
        let parts: Vec<_> = parts.map(|(number, word)| format!("{number} {word}")).collect();
        format!("{}: {}", counted(cells, "cell"), parts.join(", "))
    };
    match state {
        RunState::Interrupted => format!("{what}; interrupted after {}", rough(took)),
        _ => format!("{what} in {}", rough(took)),
    }
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
            "5 cells: 3 as expected, 2 unfinished; interrupted after 13 min 6 s"
        );
        assert_eq!(
            words(RunState::Interrupted, 1, 0, 0, 0),
            "1 cell: 1 unfinished; interrupted after 13 min 6 s"
        );
    }
}
