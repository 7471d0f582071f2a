//! What each end of an experiment should come to, and why: pure, without a kernel.
//!
//! `tcp-timers` knows how long a kernel's timers take once it is said what they meet. This crate says that: from the
//! faults of one cell it derives what becomes of each kind of segment in each direction and when (`way`, `timeline`), from that
//! and from what the programs write, what each end meets (`fate`), and then plays the events of both ends in order
//! (`settle`): an end that dies sends a RST, which may arrive or not; it may set off a fault; and its host answers later
//! segments with a RST. Whatever is not certain gives [`Prediction::Unpredicted`] with the reason, never a guess.

mod connect;
mod fate;
mod fit;
mod idle;
mod prediction;
mod scene;
mod segment;
mod settle;
mod socket;
mod span;
mod stop;
mod timeline;
mod traffic;
mod way;

use std::collections::BTreeMap;

use keepalive_lab_scenario::cell::Experiment;
use keepalive_lab_scenario::end::Ends;
pub use prediction::Prediction;

/// What an experiment stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// The kernel of both ends.
    pub kernel: tcp_timers::Kernel,
    /// Sysctls of a new network namespace by name (`net.ipv4.tcp_retries2`), as far as they are known; Linux's own
    /// default stands for each that is missing.
    pub sysctls: BTreeMap<String, String>,
}

/// What each end should come to.
///
/// Windows hold for all phases of the kernel's timer wheel, and for some milliseconds that applications take.
pub fn predict(experiment: &Experiment, ground: &Ground) -> Ends<Prediction> {
    settle::settle(&scene::Scene::new(experiment, ground))
}
