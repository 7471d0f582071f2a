//! What is shown while cells wait, so that thirteen minutes never look like a hang.
//!
//! On a terminal one line that moves, with the time left; elsewhere (CI logs, files) plain lines: what
//! happens, and each minute that nothing does.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use keepalive_lab_experiment::record::Record;
use keepalive_lab_results::Clock;
use keepalive_lab_scenario::cell::Cell;

use super::news::Run;
use super::story::{milestone, name_of};
use crate::output::complain;
use crate::span::{counted, measured, rough};

/// From one plain line to the next while nothing happens.
const PLAIN_LINE_EVERY: Duration = Duration::from_mins(1);

/// Shows the progress of the cells that run.
pub(crate) struct Progress {
    form: Form,
    cells: Vec<RunningCell>,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Hidden,
    Lines,
    Bar,
}

struct RunningCell {
    run: usize,
    folder: String,
    started: Instant,
    limit: Duration,
}

impl Progress {
    /// Shown on standard error, or not at all.
    pub(crate) fn new(hidden: bool) -> Self {
        let form = match (hidden, std::io::stderr().is_terminal()) {
            (true, _) => Form::Hidden,
            (false, true) => Form::Bar,
            (false, false) => Form::Lines,
        };
        Self { form, cells: Vec::new(), last_line: Instant::now(), bar: None }
    }

    /// A cell begins: the `number`th of its run.
    pub(crate) fn cell_started(&mut self, run: &Run<'_>, cell: &Cell, number: usize) {
        let limit = cell.experiment.stop.limit;
        let started = Instant::now();
        self.cells.push(RunningCell { run: run.number, folder: cell.folder(), started, limit });
        let title = format!("{} ({number}/{})", name_of(cell), run.scenario.cells.len());
        match (self.form, run.clock, self.cells.len()) {
            // In virtual time a cell ends before a line of its own is read.
            (Form::Hidden, ..) | (Form::Lines, Clock::Virtual, _) => {}
            (Form::Bar, Clock::Real, 1) => self.show(moving_line(&title, limit)),
            (Form::Bar, ..) => self.show_count(run),
            (Form::Lines, Clock::Real, _) => {
                complain(format_args!("{title}: at most {}", rough(limit)));
                self.last_line = started;
            }
        }
    }

    /// Something happened in it.
    pub(crate) fn recorded(&mut self, run: &Run<'_>, cell: &Cell, record: &Record) {
        if run.clock == Clock::Virtual {
            return;
        }
        // Traffic is no news, but it must not keep the sign of life from being given.
        let Some(what) = milestone(record) else { return self.waiting() };
        let Some(running) = self.place(run, cell).map(|place| &self.cells[place]) else { return };
        match (self.form, &self.bar) {
            (_, Some(bar)) => bar.set_message(what),
            (Form::Lines, None) => {
                complain(plain_line(running.started.elapsed(), &what));
                self.last_line = Instant::now();
            }
            _ => {}
        }
    }

    /// Nothing worth a line has happened: a sign of life is due once in a while.
    pub(crate) fn waiting(&mut self) {
        let Some(cell) = self.cells.first() else { return };
        if self.form == Form::Lines && self.last_line.elapsed() >= PLAIN_LINE_EVERY {
            let elapsed = cell.started.elapsed();
            let left = rough(cell.limit.saturating_sub(elapsed));
            complain(plain_line(elapsed, &format!("waiting, at most {left} left")));
            self.last_line = Instant::now();
        }
    }

    /// A cell ended.
    pub(crate) fn cell_ended(&mut self, run: &Run<'_>, cell: &Cell) {
        if let Some(place) = self.place(run, cell) {
            self.cells.remove(place);
        }
        if self.cells.is_empty() {
            self.clear();
        } else if self.form == Form::Bar {
            self.show_count(run);
        }
    }

    /// The cells of this run that have not ended never will.
    pub(crate) fn run_ended(&mut self, run: &Run<'_>) {
        self.cells.retain(|cell| cell.run != run.number);
        if self.cells.is_empty() {
            self.clear();
        }
    }

    /// A step before the first cell, such as a download.
    pub(crate) fn step(&mut self, text: &str) {
        match self.form {
            Form::Hidden => {}
            Form::Lines => complain(text),
            Form::Bar => self.show(spinner(text)),
        }
    }

    /// Lets something else be written: the moving line steps aside.
    pub(crate) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Takes the moving line away.
    pub(crate) fn end(&mut self) {
        self.clear();
    }

    fn place(&self, run: &Run<'_>, cell: &Cell) -> Option<usize> {
        let folder = cell.folder();
        self.cells.iter().position(|running| running.run == run.number && running.folder == folder)
    }

    /// Of several cells at once only their number is shown.
    fn show_count(&mut self, run: &Run<'_>) {
        let clock = match run.clock {
            Clock::Real => "",
            Clock::Virtual => " in virtual time",
        };
        let text = format!("{} running{clock}", counted(self.cells.len(), "cell"));
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => self.show(spinner(&text)),
        }
    }

    fn show(&mut self, bar: ProgressBar) {
        self.clear();
        self.bar = Some(bar);
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// `  742.9 s  client: ETIMEDOUT on read`
fn plain_line(elapsed: Duration, what: &str) -> String {
    format!("{:>10}  {what}", measured(elapsed.as_secs_f64()))
}

fn spinner(text: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {wide_msg}")
        .expect("the template is right: a unit test draws it");
    let bar = ProgressBar::new_spinner().with_style(style).with_message(text.to_owned());
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn moving_line(title: &str, limit: Duration) -> ProgressBar {
    let left = move |state: &ProgressState, out: &mut dyn Write| {
        // A terminal that went away has nothing to show it on.
        let _ = out.write_str(&rough(limit.saturating_sub(state.elapsed())));
    };
    let style =
        ProgressStyle::with_template("{spinner} {prefix}  {elapsed}, at most {left} left  {wide_msg}")
            .expect("the template is right: a unit test draws it")
            .with_key("left", left)
            .with_key("elapsed", |state: &ProgressState, out: &mut dyn Write| {
                let _ = out.write_str(&rough(state.elapsed()));
            });
    let bar = ProgressBar::new_spinner().with_style(style).with_prefix(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_are_aligned() {
        assert_eq!(plain_line(Duration::from_millis(7_594), "server closed"), "    7.59 s  server closed");
        assert_eq!(plain_line(Duration::from_millis(742_930), "server closed"), "   742.9 s  server closed");
    }

    #[test]
    fn the_moving_lines_can_be_drawn() {
        for bar in [moving_line("test1 (1/1)", Duration::from_mins(1)), spinner("starting")] {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
            bar.set_message("client connected");
            bar.tick();
            bar.finish_and_clear();
        }
    }
}
