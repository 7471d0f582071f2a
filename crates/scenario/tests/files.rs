//! Files that are no scenario.

use std::fs;
use std::path::{Path, PathBuf};

use keepalive_lab_scenario::{Options, Scenario, ScenarioError};
use tempfile::TempDir;

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("a temporary file");
    path
}

fn load(path: &Path) -> Result<Scenario, ScenarioError> {
    Scenario::load(path, &Options::default())
}

fn message(path: &Path) -> String {
    load(path).expect_err("no scenario").to_string()
}

#[test]
fn a_scenario_is_named_after_its_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write(&folder, "quick.test.toml", b"title = \"x\"\n");
    let scenario = load(&path).unwrap();
    assert_eq!((scenario.name.as_str(), scenario.cells[0].scenario.as_str()), ("quick.test", "quick.test"));
}

#[test]
fn a_missing_file_and_a_directory_are_told_apart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = folder.path().join("missing.toml");
    let told = message(&missing);
    assert_eq!(
        told,
        format!("could not read the scenario {}: No such file or directory (os error 2)", missing.display())
    );
    assert_eq!(
        message(folder.path()),
        format!("{} is a directory, not a scenario file", folder.path().display())
    );
}

#[test]
fn an_endless_file_is_refused_without_reading_it_all() {
    assert_eq!(message(Path::new("/dev/zero")), "/dev/zero is larger than 1 MiB: this is no scenario file");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut text = b"title = \"x\"\n".to_vec();
    text.resize(1024 * 1024, b'\n');
    assert!(load(&write(&folder, "fits.toml", &text)).is_ok());
    text.push(b'\n');
    assert!(
        message(&write(&folder, "huge.toml", &text)).ends_with("larger than 1 MiB: this is no scenario file")
    );
}

#[test]
fn a_file_that_is_no_text_shows_the_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write(&folder, "latin1.toml", b"title = \"x\"\n# caf\xe9\n[client]\n");
    assert_eq!(message(&path), format!("{}:2:6: this is not UTF-8 text", path.display()));
}

#[test]
fn an_empty_file_is_told_what_is_usual_in_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = write(&folder, "empty.toml", b"");
    let error = load(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}:1:1: this scenario is empty: there is nothing to do", path.display())
    );
    assert!(error.problems()[0].help.as_ref().unwrap().contains("[[fault]]"));
}

#[test]
fn a_name_that_would_leave_the_results_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["..toml", ".toml", ".hidden.toml"] {
        let path = write(&folder, name, b"[client]\n");
        assert_eq!(message(&path), format!("{} does not name a scenario file", path.display()));
    }
}
