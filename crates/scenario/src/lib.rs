//! The question an experiment answers: scenario files (TOML) into plain, checked values.
//!
//! [`cell::Cell`] is what the rest of the house works with: one combination of parameters, one pair
//! of ends, one schedule. It is a pure value: it can be printed, compared, serialised and run in
//! another kernel. Nothing here needs privilege, and the only I/O is reading the file.

pub mod cell;
pub mod end;
pub mod expect;
pub mod fault;
pub mod program;
