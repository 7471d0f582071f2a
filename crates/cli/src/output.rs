//! Standard output and standard error, whose reader may be gone.
//!
//! `println!` panics where it cannot write. A reader that went away (`| head`) has what it wanted; any
//! other failure of standard output (a full disk) is told once, at the end.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use crate::complaint::{Complaint, tell};
use crate::exit::Exit;

/// Lines for people on standard output; colours only where it is a terminal that wants them.
#[derive(Debug, Default)]
pub(crate) struct Output {
    lost: Option<io::Error>,
}

impl Output {
    /// Writes a line, or several.
    pub(crate) fn line(&mut self, text: impl Display) {
        self.note(writeln!(anstream::stdout(), "{text}"));
    }

    /// Takes note of what became of a write.
    pub(crate) fn note(&mut self, written: io::Result<()>) {
        if let Err(error) = written
            && error.kind() != ErrorKind::BrokenPipe
        {
            self.lost.get_or_insert(error);
        }
    }

    /// The exit code: `exit`, or where a line was lost, at least [`Exit::Failed`], after saying so.
    pub(crate) fn end(self, exit: Exit) -> Exit {
        self.complaint().map_or(exit, |complaint| exit.max(tell(&[complaint])))
    }

    fn complaint(&self) -> Option<Complaint> {
        let error = self.lost.as_ref()?;
        Some(Complaint::new(Exit::Failed, format!("could not write to standard output: {error}")))
    }
}

/// Prints a whole answer.
pub(crate) fn print(text: impl Display) -> Exit {
    let mut output = Output::default();
    output.line(text);
    output.end(Exit::Success)
}

/// Writes a line to standard error; where nobody reads it, there is nobody to tell.
pub(crate) fn complain(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(error: ErrorKind) -> Exit {
        let mut output = Output::default();
        output.note(Err(error.into()));
        output.note(Ok(()));
        output.complaint().map_or(Exit::Unmet, |complaint| complaint.exit)
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is() {
        assert_eq!(after(ErrorKind::BrokenPipe), Exit::Unmet);
        assert_eq!(after(ErrorKind::StorageFull), Exit::Failed);
    }
}
