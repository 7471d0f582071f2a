//! One row: what one end of one cell came to.

use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::expect::Outcome;
use serde::Serialize;

/// The columns every CSV begins with, in this order. Swept parameters follow, a column each.
///
/// Other tools read these by name: none is ever renamed, new ones come after them.
pub const COLUMNS: [&str; 28] = [
    "scenario",
    "cell",
    "repeat",
    "endpoint",
    "kernel",
    "hz",
    "clock",
    "keepidle_s",
    "keepintvl_s",
    "keepcnt",
    "user_timeout_s",
    "tcp_retries2",
    "outcome",
    "errno",
    "syscall",
    "time_to_error_s",
    "time_to_etimedout_s",
    "time_to_econnreset_s",
    "kernel_time_to_error_s",
    "predicted_min_s",
    "predicted_max_s",
    "predicted_errno",
    "verdict",
    "silent_s",
    "armed_timer",
    "keepalive_probes",
    "retransmits",
    "phase_s",
];

/// What one end of one cell came to. Fields are documented where they differ from their column's
/// plain meaning; `None` is an empty field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The scenario's name.
    pub scenario: String,
    /// The combination of swept parameters, the same for all its repeats.
    pub cell: String,
    /// Which repeat, counted from 1.
    pub repeat: u32,
    /// The end this row is about.
    pub endpoint: End,
    /// Kernel release (`uname -r`).
    pub kernel: String,
    /// Ticks a second of that kernel.
    pub hz: Option<u32>,
    /// Whether the seconds were lived through or simulated.
    pub clock: Clock,
    /// `TCP_KEEPIDLE` read back from the socket; `None` where keepalive is off.
    pub keepidle_s: Option<u32>,
    /// `TCP_KEEPINTVL`, likewise.
    pub keepintvl_s: Option<u32>,
    /// `TCP_KEEPCNT`, likewise.
    pub keepcnt: Option<u32>,
    /// `TCP_USER_TIMEOUT` read back from the socket, in seconds; `None` where it is not set.
    pub user_timeout_s: Option<f64>,
    /// `net.ipv4.tcp_retries2` in force in this end's namespace.
    pub tcp_retries2: Option<u32>,
    /// How it ended.
    pub outcome: Outcome,
    /// The name of the error the application was given.
    pub errno: Option<String>,
    /// The system call that gave it.
    pub syscall: Option<String>,
    /// When the application was told, in seconds after the first fault was in force (or after the
    /// client's `connect()` where a fault was in force before it, or where there was none).
    pub time_to_error_s: Option<f64>,
    /// When the kernel decided, by its tracepoint, on the same scale.
    pub kernel_time_to_error_s: Option<f64>,
    /// The earliest moment theory allows.
    pub predicted_min_s: Option<f64>,
    /// The latest moment theory allows.
    pub predicted_max_s: Option<f64>,
    /// The error theory says.
    pub predicted_errno: Option<String>,
    /// What theory makes of the measurement.
    pub verdict: Verdict,
    /// From the last data received (or from the connection, where none ever came) to the error.
    pub silent_s: Option<f64>,
    /// The kernel timer that fired, or that still stood at the end.
    pub armed_timer: Option<String>,
    /// Keepalive probes this end sent.
    pub keepalive_probes: Option<u64>,
    /// Segments this end sent again.
    pub retransmits: Option<u64>,
    /// How far into a step of the kernel's timer wheel the cell began; `None` where no phase was asked for.
    pub phase_s: Option<f64>,
    /// Swept parameters: key and value as written.
    pub parameters: Vec<(String, String)>,
}

impl Row {
    /// The error's time if it was `errno`: the columns `time_to_etimedout_s`, `time_to_econnreset_s`.
    pub fn time_to(&self, errno: &str) -> Option<f64> {
        self.time_to_error_s.filter(|_| self.errno.as_deref() == Some(errno))
    }

