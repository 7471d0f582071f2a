//! Trying whether guests work here at all: a kept kernel is booted and runs one cell.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use keepalive_lab_kernels::CachedKernel;
use keepalive_lab_results::Owner;
use keepalive_lab_scenario::{Options, Scenario};
use keepalive_lab_vm::machine::console;
use keepalive_lab_vm::{Guest, MachineClock, Next};

use super::job::Message;
use super::plan;
use crate::args::{Cli, Command, RunArgs};
use crate::complaint::Complaint;
use crate::run::refusal::Refusal;
use crate::run::terminal::Terminal;
use crate::span::rough;

/// A connection that is made and closed.
const SCENARIO: &str = "[client]\nclose_at = \"100ms\"\n[server]\nclose_at = \"200ms\"\n";

/// Boots a kept kernel on this clock and has it run a cell; tells how long that took, or what went wrong.
///
/// Nothing is fetched, and nothing is saved.
pub(crate) fn boot(kernel: &CachedKernel, clock: MachineClock, limit: Duration) -> Result<Duration, String> {
    let began = Instant::now();
    let scenario = Scenario::parse("doctor", SCENARIO, &Options::default()).expect("this is a scenario");
    let scenarios = [(PathBuf::from("doctor.toml"), scenario)];
    let mut silent = Terminal::new(true, 1);
    let args = as_typed(kernel, clock)
        .ok_or_else(|| format!("{} cannot be typed as a kernel", kernel.image.display()))?;
    let plans = plan::all(&args, &scenarios, &BTreeMap::new(), Owner::of_this_process(), &mut silent);
    let plan = plans.map_err(in_one_line)?.remove(0);
    let mut guest = plan.boot(clock, &std::env::temp_dir()).map_err(in_one_line)?;
    let scenario = &scenarios[0].1;
    let refused = |refusal: Refusal| in_one_line(refusal.complaint(scenario, &scenario.cells[0]));
    let mut has_run = false;
    loop {
        let left = limit.saturating_sub(began.elapsed());
        let line = match guest.next(left).map_err(|error| error.to_string())? {
            Next::Line(line) => line,
            Next::Nothing => return Err(format!("it was not done after {}", rough(limit))),
            Next::Over => return Err(reason(&guest)),
        };
        match serde_json::from_str(&line).map_err(|error| format!("it sent what is no message: {error}"))? {
            Message::CellEnded { .. } => has_run = true,
            Message::Lacking { reason } => return Err(reason),
            Message::Refused { refusal, .. } | Message::CellFailed { refusal, .. } => {
                return Err(refused(refusal));
            }
            Message::Done if has_run => return Ok(began.elapsed()),
            Message::Done => return Err("it ran no cell".into()),
            _ => {}
        }
    }
}

/// What a user would type for it; the path of an image that is no text cannot be typed.
fn as_typed(kernel: &CachedKernel, clock: MachineClock) -> Option<RunArgs> {
    let clock = (clock == MachineClock::Virtual).then_some(OsStr::new("--virtual-time"));
    let words = ["keepalive-lab", "run", "doctor.toml", "--quiet", "--kernel"].map(OsStr::new).into_iter();
    let paths = [kernel.image.as_os_str(), OsStr::new("--modules"), kernel.folder.as_os_str()];
    match Cli::try_parse_from(words.chain(paths).chain(clock)).ok()?.command {
        Command::Run(args) => Some(args),
        _ => None,
    }
}

/// Why a guest ended, as well as can be told.
fn reason(guest: &Guest) -> String {
    let complaints = guest.complaints();
    let of_qemu = complaints.lines().find(|line| !line.trim().is_empty()).map(str::to_owned);
    console::reason(&guest.console()).or(of_qemu).unwrap_or_else(|| "it ended without a word".into())
}

fn in_one_line(complaint: Complaint) -> String {
    let reason = complaint.reason.map(|reason| format!(": {reason}"));
    complaint.message + &reason.unwrap_or_default()
}
