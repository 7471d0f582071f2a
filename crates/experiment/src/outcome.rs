//! What a cell came to.

use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_endpoint::EndSummary;
use keepalive_lab_scenario::end::Ends;
use serde::{Deserialize, Serialize};

use crate::record::StopReason;

/// What one cell came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellOutcome {
    /// What each end came to.
    pub ends: Ends<EndOutcome>,
    /// When it began: its network stood, those of its wave too, and its phase had come.
    pub started: Monotonic,
    /// When it stopped.
    pub stopped: Monotonic,
    /// Why it stopped.
    pub because: StopReason,
    /// How far into a step of the kernel's timer wheel it was to begin, and did but for what the machine's
    /// load made it late; `None` where no phase was asked for. See [`crate::phase`].
    pub phase: Option<Duration>,
}

/// What one end came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndOutcome {
    /// What its program tells.
    pub summary: EndSummary,
    /// The moment from which the seconds of this end count; see [`origin`].
    pub origin: Monotonic,
    /// When the kernel decided on the error, where its tracepoints could be read.
    pub kernel_error: Option<Monotonic>,
    /// `net.ipv4.tcp_retries2` in force in this end's namespace.
    pub tcp_retries2: Option<u32>,
    /// Keepalive probes sent.
    pub keepalive_probes: Option<u64>,
    /// Segments sent again.
    pub retransmits: Option<u64>,
}

/// The moment from which an end's seconds count.
///
/// It is when the first fault was in force, or the client's `connect()` where a fault was in force
/// before it. Where there was no fault, or the end's error came before the first, it is `connect()` too.
pub fn origin(connect: Monotonic, first_fault: Option<Monotonic>, error: Option<Monotonic>) -> Monotonic {
    match first_fault {
        Some(fault) if error.is_none_or(|error| error >= fault) => fault.max(connect),
        _ => connect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_count_from_the_first_fault_that_was_in_force_while_there_was_a_connection() {
        let at = Monotonic::from_nanos;
        assert_eq!(origin(at(10), Some(at(15)), Some(at(20))), at(15));
        assert_eq!(origin(at(10), Some(at(15)), None), at(15));
        assert_eq!(origin(at(10), Some(at(5)), Some(at(20))), at(10), "a fault before connect()");
        assert_eq!(origin(at(10), None, Some(at(20))), at(10), "no fault at all");
        assert_eq!(origin(at(10), Some(at(15)), Some(at(12))), at(10), "an error before the fault");
    }
}
