//! One scenario on one kernel while it runs: what happens is written down first, then shown.

use std::path::Path;
use std::time::{Duration, Instant};

use keepalive_lab_clock::Monotonic;
use keepalive_lab_experiment::outcome::CellOutcome;
use keepalive_lab_experiment::record::Record;
use keepalive_lab_results::metadata::RunState;
use keepalive_lab_results::{FolderError, Row, unmet};
use keepalive_lab_scenario::Scenario;
use keepalive_lab_scenario::end::{End, Ends};

use super::circumstances::Circumstances;
use super::news::{News, Reporter, Run, Tally};
use super::recorder::Recorder;
use super::{forecast, rows};
use crate::complaint::Complaint;
use crate::exit::Exit;

/// One scenario on one kernel.
pub(crate) struct Session<'a> {
    number: usize,
    scenario: &'a Scenario,
    circumstances: Circumstances,
    recorder: Recorder,
    tally: Tally,
    began: Instant,
    /// From the first cell's beginning to the last one's end, as far as they have ended.
    lived: Option<(Monotonic, Monotonic)>,
}

/// Where the run folders go and who is told.
pub(crate) struct Audience<'a> {
    /// The folder of all run folders.
    pub root: &'a Path,
    /// Who shows it.
    pub reporter: &'a mut dyn Reporter,
}

impl<'a> Session<'a> {
    /// Makes the run folder and tells that the run begins.
    pub(crate) fn begin(
        number: usize,
        path: &Path,
        scenario: &'a Scenario,
        circumstances: &Circumstances,
        audience: &mut Audience<'_>,
    ) -> Result<Self, FolderError> {
        let recorder = Recorder::begin(audience.root, scenario, path, circumstances)?;
        let tally = Tally { cells: scenario.cells.len(), ..Tally::default() };
        let circumstances = circumstances.clone();
        let session =
            Self { number, scenario, circumstances, recorder, tally, began: Instant::now(), lived: None };
        session.tell(audience, &News::RunStarted);
        Ok(session)
    }

    /// A cell begins.
    pub(crate) fn started(&mut self, cell: usize, audience: &mut Audience<'_>) -> Result<(), FolderError> {
        let cell = &self.scenario.cells[cell];
        self.recorder.cell_started(cell)?;
        self.tell(audience, &News::CellStarted { cell });
        Ok(())
    }

    /// Something happened in a cell.
    pub(crate) fn recorded(
        &mut self,
        cell: usize,
        record: &Record,
        audience: &mut Audience<'_>,
    ) -> Result<(), FolderError> {
        let cell = &self.scenario.cells[cell];
        self.recorder.recorded(cell, record)?;
        self.tell(audience, &News::Recorded { cell, record });
        Ok(())
    }

    /// A cell ended; gives its rows.
    pub(crate) fn ended(
        &mut self,
        cell: usize,
        outcome: &CellOutcome,
        audience: &mut Audience<'_>,
    ) -> Result<Ends<Row>, FolderError> {
        let cell = &self.scenario.cells[cell];
        let rows = rows::of_cell(cell, outcome, &self.circumstances.kernel, self.circumstances.clock);
        let forecasts = forecast::of_cell(cell, &self.circumstances);
        let rows = Ends {
            client: forecasts.client.put_into(rows.client),
            server: forecasts.server.put_into(rows.server),
        };
        let expectations = cell.experiment.expect.iter();
        let missed: Vec<(End, _)> = expectations
            .filter_map(|(end, expectation)| Some((end, expectation.as_ref()?)))
            .flat_map(|(end, expectation)| {
                unmet(expectation, rows.get(end)).into_iter().map(move |unmet| (end, unmet))
            })
            .collect();
        self.recorder.cell_ended(cell, &rows)?;
        self.tally.met += usize::from(missed.is_empty());
        self.tally.unmet += usize::from(!missed.is_empty());
        let took = outcome.stopped - outcome.started;
        let (first, last) = self.lived.unwrap_or((outcome.started, outcome.stopped));
        self.lived = Some((first.min(outcome.started), last.max(outcome.stopped)));
        self.tell(audience, &News::CellEnded { cell, rows: &rows, unmet: &missed, took });
        Ok(rows)
    }

    /// A cell could not be carried out.
    pub(crate) fn failed(&mut self, cell: usize, complaint: &Complaint, audience: &mut Audience<'_>) {
        self.tally.failed += 1;
        self.tell(audience, &News::CellFailed { cell: &self.scenario.cells[cell], complaint });
    }

    /// Keeps a text beside the results, such as the console's log of a guest.
    pub(crate) fn attach(&self, name: &str, text: &str) -> Result<(), FolderError> {
        self.recorder.attach(name, text)
    }

    /// What is run.
    pub(crate) const fn scenario(&self) -> &'a Scenario {
        self.scenario
    }

    /// Where the run folder is.
    pub(crate) fn folder(&self) -> &Path {
        self.recorder.path()
    }

    /// The cells that have begun and not ended, by the names of their folders.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        self.recorder.unfinished()
    }

    /// The run is over: writes how it ended and tells it.
    pub(crate) fn finish(
        mut self,
        is_interrupted: bool,
        audience: &mut Audience<'_>,
    ) -> Result<Exit, FolderError> {
        let (state, exit) = ending(self.tally, is_interrupted);
        self.recorder.end(state)?;
        let (tally, took) = (self.tally, self.began.elapsed());
        let lived = self.lived.map_or(Duration::ZERO, |(first, last)| last - first);
        self.tell(audience, &News::RunEnded { state, tally, took, lived });
        Ok(exit)
    }

    /// Something could not be written down: says so in `run.json`, if even that can be written.
    pub(crate) fn abandon(mut self) {
        // Where the disk is full this fails too, and what failed first is the one to tell.
        let _ = self.recorder.end(RunState::Failed);
    }

    fn tell(&self, audience: &mut Audience<'_>, news: &News<'_>) {
        let run = Run {
            number: self.number,
            scenario: self.scenario,
            kernel: &self.circumstances.kernel,
            clock: self.circumstances.clock,
            folder: self.recorder.path(),
        };
        audience.reporter.tell(&run, news);
    }
}

/// How a run ended, told from its cells. Those that are missing were interrupted; if nobody did that,
/// what ran them has died and said why.
fn ending(tally: Tally, is_interrupted: bool) -> (RunState, Exit) {
    let missing = tally.missing() > 0;
    if missing && is_interrupted {
        (RunState::Interrupted, Exit::Interrupted)
    } else if missing || tally.failed > 0 {
        (RunState::Failed, Exit::Failed)
    } else if tally.unmet > 0 {
        (RunState::Complete, Exit::Unmet)
    } else {
        (RunState::Complete, Exit::Success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(met: usize, unmet: usize, failed: usize) -> Exit {
        ending(Tally { cells: 3, met, unmet, failed }, true).1
    }

    #[test]
    fn the_exit_code_tells_the_worst_of_what_happened() {
        assert_eq!(exit(3, 0, 0), Exit::Success);
        assert_eq!(exit(2, 1, 0), Exit::Unmet);
        assert_eq!(exit(1, 1, 1), Exit::Failed);
        assert_eq!(exit(1, 1, 0), Exit::Interrupted, "a cell is missing");
        let panicked = ending(Tally { cells: 3, met: 2, unmet: 0, failed: 0 }, false);
        assert_eq!(panicked, (RunState::Failed, Exit::Failed), "nobody interrupted it");
        assert!(
            Exit::Success < Exit::Unmet && Exit::Unmet < Exit::Failed,
            "of several runs the worst counts"
        );
    }
}
