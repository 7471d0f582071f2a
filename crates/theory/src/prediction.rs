//! What the theory says about one end.

use tcp_timers::{Death, Errno, Window};

/// What one end should come to, by the kernel's algorithm and the scenario's schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// A system call fails with an error.
    Error {
        /// When, on the scale of the rows: counted from the moment the first fault is in force, or from the
        /// client's `connect()` where a fault is in force before it, or where the error comes before any fault.
        after: Window,
        /// The error that the application is given.
        errno: Errno,
        /// How the kernel's own timers add up, where it was they that ended the connection; its times count from
        /// the beginning of the silence, of the flight or of the refusal, not on the rows' scale.
        death: Option<Box<Death>>,
        /// How it comes about, in sentences for people.
        why: String,
    },
    /// Still connected when the cell stops.
    Alive {
        /// Why nothing ends it.
        why: String,
    },
    /// Ends in order.
    Closed {
        /// By whom.
        why: String,
    },
    /// Never connected, and no error.
    Unconnected {
        /// Why nobody comes, or who gives up.
        why: String,
    },
    /// The theory has no answer.
    Unpredicted {
        /// What it does not know.
        because: String,
    },
}
