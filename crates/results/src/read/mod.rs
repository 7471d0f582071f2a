//! Reading a result CSV: whole and understood, or an error that says where it is not.
//!
//! Columns are found by name, in any order, so that files of older and newer versions and files that a
//! spreadsheet has saved again (with a byte order mark, or with CRLF) are read alike.

mod error;
mod field;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

use keepalive_lab_scenario::end::End;

pub use error::{Flaw, ReadError};
use field::Fields;

use crate::record::Record;
use crate::row::COLUMNS;

/// Columns of [`COLUMNS`] that files of version 0.1 may lack.
const OPTIONAL: [&str; 1] = ["phase_s"];

/// A result CSV that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultFile {
    /// Where it was read from.
    pub path: PathBuf,
    /// Its rows, at least one, in the order of the file. No two are about the same end of the same cell.
    pub records: Vec<Record>,
    /// Columns that this version does not know, in the order of the file; they were left out.
    pub unknown_columns: Vec<String>,
    /// Whether the last line has its line end. Where it has none, its last value may be cut.
    pub ends_whole: bool,
}

/// Reads a result CSV.
pub fn read(path: &Path) -> Result<ResultFile, ReadError> {
    let bytes = fs::read(path);
    let bytes = bytes.map_err(|error| ReadError { path: path.into(), line: None, flaw: Flaw::Io(error) })?;
    parse(path, &bytes).map_err(|(line, flaw)| ReadError { path: path.into(), line, flaw })
}

type At<T> = Result<T, (Option<u64>, Flaw)>;

/// Reads the bytes of a result CSV; `path` is only noted.
fn parse(path: &Path, bytes: &[u8]) -> At<ResultFile> {
    let text = text(bytes)?;
    if text.trim().is_empty() {
        return Err((None, Flaw::Empty));
    }
    let ends_whole = text.ends_with(['\n', '\r']);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let names = reader.headers().map_err(|error| (Some(1), Flaw::Csv(error)))?.clone();
    let header = Header::of(&names).map_err(|flaw| (Some(1), flaw))?;
    let mut records = Vec::new();
    let mut seen = HashMap::new();
    let mut row = csv::StringRecord::new();
    let mut lines = Lines { text: text.as_bytes(), at: 0, line: 1 };
    while reader.read_record(&mut row).map_err(|error| (None, Flaw::Csv(error)))? {
        let line = lines.of(row.position().map_or(0, csv::Position::byte));
        let (found, expected) = (row.len(), names.len());
        if found != expected {
            let is_last = reader.position().byte() >= text.len() as u64;
            let flaw = if is_last && !ends_whole && found < expected {
                Flaw::CutOff { found, expected }
            } else {
                Flaw::FieldCount { found, expected }
            };
            return Err((Some(line), flaw));
        }
        let fields = Fields { places: &header.places, text: &row };
        let record = fields.record(line, header.parameters(&row)).map_err(|flaw| (Some(line), flaw))?;
        match seen.entry(Identity::of(&record)) {
            Entry::Occupied(first) => return Err((Some(line), Flaw::Twice(*first.get()))),
            Entry::Vacant(place) => place.insert(line),
        };
        records.push(record);
    }
    if records.is_empty() {
        return Err((None, Flaw::NoRows));
    }
    Ok(ResultFile { path: path.to_owned(), records, unknown_columns: header.unknown, ends_whole })
}

fn text(bytes: &[u8]) -> At<&str> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err((None, Flaw::Utf16));
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let line_ends = line_ends(&bytes[..error.valid_up_to()]);
        (Some(line_ends + 1), Flaw::NotUtf8)
    })
}

fn line_ends(bytes: &[u8]) -> u64 {
    bytes.split(|&byte| byte == b'\n').skip(1).count() as u64
}

/// Lines counted on the way. (The CSV reader's own count is one short after CRLF, and it does not say whether
/// blank lines stand before a row.)
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the row that begins at this byte, or after the line ends there; bytes only grow.
    fn of(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX).min(self.text.len());
        let blank = self.text[byte..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = &self.text[self.at..byte + blank];
        self.line += line_ends(passed);
        self.at = byte + blank;
        self.line
    }
}

/// What stands where.
struct Header {
    places: HashMap<&'static str, usize>,
    swept: Vec<(String, usize)>,
    unknown: Vec<String>,
}

impl Header {
    fn of(names: &csv::StringRecord) -> Result<Self, Flaw> {
        let mut header = Self { places: HashMap::new(), swept: Vec::new(), unknown: Vec::new() };
        let mut seen = std::collections::HashSet::new();
        for (place, name) in names.iter().map(str::trim).enumerate() {
            if !seen.insert(name) {
                return Err(Flaw::ColumnTwice(name.to_owned()));
            }
            if let Some(column) = known(name) {
                header.places.insert(column, place);
            } else if name.contains('.') || is_table(name) {
                header.swept.push((name.to_owned(), place));
            } else {
                header.unknown.push(name.to_owned());
            }
        }
        header.swept.sort();
        if header.places.is_empty() {
            let first = names.get(0).unwrap_or_default();
            let other = [(';', "semicolons"), ('\t', "tabs")];
            let other = other.into_iter().find(|(character, _)| {
                names.len() == 1 && first.split(*character).any(|name| known(name.trim()).is_some())
            });
            return Err(other.map_or(Flaw::Foreign, |(_, name)| Flaw::Separator(name)));
        }
        let missing =
            COLUMNS.iter().find(|column| !OPTIONAL.contains(*column) && !header.places.contains_key(*column));
        missing.map_or(Ok(header), |column| Err(Flaw::MissingColumn(column)))
    }

    /// The swept parameters of a row; an empty field is a parameter of another scenario in the same file.
    fn parameters(&self, row: &csv::StringRecord) -> Vec<(String, String)> {
        let value = |place: &usize| row.get(*place).unwrap_or_default().trim().to_owned();
        let all = self.swept.iter().map(|(key, place)| (key.clone(), value(place)));
        all.filter(|(_, value)| !value.is_empty()).collect()
    }
}

fn known(name: &str) -> Option<&'static str> {
    COLUMNS.iter().chain(&OPTIONAL).find(|column| **column == name).copied()
}

/// Whether a scenario has a table or value of this name: a sweep may exchange all of it.
fn is_table(name: &str) -> bool {
    keepalive_lab_scenario::schema()["properties"].get(name).is_some()
}

/// What a row is about: no two rows of a file may be about the same.
#[derive(PartialEq, Eq, Hash)]
struct Identity {
    scenario: String,
    parameters: Vec<(String, String)>,
    repeat: u32,
    phase: Option<u64>,
    endpoint: End,
    kernel: String,
    clock: &'static str,
}

impl Identity {
    fn of(record: &Record) -> Self {
        Self {
            scenario: record.scenario.clone(),
            parameters: record.parameters.clone(),
            repeat: record.repeat,
            phase: record.phase_s.map(f64::to_bits),
            endpoint: record.endpoint,
            kernel: record.kernel.clone(),
            clock: record.clock.name(),
        }
    }
}

#[cfg(test)]
mod tests;
