//! Every exit code of the program, with its meaning.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};

/// How the program ended, as seen by a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Exit {
    /// 0: all as expected.
    Success,
    /// 1: an expectation of a scenario was not met, or a comparison found a change.
    Unmet,
    /// 2: wrong arguments, a wrong scenario, or files that cannot be compared; nothing was started.
    Usage,
    /// 3: this machine lacks something that is needed; nothing was started.
    Lacking,
    /// 4: a cell could not be carried out, or its result could not be written.
    Failed,
    /// 130: interrupted by SIGINT or SIGTERM; what ended before is kept.
    Interrupted,
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Unmet => 1,
            Self::Usage => 2,
            Self::Lacking => 3,
            Self::Failed => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
