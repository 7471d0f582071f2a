//! The reference results are those of the scenarios as they are now.

use std::fs;
use std::path::PathBuf;

use keepalive_lab_results::COLUMNS;
use serde_json::Value;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_shipped_scenario_has_a_reference_result_of_its_present_text() {
    let mut scenarios = 0;
    for entry in fs::read_dir(repository().join("scenarios")).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let folder = repository().join("results/reference").join(&name);
        let metadata = fs::read(folder.join("run.json"))
            .unwrap_or_else(|error| panic!("{name}: {error} (scripts/reference {name} makes it)"));
        let metadata: Value = serde_json::from_slice(&metadata).expect("JSON");
        let text = fs::read_to_string(&path).expect("a text");
        assert_eq!(metadata["scenario"]["text"], text, "{name} has changed: scripts/reference {name}");
        assert_eq!(metadata["state"], "complete", "{name}");
        assert_eq!(metadata["kernel_events"], "recorded from tracepoints", "{name}");
        assert!(metadata["kernel"]["release"].is_string() && metadata["kernel"]["hz"].is_u64(), "{name}");

        let mut reader = csv::Reader::from_path(folder.join("results.csv")).expect("a CSV");
        assert_eq!(reader.headers().expect("a header"), &COLUMNS[..], "{name}");
        assert_eq!(
            reader.records().map(|row| row.expect("a row").len()).collect::<Vec<_>>(),
            [COLUMNS.len(); 2]
        );
        scenarios += 1;
    }
    assert!(scenarios >= 10, "{scenarios}");
}
