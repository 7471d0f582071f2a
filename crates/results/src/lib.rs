//! The answer: one row for each end of each cell, the CSV they go to, and the run folder.
//!
//! Nothing here needs a kernel or privilege. Rows are plain values; [`csv_file::CsvFile`] and
//! [`folder::RunFolder`] write them so that what has ended is never lost and never half there.

pub mod compare;
pub mod csv_file;
pub mod expectation;
pub mod folder;
pub mod forecast;
pub mod metadata;
pub mod owner;
pub mod read;
pub mod record;
pub mod row;

pub use csv_file::{CsvError, CsvFile};
pub use expectation::{Unmet, unmet};
pub use folder::{FolderError, RunFolder};
pub use forecast::Forecast;
pub use metadata::RunMetadata;
pub use owner::Owner;
pub use read::{Flaw, ReadError, ResultFile};
pub use record::{Record, Settings};
pub use row::{COLUMNS, Clock, Row, Verdict};
