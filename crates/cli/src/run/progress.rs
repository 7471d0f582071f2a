//! What is shown while cells wait, so that thirteen minutes never look like a hang.
//!
//! On a terminal one line that moves, with the time left; elsewhere (CI logs, files) plain lines: what
//! happens, and each minute that nothing does.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use keepalive_lab_experiment::record::Record;
use keepalive_lab_scenario::cell::Cell;

use super::story::{milestone, name_of};
use crate::output::complain;
use crate::span::{measured, rough};

/// From one plain line to the next while nothing happens.
const PLAIN_LINE_EVERY: Duration = Duration::from_mins(1);

/// Shows the progress of the cell that runs.
pub(crate) struct Progress {
    form: Form,
    cell: Option<RunningCell>,
}

enum Form {
    Hidden,
    Lines,
    Bar,
}

struct RunningCell {
    started: Instant,
    limit: Duration,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Shown on standard error, or not at all.
    pub(crate) fn new(hidden: bool) -> Self {
        let form = match (hidden, std::io::stderr().is_terminal()) {
            (true, _) => Form::Hidden,
            (false, true) => Form::Bar,
            (false, false) => Form::Lines,
        };
        Self { form, cell: None }
    }

    /// A cell begins: number `number` of `cells`.
    pub(crate) fn cell_started(&mut self, cell: &Cell, number: usize, cells: usize) {
        let limit = cell.experiment.stop.limit;
        let title = format!("{} ({number}/{cells})", name_of(cell));
        let bar = match self.form {
            Form::Bar => Some(moving_line(&title, limit)),
            Form::Lines => {
                complain(format_args!("{title}: at most {}", rough(limit)));
                None
            }
            Form::Hidden => None,
        };
        let started = Instant::now();
        self.cell = Some(RunningCell { started, limit, last_line: started, bar });
    }

    /// Something happened in it.
    pub(crate) fn recorded(&mut self, record: &Record) {
        // Traffic is no news, but it must not keep the sign of life from being given.
        let Some(what) = milestone(record) else { return self.waiting() };
        let Some(cell) = &mut self.cell else { return };
        match (&self.form, &cell.bar) {
            (_, Some(bar)) => bar.set_message(what),
            (Form::Lines, None) => {
                complain(plain_line(cell.started.elapsed(), &what));
                cell.last_line = Instant::now();
            }
            _ => {}
        }
    }

    /// Nothing worth a line has happened: a sign of life is due once in a while.
    pub(crate) fn waiting(&mut self) {
        let Some(cell) = &mut self.cell else { return };
        if matches!(self.form, Form::Lines) && cell.last_line.elapsed() >= PLAIN_LINE_EVERY {
            let elapsed = cell.started.elapsed();
            let left = rough(cell.limit.saturating_sub(elapsed));
            complain(plain_line(elapsed, &format!("waiting, at most {left} left")));
            cell.last_line = Instant::now();
        }
    }

    /// It ended: the moving line goes.
    pub(crate) fn cell_ended(&mut self) {
        if let Some(RunningCell { bar: Some(bar), .. }) = self.cell.take() {
            bar.finish_and_clear();
        }
    }
}

/// `  742.9 s  client: ETIMEDOUT on read`
fn plain_line(elapsed: Duration, what: &str) -> String {
    format!("{:>10}  {what}", measured(elapsed.as_secs_f64()))
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
    fn the_moving_line_can_be_drawn() {
        let bar = moving_line("test1 (1/1)", Duration::from_mins(1));
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        bar.set_message("client connected");
        bar.tick();
        bar.finish_and_clear();
    }
}
