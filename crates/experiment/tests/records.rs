//! `events.jsonl` can be read back: what a guest streams is what was said.

use std::fs;
use std::path::{Path, PathBuf};

use keepalive_lab_experiment::record::Record;

/// The events of the reference results: every kind of record a real run has told.
fn reference() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results/reference");
    let folders = |folder: PathBuf| {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let cells = folders(root).into_iter().flat_map(|run| folders(run.join("cells")));
    cells.map(|cell| cell.join("events.jsonl")).collect()
}

#[test]
fn every_line_of_the_reference_results_reads_back_and_is_written_the_same() {
    let files = reference();
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(!text.is_empty(), "{}", file.display());
        for line in text.lines() {
            let record: Record = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert_eq!(serde_json::to_string(&record).expect("plain values serialise"), line);
        }
    }
}
