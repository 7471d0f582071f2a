//! One guest while it runs: what it tells is written down and shown, and its death is noticed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use keepalive_lab_experiment::interrupt::Interrupt;
use keepalive_lab_results::metadata::Kernel;
use keepalive_lab_results::{Clock, FolderError};
use keepalive_lab_scenario::Scenario;
use keepalive_lab_vm::machine::console;
use keepalive_lab_vm::{Accelerator, Guest, MachineClock, Next};

use super::job::Message;
use super::ordered::OrderedRows;
use super::plan::Plan;
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::run::circumstances::{Circumstances, Ground};
use crate::run::session::{Audience, Session};
use crate::run::unwritten;
use crate::span::rough;

/// How long a guest may take to its first word where `/dev/kvm` opens but may not work.
const PATIENCE_WITH_KVM: Duration = Duration::from_secs(15);

/// The file in the run folder that holds what the kernel said.
const CONSOLE: &str = "console.log";

/// One guest.
pub(super) struct Attended<'a> {
    number: usize,
    plan: &'a Plan,
    scenarios: &'a [(PathBuf, Scenario)],
    interrupt: &'a Interrupt,
    guest: Guest,
    clock: MachineClock,
    ground: Option<Ground>,
    session: Option<(usize, Session<'a>)>,
    last_sign: Instant,
    is_interrupted: bool,
    exit: Exit,
}

/// What came of listening to a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attention {
    /// It had something to say.
    Heard,
    /// It had nothing to say.
    Silent,
    /// It is over, with this exit code.
    Over(Exit),
}

impl<'a> Attended<'a> {
    /// Starts the guest.
    pub(super) fn start(
        number: usize,
        plan: &'a Plan,
        scenarios: &'a [(PathBuf, Scenario)],
        interrupt: &'a Interrupt,
        audience: &mut Audience<'_>,
    ) -> Result<Self, Complaint> {
        let guest = plan.start(plan.machine.clock, audience.root, interrupt, audience.reporter)?;
        Ok(Self {
            number,
            plan,
            scenarios,
            interrupt,
            guest,
            clock: plan.machine.clock,
            ground: None,
            session: None,
            last_sign: Instant::now(),
            is_interrupted: false,
            exit: Exit::Success,
        })
    }

    /// Ends it; what it has told is kept.
    pub(super) fn interrupt(&mut self) {
        self.is_interrupted = true;
        self.kill();
    }

    /// Something could not be written down: `run.json` says so, if even that can be written, and the guest ends.
    pub(super) fn abandon(mut self) {
        if let Some((_, session)) = self.session.take() {
            session.abandon();
        }
    }

    /// Takes all it has to say, and waits for it at most this long.
    pub(super) fn attend(
        &mut self,
        timeout: Duration,
        all_rows: &mut OrderedRows,
        audience: &mut Audience<'_>,
    ) -> Result<Attention, Complaint> {
        let mut attention = Attention::Silent;
        loop {
            let next = self.guest.next(if attention == Attention::Heard { Duration::ZERO } else { timeout });
            match next
                .map_err(|error| Complaint::new(Exit::Failed, format!("could not hear a guest: {error}")))?
            {
                Next::Line(line) => {
                    self.last_sign = Instant::now();
                    attention = Attention::Heard;
                    if self.hear(&line, all_rows, audience)? {
                        return self.over(all_rows, audience).map(Attention::Over);
                    }
                }
                Next::Nothing => {
                    let all = self.plan.patience;
                    let patience = if self.may_lack_kvm() { PATIENCE_WITH_KVM.min(all) } else { all };
                    if self.last_sign.elapsed() > patience {
                        self.kill();
                        if !self.try_without_kvm(audience)? {
                            let why = format!("it gave no sign of life for {}", rough(patience));
                            self.died(why, audience)?;
                            return self.over(all_rows, audience).map(Attention::Over);
                        }
                    }
                    return Ok(attention);
                }
                Next::Over => {
                    if self.is_interrupted {
                        self.exit = Exit::Interrupted;
                    } else if self.try_without_kvm(audience)? {
                        return Ok(Attention::Heard);
                    } else {
                        self.died(self.why(), audience)?;
                    }
                    return self.over(all_rows, audience).map(Attention::Over);
                }
            }
        }
    }

    /// Takes one line; says whether it was the last.
    fn hear(
        &mut self,
        line: &str,
        all_rows: &mut OrderedRows,
        audience: &mut Audience<'_>,
    ) -> Result<bool, Complaint> {
        let Ok(message) = serde_json::from_str(line) else {
            let line: String = line.chars().take(80).collect();
            self.kill();
            self.died(format!("it sent what is no message: {line:?}"), audience)?;
            return Ok(true);
        };
        match message {
            Message::Ready(ground) => self.ground = Some(ground),
            Message::Alive { .. } => {}
            Message::Lacking { reason } => {
                self.exit = self.exit.max(Exit::Lacking);
                let message = format!("the lab could not be opened in kernel {}", self.plan.kernel.release);
                audience.reporter.complain(&Complaint::new(Exit::Lacking, message).reason(reason));
                return Ok(true);
            }
            Message::Refused { scenario, cell, refusal } => {
                let scenario = &self.scenarios[scenario].1;
                let mut complaint = refusal.complaint(scenario, &scenario.cells[cell]);
                complaint.message = format!("kernel {}: {}", self.plan.kernel.release, complaint.message);
                self.exit = self.exit.max(complaint.exit);
                audience.reporter.complain(&complaint);
            }
            Message::ScenarioStarted { scenario } => self.begin(scenario, audience)?,
            Message::CellStarted { cell } => self.with_session(|session| session.started(cell, audience))?,
            Message::Recorded { cell, record } => {
                self.with_session(|session| session.recorded(cell, &record, audience))?;
            }
            Message::CellEnded { cell, outcome } => {
                let mut rows = None;
                self.with_session(|session| {
                    rows = Some(session.ended(cell, &outcome, audience)?);
                    Ok(())
                })?;
                if let Some(rows) = rows {
                    let written = all_rows.add(self.number, [rows.client, rows.server]);
                    written.map_err(|error| unwritten(&error.into()))?;
                }
            }
            Message::CellFailed { cell, refusal } => self.with_session(|session| {
                let scenario = session.scenario();
                session.failed(cell, &refusal.complaint(scenario, &scenario.cells[cell]), audience);
                Ok(())
            })?,
            Message::ScenarioEnded => self.end_session(audience)?,
            Message::Done => return Ok(true),
        }
        Ok(false)
    }

