//! A run in words, for people: a line as each cell ends, a progress line while they wait, a table.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use keepalive_lab_results::metadata::RunState;
use keepalive_lab_results::{Clock, Row, Unmet};
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::end::{End, Ends};

use super::news::{News, Reporter, Run, Tally};
use super::progress::Progress;
use super::story::{happened, name_of};
use super::table::Digest;
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::output::{Output, complain};
use crate::span::{counted, measured, rough};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Shows runs on a terminal, or as plain lines where there is none.
pub(crate) struct Terminal {
    progress: Progress,
    /// Nothing but what went wrong.
    quiet: bool,
    /// Several kernels: each line names its own.
    names_kernels: bool,
    /// The runs that go on, by number.
    runs: BTreeMap<usize, Shown>,
    is_first: bool,
    all: Tally,
    began: Instant,
    output: Output,
}

/// What has been shown of one run.
#[derive(Default)]
struct Shown {
    begun: usize,
    digest: Digest,
}

impl Terminal {
    /// For a person who wants to see it all, or (`quiet`) only what went wrong; on so many kernels.
    pub(crate) fn new(quiet: bool, kernels: usize) -> Self {
        Self {
            progress: Progress::new(quiet),
            quiet,
            names_kernels: kernels > 1,
            runs: BTreeMap::new(),
            is_first: true,
            all: Tally::default(),
            began: Instant::now(),
            output: Output::default(),
        }
    }

    fn run_started(&mut self, run: &Run<'_>) {
        self.runs.insert(run.number, Shown::default());
        // Of several kernels the runs overlap: a heading would stand over the lines of others too.
        if self.quiet || self.names_kernels {
            return;
        }
        if !self.is_first {
            self.line("");
        }
        self.is_first = false;
        if let Some(title) = &run.scenario.title {
            self.line(format_args!("{}: {title}", run.scenario.name));
        }
    }

    fn cell_started(&mut self, run: &Run<'_>, cell: &Cell) {
        let shown = self.runs.entry(run.number).or_default();
        shown.begun += 1;
        self.progress.cell_started(run, cell, shown.begun);
    }

    fn cell_ended(
        &mut self,
        run: &Run<'_>,
        cell: &Cell,
        (rows, unmet): (&Ends<Row>, &[(End, Unmet)]),
        took: Duration,
    ) {
        self.progress.cell_ended(run, cell);
        self.runs.entry(run.number).or_default().digest.add(cell, rows);
        let line = format!("{}{}", self.prefix(run), cell_line(cell, rows, took));
        if !unmet.is_empty() {
            self.line(format_args!("{BAD}FAILED{BAD:#} {line}"));
            for (end, unmet) in unmet {
                self.line(format_args!("       {end}: {unmet}"));
            }
        } else if !self.quiet {
            self.line(format_args!("{GOOD}ok{GOOD:#}     {line}"));
        }
    }

    fn cell_failed(&mut self, run: &Run<'_>, cell: &Cell, complaint: &Complaint) {
        self.progress.cell_ended(run, cell);
        let prefix = self.prefix(run);
        self.progress.suspend(|| {
            complain(format_args!("{BAD}BROKEN{BAD:#} {prefix}{}", name_of(cell)));
            complain(complaint.render());
        });
    }

    fn run_ended(&mut self, run: &Run<'_>, (state, tally): (RunState, Tally), took: Took) {
        self.progress.run_ended(run);
        let shown = self.runs.remove(&run.number).unwrap_or_default();
        self.all.add(tally);
        if self.quiet || self.names_kernels {
            // Of several kernels the lines of the cells tell it all; a table each would bury them.
            return;
        }
        if let Some(table) = shown.digest.text() {
            self.line(format_args!("\n{table}\n"));
        }
        self.line(format_args!("{} · {}/", summary(state, tally, &took), run.folder.display()));
    }

    /// One line for all runs, where they had none of their own.
    fn sum_up(&mut self) {
        if self.names_kernels && !self.quiet && self.all.cells > 0 {
            let took = Took { real: self.began.elapsed(), simulated: None };
            let state = if self.all.missing() > 0 { RunState::Failed } else { RunState::Complete };
            self.line(format_args!("\n{}", summary(state, self.all, &took)));
        }
    }

    /// The kernel's name, where there are several.
    fn prefix(&self, run: &Run<'_>) -> String {
        if self.names_kernels { format!("{}  ", run.kernel.release) } else { String::new() }
    }

    fn line(&mut self, text: impl std::fmt::Display) {
        self.progress.suspend(|| self.output.line(text));
    }
}

impl Reporter for Terminal {
    fn tell(&mut self, run: &Run<'_>, news: &News<'_>) {
        match *news {
            News::RunStarted => self.run_started(run),
            News::CellStarted { cell } => self.cell_started(run, cell),
            News::Recorded { cell, record } => self.progress.recorded(run, cell, record),
            News::CellEnded { cell, rows, unmet, took } => self.cell_ended(run, cell, (rows, unmet), took),
            News::CellFailed { cell, complaint } => self.cell_failed(run, cell, complaint),
            News::RunEnded { state, tally, took, lived } => {
                let simulated = (run.clock == Clock::Virtual).then_some(lived);
                self.run_ended(run, (state, tally), Took { real: took, simulated });
            }
        }
    }

    fn waiting(&mut self) {
        self.progress.waiting();
    }

    fn step(&mut self, text: &str) {
        self.progress.step(text);
    }

    fn complain(&mut self, complaint: &Complaint) {
        self.progress.suspend(|| complain(complaint.render()));
    }

    fn end(mut self: Box<Self>, exit: Exit) -> Exit {
        self.progress.end();
        self.sum_up();
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

/// How long something took.
#[derive(Clone, Copy)]
struct Took {
    /// On the user's clock.
    real: Duration,
    /// On the clock of the run, where that is another.
    simulated: Option<Duration>,
}

impl std::fmt::Display for Took {
    /// `13 min 6 s`, or `1.32 s for 13 min 24 s of virtual time`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.simulated {
            Some(simulated) => {
                write!(f, "{} for {} of virtual time", measured(self.real.as_secs_f64()), rough(simulated))
            }
            None => f.write_str(&rough(self.real)),
        }
    }
}

/// `3 cells: 2 as expected, 1 not as expected in 13 min 6 s`
fn summary(state: RunState, tally: Tally, took: &Took) -> String {
    let Tally { cells, met, unmet, failed } = tally;
    let unfinished = tally.missing();
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
        RunState::Interrupted => format!("{what}; interrupted after {took}"),
        _ => format!("{what} in {took}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(state: RunState, cells: usize, met: usize, unmet: usize, failed: usize) -> String {
        let took = Took { real: Duration::from_secs(786), simulated: None };
        summary(state, Tally { cells, met, unmet, failed }, &took)
    }

    #[test]
    fn virtual_time_is_told_beside_the_time_that_it_took() {
        let took = Took { real: Duration::from_millis(1320), simulated: Some(Duration::from_secs(804)) };
        assert_eq!(took.to_string(), "1.32 s for 13 min 24 s of virtual time");
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
