//! Running inside other kernels: a guest for each kernel, all their rows in one CSV.

mod attended;
pub(crate) mod inside;
mod job;
mod modules;
mod ordered;
mod plan;
pub(crate) mod trial;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use keepalive_lab_experiment::interrupt::Interrupt;
use keepalive_lab_results::{CsvFile, Owner};
use keepalive_lab_scenario::Scenario;

use self::attended::{Attended, Attention};
use self::ordered::OrderedRows;
use self::plan::Plan;
use super::news::Reporter;
use super::session::Audience;
use super::{SIGN_OF_LIFE, signals};
use crate::args::RunArgs;
use crate::complaint::Complaint;
use crate::exit::Exit;

/// How long one guest is listened to before it is the next one's turn, if it has nothing to say.
const TURN: Duration = Duration::from_millis(20);

/// Guests that are ready to be started.
pub(crate) struct Guests<'a> {
    args: &'a RunArgs,
    scenarios: &'a [(PathBuf, Scenario)],
    plans: Vec<Plan>,
    interrupt: Interrupt,
}

impl<'a> Guests<'a> {
    /// Finds QEMU and all kernels, and packs what the guests need. Nothing is started yet, so what is missing is told
    /// before anything runs.
    pub(crate) fn prepare(
        args: &'a RunArgs,
        scenarios: &'a [(PathBuf, Scenario)],
        programs: &BTreeMap<String, String>,
        owner: Owner,
        reporter: &mut dyn Reporter,
    ) -> Result<Self, Vec<Complaint>> {
        let interrupt = Interrupt::default();
        signals::forward(interrupt.clone()).map_err(|error| {
            vec![Complaint::new(Exit::Lacking, "could not start a thread").reason(error.to_string())]
        })?;
        let plans = plan::all(args, scenarios, programs, owner, reporter);
        if interrupt.is_interrupted() {
            return Err(vec![Complaint::new(Exit::Interrupted, "interrupted before the first cell")]);
        }
        let plans = plans.map_err(single)?;
        Ok(Self { args, scenarios, plans, interrupt })
    }

    /// Runs the guests, as many at once as there are processors, and takes what they tell.
    pub(crate) fn run(
        &self,
        all_rows: Option<CsvFile>,
        reporter: &mut dyn Reporter,
    ) -> Result<Exit, Vec<Complaint>> {
        let mut audience = Audience { root: &self.args.results, reporter };
        let mut all_rows = OrderedRows::new(all_rows, self.plans.len());
        let at_once = available_parallelism().map_or(1, usize::from);
        let mut waiting = self.plans.iter().enumerate();
        let mut attended: Vec<Attended<'_>> = Vec::new();
        let mut exit = Exit::Success;
        let mut quiet = Duration::ZERO;
        loop {
            while attended.len() < at_once && !self.interrupt.is_interrupted() {
                let Some((number, plan)) = waiting.next() else { break };
                match Attended::start(number, plan, self.scenarios, &self.interrupt, &mut audience) {
                    Ok(guest) => attended.push(guest),
                    // It was given up while it booted.
                    Err(_) if self.interrupt.is_interrupted() => {}
                    Err(complaint) => return Err(single(complaint)),
                }
            }
            if attended.is_empty() {
                return Ok(if self.interrupt.is_interrupted() { Exit::Interrupted } else { exit });
            }
            quiet += TURN;
            let mut index = 0;
            while index < attended.len() {
                if self.interrupt.is_interrupted() {
                    attended[index].interrupt();
                }
                let heard = attended[index].attend(TURN, &mut all_rows, &mut audience);
                let heard = heard.map_err(|complaint| {
                    attended.drain(..).for_each(Attended::abandon);
                    single(complaint)
                })?;
                match heard {
                    Attention::Over(ended) => {
                        exit = exit.max(ended);
                        attended.remove(index);
                    }
                    Attention::Heard => {
                        quiet = Duration::ZERO;
                        index += 1;
                    }
                    Attention::Silent => index += 1,
                }
            }
            if quiet >= SIGN_OF_LIFE {
                quiet = Duration::ZERO;
                audience.reporter.waiting();
            }
        }
    }
}

fn single(complaint: Complaint) -> Vec<Complaint> {
    vec![complaint]
}
