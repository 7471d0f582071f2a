//! One cell's life: build its network, connect its ends, break it on schedule, watch, undo.

pub mod schedule;
pub mod stop;
