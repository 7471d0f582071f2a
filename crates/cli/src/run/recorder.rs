//! Writing a run down as it goes.

use std::path::Path;
use std::time::SystemTime;

use keepalive_lab_experiment::record::Record;
use keepalive_lab_results::metadata::{RunMetadata, RunState, ScenarioText};
use keepalive_lab_results::{Clock, CsvFile, FolderError, Row, RunFolder, folder::EventFile};
use keepalive_lab_scenario::Scenario;
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::end::Ends;

use super::circumstances::Circumstances;

/// Writes the run folder of one scenario, and its rows to the CSV of the whole command too.
pub(crate) struct Recorder<'a> {
    folder: RunFolder,
    all_rows: Option<&'a mut CsvFile>,
    metadata: RunMetadata,
    events: Option<EventFile>,
}

impl<'a> Recorder<'a> {
    /// Makes the run folder of `scenario` under `root`.
    pub(crate) fn begin(
        root: &Path,
        scenario: &Scenario,
        path: &Path,
        circumstances: &Circumstances,
        all_rows: Option<&'a mut CsvFile>,
    ) -> Result<Self, FolderError> {
        let started = SystemTime::now();
        let Circumstances { kernel, kernel_events, programs, sysctls, owner } = circumstances.clone();
        let folder =
            RunFolder::create(root, &scenario.name, started, &kernel.release, &scenario.swept, owner)?;
        let metadata = RunMetadata {
            version: env!("CARGO_PKG_VERSION").into(),
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            started: rfc3339(started),
            ended: None,
            state: RunState::Running,
            kernel,
            clock: Clock::Real,
            kernel_events,
            programs,
            sysctls,
            scenario: ScenarioText {
                name: scenario.name.clone(),
                path: path.display().to_string(),
                text: scenario.source().to_owned(),
                overrides: overrides(scenario),
            },
            cells: scenario.cells.len(),
            cells_ended: 0,
        };
        folder.write_metadata(&metadata)?;
        Ok(Self { folder, all_rows, metadata, events: None })
    }

    /// Where the run folder is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A cell begins: its events go to a file of their own.
    pub(crate) fn cell_started(&mut self, cell: &Cell) -> Result<(), FolderError> {
        self.events = Some(self.folder.events(&cell.folder())?);
        Ok(())
    }

    /// Something happened in the cell.
    pub(crate) fn recorded(&mut self, record: &Record) -> Result<(), FolderError> {
        self.events.as_mut().map_or(Ok(()), |events| events.append(record))
    }

    /// The cell ended.
    pub(crate) fn cell_ended(&mut self, rows: &Ends<Row>) -> Result<(), FolderError> {
        let rows = [rows.client.clone(), rows.server.clone()];
        self.folder.append(&rows)?;
        if let Some(all_rows) = &mut self.all_rows {
            all_rows.append(&rows)?;
        }
        self.metadata.cells_ended += 1;
        Ok(())
    }

    /// The run ended, one way or another.
    pub(crate) fn end(&mut self, state: RunState) -> Result<(), FolderError> {
        self.metadata.state = state;
        self.metadata.ended = Some(rfc3339(SystemTime::now()));
        self.folder.write_metadata(&self.metadata)
    }
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

fn overrides(scenario: &Scenario) -> Vec<String> {
    let options = scenario.options();
    let set = options.overrides.iter().map(|set| format!("--set {set}"));
    set.chain(options.repeat.map(|repeat| format!("--repeat {repeat}"))).collect()
}
