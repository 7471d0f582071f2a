//! A CSV that grows by whole cells: after a crash or a full disk it holds whole rows only.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::owner::Owner;
use crate::row::{COLUMNS, Row};

/// A CSV file being written.
#[derive(Debug)]
pub struct CsvFile {
    path: PathBuf,
    file: File,
    swept: Vec<String>,
    /// Bytes known to be whole rows; `None` for pipes and devices, which cannot be cut back.
    whole: Option<u64>,
}

/// Why a CSV could not be written.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing} {}: {source}", path.display())]
pub struct CsvError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl CsvFile {
    /// Makes (or empties) the file and writes its header: [`COLUMNS`], then `swept`.
    pub fn create(path: &Path, swept: &[String], owner: Owner) -> Result<Self, CsvError> {
        let fail = |doing| {
            let path = path.to_owned();
            move |source| CsvError { doing, path, source }
        };
        let is_new = !path.exists();
        let file =
            OpenOptions::new().write(true).create(true).truncate(true).open(path).map_err(fail("create"))?;
        if is_new {
            owner.give(path).map_err(fail("hand over"))?;
        }
        let kind = file.metadata().map_err(fail("look at"))?.file_type();
        let can_be_cut = !(kind.is_fifo() || kind.is_char_device() || kind.is_socket());
        let mut csv =
            Self { path: path.to_owned(), file, swept: swept.to_vec(), whole: can_be_cut.then_some(0) };
        let header = COLUMNS.iter().copied().chain(swept.iter().map(String::as_str));
        csv.append_bytes(&encode(&[header.collect()]))?;
        Ok(csv)
    }

    /// Appends the rows of one cell and syncs them to the disk.
    ///
    /// They go out in one `write(2)`; if only a part of it fits (a full disk), that part is taken
    /// back, so the file always ends with a whole cell.
    pub fn append(&mut self, rows: &[Row]) -> Result<(), CsvError> {
        let records: Vec<_> = rows.iter().map(|row| row.fields(&self.swept)).collect();
        self.append_bytes(&encode(&records))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn append_bytes(&mut self, bytes: &[u8]) -> Result<(), CsvError> {
        let written = self.file.write_all(bytes).and_then(|()| match self.whole {
            Some(_) => self.file.sync_data(),
            None => self.file.flush(),
        });
        match (written, &mut self.whole) {
            (Ok(()), Some(whole)) => *whole += bytes.len() as u64,
            (Ok(()), None) => {}
            (Err(source), whole) => {
                if let Some(whole) = *whole {
                    // Cutting a file shorter needs no room; if even that fails, the write's own
                    // error is the one to tell.
                    let _ = self.file.set_len(whole);
                    let _ = io::Seek::seek(&mut self.file, io::SeekFrom::Start(whole));
                }
                return Err(CsvError { doing: "write to", path: self.path.clone(), source });
            }
        }
        Ok(())
    }
}

fn encode<T: AsRef<[u8]>>(records: &[Vec<T>]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in records {
        writer.write_record(record).expect("a Vec takes all, and every row has the header's length");
    }
    writer.into_inner().expect("a Vec takes all")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::a_row;

    fn read(path: &Path) -> Vec<csv::StringRecord> {
        let mut reader = csv::Reader::from_path(path).unwrap();
        reader.records().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn the_header_is_the_contract_and_swept_keys_follow() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        let swept = ["client.keepalive.idle".to_owned()];
        let mut csv = CsvFile::create(&path, &swept, Owner::Caller).unwrap();
        csv.append(&[a_row(), a_row()]).unwrap();
        insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap());
    }

    #[test]
    fn a_device_that_takes_nothing_is_an_error_that_names_it() {
        let error = CsvFile::create(Path::new("/dev/full"), &[], Owner::Caller).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("/dev/full") && text.contains("No space left"), "{text}");
    }

    #[test]
    fn values_with_commas_quotes_and_line_ends_survive() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        let swept = ["client.send".to_owned()];
        let mut csv = CsvFile::create(&path, &swept, Owner::Caller).unwrap();
        let mut row = a_row();
        let value = "{ once = \"a, \"\"b\"\"\nc\" }";
        row.parameters = vec![("client.send".into(), value.into())];
        csv.append(&[row]).unwrap();
        assert_eq!(&read(&path)[0][COLUMNS.len()], value);
    }
}
