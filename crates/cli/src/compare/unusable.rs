//! Files that cannot be compared, in words.

use std::io::ErrorKind;

use keepalive_lab_results::compare::CompareError;
use keepalive_lab_results::{Flaw, ReadError};

use crate::complaint::Complaint;
use crate::exit::Exit;

/// A file that is no whole result CSV.
pub(super) fn file(error: &ReadError) -> Complaint {
    let line = error.line.map(|line| format!(":{line}")).unwrap_or_default();
    let message = format!("{}{line} is not usable as a result", error.path.display());
    let complaint = Complaint::new(Exit::Usage, message).reason(error.flaw.to_string());
    let help = match &error.flaw {
        Flaw::Io(io) if io.kind() == ErrorKind::IsADirectory => {
            format!("the rows of a run folder are in {}", error.path.join("results.csv").display())
        }
        Flaw::CutOff { .. } => "without its last line it can be compared as far as it goes".into(),
        Flaw::Twice(_) => "compare two runs as two files".into(),
        Flaw::Separator(_) | Flaw::Utf16 | Flaw::NotUtf8 => {
            "take the file as keepalive-lab wrote it, or save it as CSV in UTF-8 with commas and decimal points".into()
        }
        Flaw::MissingColumn(_) => {
            "every version of keepalive-lab writes it: take the file as it was written".into()
        }
        _ => return complaint,
    };
    complaint.help(help)
}

/// Files that have nothing to be compared.
pub(super) fn comparison(error: &CompareError) -> Complaint {
    let complaint = Complaint::new(Exit::Usage, error.to_string());
    match error {
        CompareError::NoFile => complaint,
        CompareError::OneSide { .. } => {
            complaint.help("name a second file, or one of a run with --kernel twice")
        }
        CompareError::NothingInCommon { baseline, other, baseline_has, other_has } => complaint
            .reason(format!("{baseline} has {baseline_has}, {other} has {other_has}"))
            .help("cells match by scenario, swept parameters as written, and end"),
    }
}
