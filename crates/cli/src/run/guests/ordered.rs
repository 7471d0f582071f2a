//! One CSV for guests that run side by side: its rows stand in the order of the kernels, whoever is faster.

use keepalive_lab_results::{CsvError, CsvFile, Row};

/// Rows on their way into the CSV of all kernels. Those of a guest wait until all guests before it are over; until
/// then they are in its own run folder.
#[derive(Debug)]
pub(super) struct OrderedRows {
    csv: Option<CsvFile>,
    /// What waits, for each guest, cell by cell.
    held: Vec<Vec<[Row; 2]>>,
    is_over: Vec<bool>,
}

impl OrderedRows {
    /// Rows of so many guests, into this file, or into none.
    pub(super) fn new(csv: Option<CsvFile>, guests: usize) -> Self {
        Self { csv, held: vec![Vec::new(); guests], is_over: vec![false; guests] }
    }

    /// The rows of a cell of a guest.
    pub(super) fn add(&mut self, guest: usize, rows: [Row; 2]) -> Result<(), CsvError> {
        if self.csv.is_some() {
            self.held[guest].push(rows);
        }
        self.write()
    }

    /// A guest will send no more.
    pub(super) fn over(&mut self, guest: usize) -> Result<(), CsvError> {
        self.is_over[guest] = true;
        self.write()
    }

    fn write(&mut self) -> Result<(), CsvError> {
        let Some(csv) = &mut self.csv else { return Ok(()) };
        for (held, is_over) in self.held.iter_mut().zip(&self.is_over) {
            for rows in held.drain(..) {
                csv.append(&rows)?;
            }
            if !is_over {
                break;
            }
        }
        Ok(())
    }
}
