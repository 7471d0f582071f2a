//! What a scenario expects of each end; with it a run can fail.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What one end should come to. What is `None` is not judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The name of the error, such as `ETIMEDOUT`.
    pub errno: Option<String>,
    /// The system call that told the application, such as `read`.
    pub syscall: Option<String>,
    /// Bounds of `time_to_error_s`.
    pub within: Option<Within>,
    /// Bounds of `silent_s`: from the last data received to the error.
    pub silent_within: Option<Window>,
}

/// When an error is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Within {
    /// When theory says, on the kernel it runs on.
    Predicted,
    /// Within these bounds.
    #[serde(untagged)]
    Bounds(Window),
}

/// Bounds, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Not earlier than this.
    pub min: Duration,
    /// Not later than this.
    pub max: Duration,
}

/// How the life of one end ended, or did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A system call failed with an error.
    Error,
    /// In order: FIN received, or closed by this end.
    Closed,
    /// Still connected when the cell stopped.
    Alive,
    /// Never connected, and no error: nobody came, or the application gave up.
    Unconnected,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Error, Self::Closed, Self::Alive, Self::Unconnected];

    /// The word used in scenario files and in the CSV.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Closed => "closed",
            Self::Alive => "alive",
            Self::Unconnected => "unconnected",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
