//! A scenario file as a text and a tree of values that know where they are written.

pub(crate) mod file;
pub(crate) mod key_path;
pub(crate) mod source;
pub(crate) mod tree;
pub(crate) mod wording;