    /// The fields in the order of [`COLUMNS`], then the value of each of `swept`.
    pub fn fields(&self, swept: &[String]) -> Vec<String> {
        let mut fields = vec![
            self.scenario.clone(),
            self.cell.clone(),
            self.repeat.to_string(),
            self.endpoint.to_string(),
            self.kernel.clone(),
            or_empty(self.hz),
            self.clock.name().to_owned(),
            or_empty(self.keepidle_s),
            or_empty(self.keepintvl_s),
            or_empty(self.keepcnt),
            or_empty(self.user_timeout_s),
            or_empty(self.tcp_retries2),
            self.outcome.to_string(),
            self.errno.clone().unwrap_or_default(),
            self.syscall.clone().unwrap_or_default(),
            seconds(self.time_to_error_s),
            seconds(self.time_to("ETIMEDOUT")),
            seconds(self.time_to("ECONNRESET")),
            seconds(self.kernel_time_to_error_s),
            seconds(self.predicted_min_s),
            seconds(self.predicted_max_s),
            self.predicted_errno.clone().unwrap_or_default(),
            self.verdict.name().to_owned(),
            seconds(self.silent_s),
            self.armed_timer.clone().unwrap_or_default(),
            or_empty(self.keepalive_probes),
            or_empty(self.retransmits),
            seconds(self.phase_s),
        ];
        fields.extend(swept.iter().map(|key| {
            let value = self.parameters.iter().find(|(name, _)| name == key);
            value.map(|(_, value)| value.clone()).unwrap_or_default()
        }));
        fields
    }
}

/// Which clock the seconds of a row were counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// The machine's own.
    Real,
    /// That of a virtual machine, which jumps to the next timer when nothing is to be done.
    Virtual,
}

impl Clock {
    /// Both clocks.
    pub const ALL: [Self; 2] = [Self::Real, Self::Virtual];

    /// The word in the CSV.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Virtual => "virtual",
        }
    }
}

/// What theory makes of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The error, and the moment, that theory says; or no error, as it says.
    AsPredicted,
    /// The error it says, before the earliest moment it allows.
    Early,
    /// The error it says, after the latest moment it allows.
    Late,
    /// Another error than it says.
    WrongErrno,
    /// No error, where it says one.
    UnexpectedLife,
    /// An end, where it says that the connection lives.
    UnexpectedDeath,
    /// There is no theory for this case.
    Unpredicted,
}

impl Verdict {
    /// The word in the CSV.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AsPredicted => "as-predicted",
            Self::Early => "early",
            Self::Late => "late",
            Self::WrongErrno => "wrong-errno",
            Self::UnexpectedLife => "unexpected-life",
            Self::UnexpectedDeath => "unexpected-death",
            Self::Unpredicted => "unpredicted",
        }
    }
}

fn or_empty<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Seconds to the microsecond: the resolution of the kernel's own stamps.
fn seconds(value: Option<f64>) -> String {
    value.map(|value| format!("{value:.6}")).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn a_row() -> Row {
        Row {
            scenario: "test1".into(),
            cell: "1".into(),
            repeat: 1,
            endpoint: End::Client,
            kernel: "6.18.44".into(),
            hz: Some(250),
            clock: Clock::Real,
            keepidle_s: Some(60),
            keepintvl_s: Some(75),
            keepcnt: Some(9),
            user_timeout_s: None,
            tcp_retries2: Some(15),
            outcome: Outcome::Error,
            errno: Some("ETIMEDOUT".into()),
            syscall: Some("read".into()),
            time_to_error_s: Some(742.931_236),
            kernel_time_to_error_s: Some(742.931),
            predicted_min_s: None,
            predicted_max_s: None,
            predicted_errno: None,
            verdict: Verdict::Unpredicted,
            silent_s: Some(743.2),
            armed_timer: Some("keepalive".into()),
            keepalive_probes: Some(9),
            retransmits: Some(0),
            phase_s: None,
            parameters: vec![("client.keepalive.idle".into(), "60s".into())],
        }
    }

    #[test]
    fn every_column_has_a_field_and_swept_keys_follow_in_their_order() {
        let swept = ["client.user_timeout".to_owned(), "client.keepalive.idle".to_owned()];
        let fields = a_row().fields(&swept);
        assert_eq!(fields.len(), COLUMNS.len() + 2);
        assert_eq!(fields[COLUMNS.len()], "", "a key this cell does not have is empty");
        assert_eq!(fields[COLUMNS.len() + 1], "60s");
    }

    #[test]
    fn the_time_stands_in_the_column_of_its_errno_only() {
        let mut row = a_row();
        let at = |row: &Row, column: &str| {
            row.fields(&[])[COLUMNS.iter().position(|name| *name == column).unwrap()].clone()
        };
        assert_eq!(at(&row, "time_to_etimedout_s"), "742.931236");
        assert_eq!(at(&row, "time_to_econnreset_s"), "");
        row.errno = Some("ECONNRESET".into());
        assert_eq!(at(&row, "time_to_etimedout_s"), "");
        assert_eq!(at(&row, "time_to_econnreset_s"), "742.931236");
        row.errno = Some("EPIPE".into());
        assert_eq!(at(&row, "time_to_etimedout_s") + &at(&row, "time_to_econnreset_s"), "");
        assert_eq!(at(&row, "time_to_error_s"), "742.931236");
    }
}