    fn begin(&mut self, scenario: usize, audience: &mut Audience<'_>) -> Result<(), Complaint> {
        let (path, text) = &self.scenarios[scenario];
        let number = self.number * self.scenarios.len() + scenario;
        let session = Session::begin(number, path, text, &self.circumstances(), audience);
        self.session = Some((scenario, session.map_err(|error| unwritten(&error))?));
        Ok(())
    }

    fn with_session(
        &mut self,
        work: impl FnOnce(&mut Session<'a>) -> Result<(), FolderError>,
    ) -> Result<(), Complaint> {
        match &mut self.session {
            Some((_, session)) => work(session).map_err(|error| unwritten(&error)),
            None => Ok(()),
        }
    }

    fn end_session(&mut self, audience: &mut Audience<'_>) -> Result<(), Complaint> {
        if let Some((_, session)) = self.session.take() {
            let kept = session.attach(CONSOLE, &self.guest.console());
            let ended = kept.and_then(|()| session.finish(self.is_interrupted, audience));
            self.exit = self.exit.max(ended.map_err(|error| unwritten(&error))?);
        }
        Ok(())
    }

    /// Tells of a guest that died, and of the cells it took along; the console's log is kept.
    fn died(&mut self, why: String, audience: &mut Audience<'_>) -> Result<(), Complaint> {
        if self.session.is_none() {
            // It died before its first scenario, or between two: the log needs a run folder all the same.
            self.begin(0, audience)?;
        }
        self.exit = self.exit.max(Exit::Failed);
        let Some((_, session)) = &self.session else { return Ok(()) };
        let lost = session.unfinished();
        let of = match lost.as_slice() {
            [] => "before its first cell".to_owned(),
            cells => format!("in {} {}", session.scenario().name, cells.join(", ")),
        };
        let message = format!("the guest with kernel {} died {of}", self.plan.kernel.release);
        let log = session.folder().join(CONSOLE);
        let more = if console::is_of_memory(&why) {
            format!("it had {} MiB of memory, --memory gives it more; ", self.plan.machine.memory_mib)
        } else {
            String::new()
        };
        let help = format!("{more}what ended before is kept; the kernel's messages are in {}", log.display());
        audience.reporter.complain(&Complaint::new(Exit::Failed, message).reason(why).help(help));
        Ok(())
    }

    /// Why it ended, as well as can be told.
    fn why(&self) -> String {
        let complaints = self.guest.complaints();
        let of_qemu = complaints.lines().find(|line| !line.trim().is_empty()).map(str::to_owned);
        let killed = || self.guest.ended_by().map(|signal| format!("QEMU was ended by {signal}"));
        let reason = console::reason(&self.guest.console()).or(of_qemu).or_else(killed);
        reason.unwrap_or_else(|| "it ended without a word".into())
    }

    fn over(&mut self, all_rows: &mut OrderedRows, audience: &mut Audience<'_>) -> Result<Exit, Complaint> {
        self.end_session(audience)?;
        self.kill();
        all_rows.over(self.number).map_err(|error| unwritten(&error.into()))?;
        Ok(self.exit)
    }

    fn may_lack_kvm(&self) -> bool {
        self.clock == MachineClock::Real(Accelerator::Kvm) && self.ground.is_none()
    }

    /// Starts it anew on the slower way if it never said a word on the faster one; says whether it did.
    fn try_without_kvm(&mut self, audience: &mut Audience<'_>) -> Result<bool, Complaint> {
        if !self.may_lack_kvm() || self.is_interrupted {
            return Ok(false);
        }
        self.clock = MachineClock::Real(Accelerator::Tcg);
        audience.reporter.step(&format!("{}: it does not boot with KVM here", self.plan.kernel.release));
        self.guest = self.plan.start(self.clock, audience.root, self.interrupt, audience.reporter)?;
        self.last_sign = Instant::now();
        Ok(true)
    }

    fn kill(&mut self) {
        // A process that cannot be killed is gone already.
        let _ = self.guest.kill();
    }

    /// What the guest has told of itself, or what is known of it from outside.
    fn circumstances(&self) -> Circumstances {
        let ground = self.ground.clone().unwrap_or_else(|| Ground {
            kernel: Kernel {
                release: self.plan.kernel.release.clone(),
                version: String::new(),
                machine: String::new(),
                hz: None,
            },
            kernel_events: "unknown: the guest died before it could tell".into(),
            sysctls: std::collections::BTreeMap::new(),
        });
        let Ground { kernel, kernel_events, sysctls } = ground;
        Circumstances {
            kernel,
            clock: match self.clock {
                MachineClock::Virtual => Clock::Virtual,
                MachineClock::Real(_) => Clock::Real,
            },
            machine: Some(self.plan.metadata(self.clock)),
            kernel_events,
            programs: self.plan.programs.clone(),
            sysctls,
            owner: self.plan.owner,
        }
    }
}
