//! The question an experiment answers: scenario files (TOML) into plain, checked values.
//!
//! [`cell::Cell`] is what the rest of the house works with: one combination of parameters, one pair
//! of ends, one schedule. It is a pure value: it can be printed, compared, serialised and run in
//! another kernel. Nothing here needs privilege, and the only I/O is reading the file.
//!
//! [`Scenario::load`] reads a file: the text becomes a tree of TOML values that know where they are
//! written, `--set` and `[sweep]` replace values in that tree, and each combination of it is read
//! and checked in full. So an error in a swept value points into `[sweep]`, and one in an override
//! at the argument.

pub mod cell;
pub mod end;
pub mod expect;
pub mod fault;
pub mod program;

mod check;
mod document;
mod error;
mod raw;
mod scenario;
mod set_option;
mod sweep;

pub use cell::Cell;
pub use document::key_path::{KeyPath, KeyPathError};
pub use document::source::Place;
pub use error::{Problem, ScenarioError};
pub use raw::schema::schema;
pub use scenario::Scenario;
pub use set_option::{Options, Override};
