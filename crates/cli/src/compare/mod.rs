//! `keepalive-lab compare`: what changed between results, and what only rounding moved.

mod json;
mod markdown;
mod table;
mod unusable;
mod words;

use keepalive_lab_results::ResultFile;
use keepalive_lab_results::compare::{Change, Comparison, Subject, compare as judge};

use crate::args::{CompareArgs, FailOn};
use crate::complaint::tell;
use crate::exit::Exit;
use crate::output::{Output, complain};

/// Compares result files and shows what changed.
pub(crate) fn compare(args: &CompareArgs) -> Exit {
    let mut files = Vec::new();
    let mut complaints = Vec::new();
    for path in &args.files {
        match keepalive_lab_results::read::read(path) {
            Ok(file) => files.push(file),
            Err(error) => complaints.push(unusable::file(&error)),
        }
    }
    if !complaints.is_empty() {
        return tell(&complaints);
    }
    for note in files.iter().flat_map(notes) {
        complain(format_args!("note: {note}"));
    }
    let comparison = match judge(&files) {
        Ok(comparison) => comparison,
        Err(error) => return tell(&[unusable::comparison(&error)]),
    };
    let mut output = Output::default();
    output.line(if args.json {
        json::text(&comparison)
    } else if args.markdown {
        markdown::text(&comparison, args.all)
    } else {
        table::text(&comparison, args.all)
    });
    output.end(if fails(&comparison, args.fail_on) { Exit::Unmet } else { Exit::Success })
}

/// What a reader should know of a file that was read.
fn notes(file: &ResultFile) -> Vec<String> {
    let path = file.path.display();
    let mut notes = Vec::new();
    if !file.unknown_columns.is_empty() {
        let columns = file.unknown_columns.join("`, `");
        notes.push(format!("{path}: not known to this version and left out: `{columns}`"));
    }
    if !file.ends_whole {
        notes.push(format!(
            "{path}: its last line has no line end; if the file was cut off, its last value is wrong"
        ));
    }
    notes
}

fn fails(comparison: &Comparison, on: FailOn) -> bool {
    let mut changed = comparison
        .others
        .iter()
        .flat_map(|other| &other.ends)
        .filter_map(|end| (end.judgement.change == Change::Changed).then_some(end.judgement.subject));
    match on {
        FailOn::Change => changed.next().is_some(),
        FailOn::Errno => changed.any(|subject| subject == Some(Subject::Result)),
        FailOn::Never => false,
    }
}
