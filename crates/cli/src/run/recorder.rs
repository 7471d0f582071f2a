//! Writing a run down as it goes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use keepalive_lab_experiment::record::Record;
use keepalive_lab_results::metadata::{RunMetadata, RunState, ScenarioText};
use keepalive_lab_results::{FolderError, Row, RunFolder, folder::EventFile};
use keepalive_lab_scenario::Scenario;
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::end::Ends;

use super::circumstances::Circumstances;

/// Writes the run folder of one scenario.
pub(crate) struct Recorder {
    folder: RunFolder,
    metadata: RunMetadata,
    /// The files of the cells that have begun and not ended, by the names of their folders.
    events: BTreeMap<String, EventFile>,
}

impl Recorder {
    /// Makes the run folder of `scenario` under `root`.
    pub(crate) fn begin(
        root: &Path,
        scenario: &Scenario,
        path: &Path,
        circumstances: &Circumstances,
    ) -> Result<Self, FolderError> {
        let started = SystemTime::now();
        let Circumstances { kernel, clock, machine, kernel_events, programs, sysctls, owner } =
            circumstances.clone();
        let folder =
            RunFolder::create(root, &scenario.name, started, &kernel.release, &scenario.swept, owner)?;
        let metadata = RunMetadata {
            version: env!("CARGO_PKG_VERSION").into(),
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            started: rfc3339(started),
            ended: None,
            state: RunState::Running,
            kernel,
            clock,
            machine,
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
        Ok(Self { folder, metadata, events: BTreeMap::new() })
    }

    /// Where the run folder is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A cell begins: its events go to a file of their own.
    pub(crate) fn cell_started(&mut self, cell: &Cell) -> Result<(), FolderError> {
        let name = cell.folder();
        let file = self.folder.events(&name)?;
        self.events.insert(name, file);
        Ok(())
    }

    /// Something happened in the cell.
    pub(crate) fn recorded(&mut self, cell: &Cell, record: &Record) -> Result<(), FolderError> {
        self.events.get_mut(&cell.folder()).map_or(Ok(()), |events| events.append(record))
    }

    /// The cell ended.
    pub(crate) fn cell_ended(&mut self, cell: &Cell, rows: &Ends<Row>) -> Result<(), FolderError> {
        self.folder.append(&[rows.client.clone(), rows.server.clone()])?;
        self.events.remove(&cell.folder());
        self.metadata.cells_ended += 1;
        Ok(())
    }

    /// The cells that have begun and not ended, by the names of their folders.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        self.events.keys().cloned().collect()
    }

    /// Keeps a text beside the results.
    pub(crate) fn attach(&self, name: &str, text: &str) -> Result<(), FolderError> {
        self.folder.write(name, text)
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
