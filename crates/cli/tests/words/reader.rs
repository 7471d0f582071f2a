//! Where the words go: a reader that leaves early, a disk that is full.

use std::fs::OpenOptions;
use std::io::Read;
use std::process::Stdio;

use crate::asking::{Folder, text};

const GOOD: &str = "[client]\nkeepalive = {}\n";

/// Commands whose answer is longer than a pipe holds (64 KiB) where it can be.
const ANSWERS: [&[&str]; 5] = [
    &["plan", "x.toml", "--repeat", "5000", "--json"],
    &["plan", "x.toml"],
    &["check", "x.toml"],
    &["schema"],
    &["--help"],
];

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = Folder::with(GOOD);
    for arguments in ANSWERS {
        let mut command = folder.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        // `| head -c 1` of a long answer, `| true` of a short one.
        let mut out = child.stdout.take().expect("a pipe");
        if arguments.contains(&"--json") {
            out.read_exact(&mut [0]).expect("a byte");
        }
        drop(out);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn errors_that_nobody_reads_change_nothing_about_the_exit_code() {
    let folder = Folder::with("[clinet]\n");
    let mut child = folder.command(&["check", "x.toml"]).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(2));
}

#[test]
fn an_answer_that_could_not_be_written_is_a_failure() {
    let folder = Folder::with(GOOD);
    for arguments in &ANSWERS[..4] {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let output = folder.command(arguments).stdout(full).output().expect("it starts");
        let told = "error: could not write to standard output: No space left on device (os error 28)\n";
        assert_eq!(text(&output.stderr), told, "{arguments:?}");
        assert_eq!(output.status.code(), Some(4), "{arguments:?}");
    }
}
