//! Why a CSV cannot be read as a result: where, what stands there, what was expected.

use std::io;
use std::path::PathBuf;

/// A file that is not a whole, readable result CSV.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {flaw}", path.display(), at(*line))]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1, where it is about one.
    pub line: Option<u64>,
    /// What is wrong with it.
    pub flaw: Flaw,
}

fn at(line: Option<u64>) -> String {
    line.map(|line| format!(":{line}")).unwrap_or_default()
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// The system could not read it.
    #[error("could not read it: {0}")]
    Io(#[source] io::Error),
    /// No byte, or only blank lines.
    #[error("the file is empty")]
    Empty,
    /// A header and nothing below it.
    #[error("it has a header and no rows: no cell of that run has ended")]
    NoRows,
    /// UTF-16, as some spreadsheets save "Unicode text".
    #[error("it is UTF-16 text; a result CSV is UTF-8")]
    Utf16,
    /// Bytes that are no UTF-8.
    #[error("it is not UTF-8 text")]
    NotUtf8,
    /// Columns separated by something else, as a spreadsheet of another language does.
    #[error("its columns are separated by {0}; a result CSV has commas between them")]
    Separator(&'static str),
    /// None of the contract's columns: another tool's file.
    #[error("it is not a result of keepalive-lab: its header has none of the columns such a file has")]
    Foreign,
    /// An older file, or one that was edited.
    #[error("its header lacks the column `{0}`")]
    MissingColumn(&'static str),
    /// The header names a column twice.
    #[error("its header has the column `{0}` twice")]
    ColumnTwice(String),
    /// A row with another number of fields than the header.
    #[error("this row has {found} fields, the header has {expected}")]
    FieldCount {
        /// Fields of the row.
        found: usize,
        /// Fields of the header.
        expected: usize,
    },
    /// The last line ends too early, and without a line end.
    #[error("the file is cut off: its last row has {found} of {expected} fields")]
    CutOff {
        /// Fields of the row.
        found: usize,
        /// Fields of the header.
        expected: usize,
    },
    /// A field that is not what its column holds.
    #[error("`{column}` is {}, expected {expected}", quoted(found))]
    Field {
        /// The column.
        column: &'static str,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: String,
    },
    /// Two rows about the same end of the same cell.
    #[error("this row is about the same cell, repeat and end as line {0}: two runs in one file?")]
    Twice(u64),
    /// The CSV reader itself gave up.
    #[error("{0}")]
    Csv(#[source] csv::Error),
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "empty".to_owned() } else { format!("`{text}`") }
}
