//! What a cell came to, as the two rows of the CSV.

use keepalive_lab_clock::Monotonic;
use keepalive_lab_experiment::outcome::{CellOutcome, EndOutcome};
use keepalive_lab_results::metadata::Kernel;
use keepalive_lab_results::{Clock, Row, Verdict};
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::end::{End, Ends};

/// The rows of one cell, the client's first.
pub(crate) fn of_cell(cell: &Cell, outcome: &CellOutcome, kernel: &Kernel, clock: Clock) -> Ends<Row> {
    let phase_s = outcome.phase.map(|offset| offset.as_secs_f64());
    Ends::from_fn(|end| Row { phase_s, clock, ..of_end(cell, end, outcome.ends.get(end), kernel) })
}

fn of_end(cell: &Cell, endpoint: End, outcome: &EndOutcome, kernel: &Kernel) -> Row {
    let summary = &outcome.summary;
    let error = summary.error.as_ref();
    let seconds = |at: Monotonic| at.seconds_from(outcome.origin);
    let keepalive = summary.keepalive.as_ref();
    let parameter = |parameter: &keepalive_lab_scenario::cell::Parameter| {
        (parameter.key.clone(), parameter.value.clone())
    };
    Row {
        scenario: cell.scenario.clone(),
        cell: cell.id.clone(),
        repeat: cell.repeat,
        endpoint,
        kernel: kernel.release.clone(),
        hz: kernel.hz,
        clock: Clock::Real,
        keepidle_s: keepalive.map(|timers| whole_seconds(timers.idle)),
        keepintvl_s: keepalive.map(|timers| whole_seconds(timers.interval)),
        keepcnt: keepalive.map(|timers| timers.count),
        user_timeout_s: summary.user_timeout.map(|timeout| timeout.as_secs_f64()),
        tcp_retries2: outcome.tcp_retries2,
        outcome: summary.outcome,
        errno: error.map(|error| error.errno.clone()),
        syscall: error.map(|error| error.syscall.to_string()),
        time_to_error_s: error.map(|error| seconds(error.at)),
        kernel_time_to_error_s: outcome.kernel_error.map(seconds),
        predicted_min_s: None,
        predicted_max_s: None,
        predicted_errno: None,
        verdict: Verdict::Unpredicted,
        silent_s: error.and_then(|error| {
            let silent_since = summary.last_received.or(summary.connected)?;
            Some(error.at.seconds_from(silent_since))
        }),
        armed_timer: summary.armed_timer().map(|timer| timer.to_string()),
        keepalive_probes: outcome.keepalive_probes,
        retransmits: outcome.retransmits,
        phase_s: None,
        parameters: cell.parameters.iter().map(parameter).collect(),
    }
}

/// Keepalive timers are whole seconds, up to 32767.
fn whole_seconds(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
