//! One row as read from a CSV: what comparing needs of it.

use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::expect::Outcome;

use crate::row::Clock;

/// One row of a CSV. Fields are those of [`crate::row::Row`]; an empty field is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The line it begins on, counted from 1.
    pub line: u64,
    /// The scenario's name.
    pub scenario: String,
    /// Swept parameters that have a value in this row, key and value as written, sorted by key.
    pub parameters: Vec<(String, String)>,
    /// Which repeat, counted from 1.
    pub repeat: u32,
    /// The end this row is about.
    pub endpoint: End,
    /// Kernel release.
    pub kernel: String,
    /// Ticks a second of that kernel, at least 1.
    pub hz: Option<u32>,
    /// Whether the seconds were lived through or simulated.
    pub clock: Clock,
    /// The options and sysctls that decide when the kernel gives up.
    pub settings: Settings,
    /// How it ended.
    pub outcome: Outcome,
    /// The name of the error; there where the outcome is `error`, and only there.
    pub errno: Option<String>,
    /// The system call that gave it.
    pub syscall: Option<String>,
    /// When the application was told; there where the outcome is `error`.
    pub time_to_error_s: Option<f64>,
    /// When the kernel decided.
    pub kernel_time_to_error_s: Option<f64>,
    /// From the last data received to the error.
    pub silent_s: Option<f64>,
    /// The kernel timer that fired, or that still stood.
    pub armed_timer: Option<String>,
    /// Keepalive probes sent.
    pub keepalive_probes: Option<u64>,
    /// Segments sent again.
    pub retransmits: Option<u64>,
    /// When in the period of the kernel's timer wheel the cell was started, in seconds.
    pub phase_s: Option<f64>,
}

/// Socket options read back, and the sysctl in force: the question that was put to the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// `TCP_KEEPIDLE` in seconds; `None` where keepalive is off, as for the next two.
    pub keepidle_s: Option<u32>,
    /// `TCP_KEEPINTVL` in seconds.
    pub keepintvl_s: Option<u32>,
    /// `TCP_KEEPCNT`.
    pub keepcnt: Option<u32>,
    /// `TCP_USER_TIMEOUT` in seconds; `None` where it is off.
    pub user_timeout_s: Option<f64>,
    /// `net.ipv4.tcp_retries2`.
    pub tcp_retries2: Option<u32>,
}

impl Record {
    /// What the end came to in a word: the errno, or where there is none, the outcome.
    pub fn fate(&self) -> &str {
        self.errno.as_deref().unwrap_or(self.outcome.name())
    }
}
