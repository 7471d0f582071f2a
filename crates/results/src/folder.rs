//! The run folder: `RESULTS/SCENARIO/TIME-KERNEL/`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use crate::csv_file::{CsvError, CsvFile};
use crate::metadata::RunMetadata;
use crate::owner::Owner;
use crate::row::Row;

/// A run folder being written: `results.csv`, `run.json` and `cells/ID/events.jsonl`.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    owner: Owner,
    csv: CsvFile,
}

/// Why a run folder could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file or folder in it.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, such as `create`.
        doing: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its CSV.
    #[error(transparent)]
    Csv(#[from] CsvError),
}

impl FolderError {
    fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

impl RunFolder {
    /// Makes `root/scenario/TIME-KERNEL/` with an empty CSV in it. `TIME` is UTC to the second; a
    /// second run in the same second gets `-2` behind it.
    pub fn create(
        root: &Path,
        scenario: &str,
        started: SystemTime,
        kernel: &str,
        swept: &[String],
        owner: Owner,
    ) -> Result<Self, FolderError> {
        let parent = root.join(scenario);
        make_folders(&parent, owner)?;
        let stamp = humantime::format_rfc3339_seconds(started).to_string();
        let name = format!("{}-{kernel}", stamp.trim_end_matches('Z').replace(':', "-"));
        let path = make_fresh(&parent, &name, owner)?;
        let csv = CsvFile::create(&path.join("results.csv"), swept, owner)?;
        make_folders(&path.join("cells"), owner)?;
        Ok(Self { path, owner, csv })
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `run.json`, replacing an earlier one as a whole.
    pub fn write_metadata(&self, metadata: &RunMetadata) -> Result<(), FolderError> {
        let (draft, path) = (self.path.join(".run.json"), self.path.join("run.json"));
        let mut json = serde_json::to_vec_pretty(metadata).expect("plain values serialise");
        json.push(b'\n');
        fs::write(&draft, json).map_err(|error| {
            // Half a draft is of no use to anybody; the error of the write is the one to tell.
            let _ = fs::remove_file(&draft);
            FolderError::at("write", &draft)(error)
        })?;
        self.owner.give(&draft).map_err(FolderError::at("hand over", &draft))?;
        fs::rename(&draft, &path).map_err(FolderError::at("replace", &path))
    }

    /// Opens the event file of one cell, `cells/CELL/events.jsonl`.
    pub fn events(&self, cell: &str) -> Result<EventFile, FolderError> {
        let folder = self.path.join("cells").join(cell);
        make_folders(&folder, self.owner)?;
        let path = folder.join("events.jsonl");
        let file = File::create(&path).map_err(FolderError::at("create", &path))?;
        self.owner.give(&path).map_err(FolderError::at("hand over", &path))?;
        Ok(EventFile { path, out: BufWriter::new(file) })
    }

    /// Writes a text into the folder, replacing an earlier one.
    pub fn write(&self, name: &str, text: &str) -> Result<(), FolderError> {
        let path = self.path.join(name);
        fs::write(&path, text).map_err(FolderError::at("write", &path))?;
        self.owner.give(&path).map_err(FolderError::at("hand over", &path))
    }

    /// Appends the rows of one cell; see [`CsvFile::append`].
    pub fn append(&mut self, rows: &[Row]) -> Result<(), FolderError> {
        Ok(self.csv.append(rows)?)
    }
}

/// The events of one cell, one JSON object a line, in the order they are known.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    out: BufWriter<File>,
}

impl EventFile {
    /// Adds one line and hands it to the system, so that a killed run leaves all lines but the last
    /// one whole.
    pub fn append<T: Serialize>(&mut self, event: &T) -> Result<(), FolderError> {
        let mut line = serde_json::to_vec(event).expect("plain values serialise");
        line.push(b'\n');
        let written = self.out.write_all(&line).and_then(|()| self.out.flush());
        written.map_err(FolderError::at("write to", &self.path))
    }
}

/// Makes a folder and its missing parents; each new one belongs to `owner`.
fn make_folders(path: &Path, owner: Owner) -> Result<(), FolderError> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folders(parent, owner)?;
    }
    match fs::create_dir(path) {
        Ok(()) => owner.give(path).map_err(FolderError::at("hand over", path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(FolderError::at("create the folder", path)(error)),
    }
}

/// Makes `parent/name`, or `parent/name-2`.. where that is taken.
fn make_fresh(parent: &Path, name: &str, owner: Owner) -> Result<PathBuf, FolderError> {
    let mut attempt = 1;
    loop {
        let path = match attempt {
            1 => parent.join(name),
            n => parent.join(format!("{name}-{n}")),
        };
        match fs::create_dir(&path) {
            Ok(()) => {
                owner.give(&path).map_err(FolderError::at("hand over", &path))?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => attempt += 1,
            Err(error) => return Err(FolderError::at("create the folder", &path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::row::tests::a_row;

    fn create(root: &Path) -> RunFolder {
        let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_119_451);
        RunFolder::create(root, "test1", started, "6.18.44", &[], Owner::Caller).unwrap()
    }

    #[test]
    fn the_folder_is_named_by_time_and_kernel_and_never_reused() {
        let root = tempfile::tempdir().unwrap();
        let first = create(&root.path().join("results"));
        let second = create(&root.path().join("results"));
        let name = |folder: &RunFolder| folder.path().file_name().unwrap().to_owned();
        assert_eq!(name(&first), "2026-12-01T10-04-11-6.18.44");
        assert_eq!(name(&second), "2026-12-01T10-04-11-6.18.44-2");
    }

    #[test]
    fn rows_and_events_stand_in_the_folder_as_they_come() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = create(root.path());
        folder.append(&[a_row()]).unwrap();
        let csv = fs::read_to_string(folder.path().join("results.csv")).unwrap();
        assert_eq!(csv.lines().count(), 2);

        let mut events = folder.events("1").unwrap();
        events.append(&serde_json::json!({ "at": 1 })).unwrap();
        events.append(&serde_json::json!({ "at": 2 })).unwrap();
        let lines = fs::read_to_string(folder.path().join("cells/1/events.jsonl")).unwrap();
        assert_eq!(lines, "{\"at\":1}\n{\"at\":2}\n");
    }

    #[test]
    fn a_results_path_that_is_a_file_is_an_error_that_names_it() {
        let root = tempfile::tempdir().unwrap();
        let taken = root.path().join("results");
        fs::write(&taken, "").unwrap();
        let started = SystemTime::UNIX_EPOCH;
        let error = RunFolder::create(&taken, "test1", started, "6.18", &[], Owner::Caller).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("could not create the folder") && text.contains("results"), "{text}");
    }
}
