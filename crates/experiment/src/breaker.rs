//! What breaks and mends the network of one cell, at its moment.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_netlab::firewall::{
    Applied, Counter, Deleted, Firewall, FirewallError, PreparedRule, RuleId,
};
use keepalive_lab_netlab::{Bracket, Host, LinkError, LinkState, Pair};
use keepalive_lab_scenario::end::{End, Ends};
use keepalive_lab_scenario::fault::{self, Action, Fault, Heal};

use crate::record::{LabEvent, LabRecord};

/// The faults of one cell: prepared, in force, undone.
pub struct Breaker {
    pair: Arc<Pair>,
    firewalls: Ends<Firewall>,
    faults: Vec<Fault>,
    prepared: Vec<Option<PreparedRule>>,
    in_force: BTreeMap<usize, InForce>,
}

/// A fault that is in force, and what has to be done to undo it.
#[derive(Clone, Copy, Debug)]
struct InForce {
    on: End,
    undo: Undo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undo {
    Remove(RuleId),
    SetLink(fault::LinkState),
}

/// What was done about one entry of the schedule.
#[derive(Debug, Default)]
pub struct Report {
    /// What to write down, in the order it was done.
    pub records: Vec<LabRecord>,
    /// When a fault came into force by it; `None` for healing.
    pub broke: Option<Monotonic>,
    /// What failed; the rest was done all the same.
    pub failures: Vec<FaultError>,
}

/// A fault that could not be brought into force, or not be undone.
#[derive(Debug, thiserror::Error)]
#[error("fault `{fault}` on the {on}: {source}")]
pub struct FaultError {
    /// Its place in the scenario's list.
    pub index: usize,
    /// Its name.
    pub fault: String,
    /// The host.
    pub on: End,
    /// What the system said.
    #[source]
    pub source: FaultErrorKind,
}

/// What failed.
#[derive(Debug, thiserror::Error)]
pub enum FaultErrorKind {
    /// A firewall rule.
    #[error(transparent)]
    Firewall(#[from] FirewallError),
    /// The state of a link.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// When something was to be done, and between which moments it was.
#[derive(Clone, Copy)]
struct Moment {
    due: Option<Monotonic>,
    called: Monotonic,
    acknowledged: Monotonic,
}

impl Breaker {
    /// Takes charge of the network of one cell; `prepared` has a rule for each fault that is one.
    pub fn new(
        pair: Arc<Pair>,
        firewalls: Ends<Firewall>,
        faults: Vec<Fault>,
        prepared: Vec<Option<PreparedRule>>,
    ) -> Self {
        Self { pair, firewalls, faults, prepared, in_force: BTreeMap::new() }
    }

    /// Does what entry `index` of the schedule says. A rule comes into force once.
    pub fn carry_out(&mut self, index: usize, due: Option<Monotonic>) -> Report {
        let mut report = Report::default();
        match self.faults[index].action.clone() {
            Action::Rule { on, .. } => {
                if let Some(prepared) = self.prepared[index].take() {
                    match self.firewalls.get_mut(on).apply(prepared) {
                        Ok(applied) => self.note_applied(&mut report, index, on, due, applied),
                        Err(error) => report.failures.push(self.failure(index, on, error)),
                    }
                }
            }
            Action::Link { on, state } => match host(&self.pair, on).set_link(link_state(state)) {
                Ok(bracket) => {
                    let in_force = InForce { on, undo: Undo::SetLink(state.opposite()) };
                    self.note_in_force(&mut report, index, in_force, Moment::new(due, bracket));
                }
                Err(error) => report.failures.push(self.failure(index, on, error)),
            },
            Action::Heal(heal) => {
                for healed in self.to_heal(&heal) {
                    self.undo(&mut report, healed, index, due);
                }
            }
        }
        report
    }

    /// Reads the counters of the rules that are in force.
    pub fn count(&mut self) -> Report {
        let mut report = Report::default();
        for (index, InForce { on, undo }) in self.in_force.clone() {
            let Undo::Remove(rule) = undo else { continue };
            match self.firewalls.get_mut(on).counter(rule) {
                Ok(Some(Counter { packets, bytes })) => {
                    let fault = self.faults[index].name.clone();
                    let what = LabEvent::RuleCounted { fault, on, packets, bytes };
                    report.records.push(LabRecord { at: Monotonic::now(), what });
                }
                Ok(None) => {}
                Err(error) => report.failures.push(self.failure(index, on, error)),
            }
        }
        report
    }

    /// A line was applied: it added rules, or deleted those of earlier entries (`-D`).
    fn note_applied(
        &mut self,
        report: &mut Report,
        index: usize,
        on: End,
        due: Option<Monotonic>,
        applied: Applied,
    ) {
        let Applied { called, acknowledged, added, deleted } = applied;
        let moment = Moment { due, called, acknowledged };
        for Deleted { id, counter } in deleted {
            let is_it = |it: &InForce| it.on == on && it.undo == Undo::Remove(id);
            let earlier = self.in_force.iter().find(|(_, it)| is_it(it)).map(|(&earlier, _)| earlier);
            if let Some(earlier) = earlier {
                self.note_undone(report, earlier, index, moment, counter);
            }
        }
        if let Some(rule) = added {
            self.note_in_force(report, index, InForce { on, undo: Undo::Remove(rule) }, moment);
        }
    }

    /// The entries to undo, last first, as a person would.
    fn to_heal(&self, heal: &Heal) -> Vec<usize> {
        let is_meant = |index: &usize| match heal {
            Heal::All => true,
            Heal::Named(names) => names.contains(&self.faults[*index].name),
        };
        self.in_force.keys().rev().copied().filter(is_meant).collect()
    }

    fn undo(&mut self, report: &mut Report, index: usize, by: usize, due: Option<Monotonic>) {
        let Some(&InForce { on, undo }) = self.in_force.get(&index) else { return };
        match undo {
            Undo::Remove(rule) => match self.firewalls.get_mut(on).remove(rule) {
                Ok(removed) => {
                    let moment = Moment { due, called: removed.called, acknowledged: removed.acknowledged };
                    self.note_undone(report, index, by, moment, removed.counter);
                }
                Err(error) => report.failures.push(self.failure(index, on, error)),
            },
            Undo::SetLink(state) => match host(&self.pair, on).set_link(link_state(state)) {
                Ok(bracket) => self.note_undone(report, index, by, Moment::new(due, bracket), None),
                Err(error) => report.failures.push(self.failure(index, on, error)),
            },
        }
    }

    fn note_in_force(&mut self, report: &mut Report, index: usize, in_force: InForce, moment: Moment) {
        self.in_force.insert(index, in_force);
        report.broke = Some(moment.acknowledged);
        let Fault { name, action, .. } = &self.faults[index];
        let what = LabEvent::FaultInForce {
            fault: name.clone(),
            on: in_force.on,
            what: action.to_string(),
            due: moment.due,
            called: moment.called,
        };
        report.records.push(LabRecord { at: moment.acknowledged, what });
    }

    fn note_undone(
        &mut self,
        report: &mut Report,
        index: usize,
        by: usize,
        moment: Moment,
        counter: Option<Counter>,
    ) {
        let Some(InForce { on, .. }) = self.in_force.remove(&index) else { return };
        let what = LabEvent::FaultUndone {
            fault: self.faults[index].name.clone(),
            on,
            by: self.faults[by].name.clone(),
            due: moment.due,
            called: moment.called,
            packets: counter.map(|counter| counter.packets),
            bytes: counter.map(|counter| counter.bytes),
        };
        report.records.push(LabRecord { at: moment.acknowledged, what });
    }

    fn failure(&self, index: usize, on: End, source: impl Into<FaultErrorKind>) -> FaultError {
        FaultError { index, fault: self.faults[index].name.clone(), on, source: source.into() }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("faults", &self.faults)
            .field("in_force", &self.in_force)
            .finish_non_exhaustive()
    }
}

impl Moment {
    const fn new(due: Option<Monotonic>, bracket: Bracket) -> Self {
        Self { due, called: bracket.called, acknowledged: bracket.acknowledged }
    }
}

/// One host of a pair.
pub fn host(pair: &Pair, end: End) -> &Host {
    match end {
        End::Client => &pair.client,
        End::Server => &pair.server,
    }
}

const fn link_state(state: fault::LinkState) -> LinkState {
    match state {
        fault::LinkState::Up => LinkState::Up,
        fault::LinkState::Down => LinkState::Down,
    }
}
