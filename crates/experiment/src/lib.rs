//! One cell's life: build its network, connect its ends, break it on schedule, watch, undo.
//!
//! [`lab::Lab`] runs [`Cell`](keepalive_lab_scenario::cell::Cell)s and tells what happens as
//! [`lab::Event`]s; whoever takes them prints, stores or forwards them. Several threads share the work,
//! so that none waits for another: one builds networks ([`worker`]), one strikes at absolute moments
//! ([`timer_thread`]), and one for each cell drives its ends ([`wave`]).

pub mod breaker;
pub mod capacity;
pub mod cell_run;
pub mod interrupt;
pub mod kernel;
pub mod lab;
pub mod outcome;
pub mod phase;
pub mod record;
pub mod rehearsal;
pub mod router;
pub mod schedule;
pub mod stop;
pub mod timer_thread;
pub mod tools;
pub mod wave;
pub mod worker;
pub mod world;
