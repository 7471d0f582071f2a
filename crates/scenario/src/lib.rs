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
mod check_end;
mod check_expect;
mod check_fault;
mod check_heal;
mod duration;
mod error;
mod file;
mod findings;
mod key_path;
mod raw;
mod raw_union;
mod raw_value;
mod scenario;
mod schema;
mod set_option;
mod source;
mod sweep;
mod tree;
mod wording;

pub use cell::Cell;
pub use error::{Problem, ScenarioError};
pub use key_path::{KeyPath, KeyPathError};
pub use scenario::Scenario;
pub use schema::schema;
pub use set_option::{Options, Override};
pub use source::Place;
