//! The rules of one host.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use keepalive_lab_clock::Monotonic;
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::error::FirewallError;
use super::netlink::{Batch, Commits, Counter, Done, Netlink, Refusal, RulePlace, RuleState};
use super::plan::{PlannedLine, Route, Undo};
use super::program::{Program, Waiting};
use super::rule::{BaseChain, Operation, Rule, RuleOperation};
use crate::Namespace;

/// The firewall of one namespace: what was put in force through it, and how to take it away again.
///
/// All calls block: the netlink ones for tens of microseconds, those of a program for milliseconds.
/// Dropping it leaves the rules in force; they end with their namespace.
pub struct Firewall {
    namespace: Namespace,
    netlink: Netlink,
    commits: Commits,
    lock: OwnedFd,
    in_force: BTreeMap<RuleId, InForce>,
    next: u64,
}

/// What one line put in force; unique in its firewall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(u64);

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}", self.0)
    }
}

/// What one line put in force.
struct InForce {
    line: String,
    /// The rule, where it was translated: what `-D` compares with.
    rule: Option<Rule>,
    places: Vec<RulePlace>,
    /// How a program takes it back, where the kernel shows no rule.
    undo: Option<(Program, String)>,
}

/// A line made ready: all that takes time is done. Dropping it kills the program that waits.
pub struct PreparedRule {
    line: String,
    step: Step,
}

enum Step {
    Add { rule: Rule, batch: Batch },
    Delete { rule: Rule },
    Program { program: Program, waiting: Waiting, input: String, undo: Undo },
}

/// A line was applied. What it did took effect between `called` and `acknowledged`.
#[derive(Debug)]
pub struct Applied {
    /// Just before the system call, or before the program was fed.
    pub called: Monotonic,
    /// When the kernel had acknowledged it, or had told of what the program did (of iptables-legacy it
    /// does not: when the program had ended).
    pub acknowledged: Monotonic,
    /// What the line put in force; `None` for a line that only deletes.
    pub added: Option<RuleId>,
    /// Rules of this firewall that the line deleted (`-D`, `flush`).
    pub deleted: Vec<Deleted>,
}

/// A rule that a later line deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// The rule, no longer in force.
    pub id: RuleId,
    /// What it had counted; `None` where it has no counter.
    pub counter: Option<Counter>,
}

/// What a line put in force was taken away, between `called` and `acknowledged`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Just before the system call, or before the program was fed.
    pub called: Monotonic,
    /// When the kernel had acknowledged it, or had told of what the program did (of iptables-legacy it
    /// does not: when the program had ended).
    pub acknowledged: Monotonic,
    /// What its rules had counted; `None` where they have no counter, or where it can't be read
    /// (iptables-legacy).
    pub counter: Option<Counter>,
}

impl Firewall {
    /// The firewall of `namespace`. What is in force there already is left alone.
    pub fn open(namespace: &Namespace) -> Result<Self, FirewallError> {
        let (own, netlink, commits) =
            namespace.enter(|| (Namespace::current(), Netlink::open(), Commits::open()))?;
        let lock = memfd_create(c"xtables.lock", MFdFlags::MFD_CLOEXEC).map_err(FirewallError::Lock)?;
        let netlink = netlink.map_err(FirewallError::Open)?;
        let commits = commits.map_err(FirewallError::Open)?;
        Ok(Self { namespace: own?, netlink, commits, lock, in_force: BTreeMap::new(), next: 1 })
    }

    /// Does all for a line that can be done before its moment: makes its table and chain, builds the
    /// messages, or starts the program, which then waits.
    pub fn prepare(&mut self, line: &PlannedLine) -> Result<PreparedRule, FirewallError> {
        let step = match &line.route {
            Route::Netlink(RuleOperation { operation: Operation::Delete, rule, .. }) => {
                Step::Delete { rule: rule.clone() }
            }
            Route::Netlink(RuleOperation { operation, rule, .. }) => {
                self.make_chain(&rule.chain)?;
                let mut batch = self.netlink.batch(1);
                match operation {
                    Operation::Insert => batch.insert(rule),
                    _ => batch.append(rule),
                }
                Step::Add { rule: rule.clone(), batch: batch.close() }
            }
            Route::Program { program, input, undo, chain, .. } => {
                if let Some(chain) = chain {
                    self.make_chain(chain)?;
                }
                let waiting = self.start(*program)?;
                Step::Program { program: *program, waiting, input: input.clone(), undo: undo.clone() }
            }
        };
        Ok(PreparedRule { line: line.line.clone(), step })
    }

    fn make_chain(&mut self, chain: &BaseChain) -> Result<(), FirewallError> {
        let mut batch = self.netlink.batch(2);
        batch.make_chain(chain);
        let made = self.netlink.commit(&batch.close());
        made.map_err(refused(|| format!("make the chain {} {} {}", chain.family, chain.table, chain.name)))?;
        Ok(())
    }

    fn start(&self, program: Program) -> Result<Waiting, FirewallError> {
        let lock = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.lock.as_raw_fd()));
        Waiting::start(program, &self.namespace, &lock)
    }

    /// Applies a line, now.
    pub fn apply(&mut self, prepared: PreparedRule) -> Result<Applied, FirewallError> {
        let PreparedRule { line, step } = prepared;
        match step {
            Step::Add { rule, batch } => {
                let done = self.netlink.commit(&batch);
                let done = done.map_err(refused(|| format!("take the rule `{line}`")))?;
                let places = done.rules.into_iter().map(|state| state.place).collect();
                let added = self.remember(InForce { line, rule: Some(rule), places, undo: None });
                Ok(Applied {
                    called: done.called,
                    acknowledged: done.acknowledged,
                    added: Some(added),
                    deleted: Vec::new(),
                })
            }
            Step::Delete { rule } => self.delete_equal(&line, &rule),
            Step::Program { program, waiting, input, undo } => self.run(line, program, waiting, &input, undo),
        }
    }

    /// `-D`: deletes the first rule in its chain that is equal.
    fn delete_equal(&mut self, line: &str, rule: &Rule) -> Result<Applied, FirewallError> {
        let mut equal: Vec<RuleId> = self
            .in_force
            .iter()
            .filter(|(_, in_force)| in_force.rule.as_ref() == Some(rule))
            .map(|(id, _)| *id)
            .collect();
        if equal.len() > 1 {
            let order = self.order_in_chain(rule, &equal)?;
            equal.sort_by_key(|id| order.get(id).copied());
        }
        let Some(id) = equal.first().copied() else {
            return Err(FirewallError::NoSuchRule(line.to_owned()));
        };
        let removed = self.remove(id)?;
        let deleted = vec![Deleted { id, counter: removed.counter }];
        Ok(Applied { called: removed.called, acknowledged: removed.acknowledged, added: None, deleted })
    }

    /// The places in their chain of rules that are all equal.
    fn order_in_chain(
        &mut self,
        rule: &Rule,
        ids: &[RuleId],
    ) -> Result<BTreeMap<RuleId, usize>, FirewallError> {
        let place_of =
            |id: &RuleId| self.in_force.get(id).and_then(|in_force| in_force.places.first()).cloned();
        let places: Vec<(RuleId, Option<RulePlace>)> = ids.iter().map(|id| (*id, place_of(id))).collect();
        let chain = places.iter().find_map(|(_, place)| place.as_ref());
        let states = self.netlink.rules(chain);
        let states =
            states.map_err(refused(|| format!("tell the rules of the chain {}", rule.chain.name)))?;
        let position = |place: &RulePlace| states.iter().position(|state| state.place == *place);
        Ok(places.iter().filter_map(|(id, place)| Some((*id, position(place.as_ref()?)?))).collect())
    }

    /// Feeds a program, and finds by the rules before and after what it did.
    fn run(
        &mut self,
        line: String,
        program: Program,
        waiting: Waiting,
        input: &str,
        undo: Undo,
    ) -> Result<Applied, FirewallError> {
        let before = self.every_rule()?;
        let called = Monotonic::now();
        let acknowledged = waiting.feed(input, &mut self.commits)?;
        let after: BTreeSet<RulePlace> = self.every_rule()?.into_iter().map(|state| state.place).collect();
        let known: BTreeSet<&RulePlace> = before.iter().map(|state| &state.place).collect();
        let places: Vec<RulePlace> = after.iter().filter(|place| !known.contains(place)).cloned().collect();
        let gone: Vec<RuleState> = before.into_iter().filter(|state| !after.contains(&state.place)).collect();
        let deleted = self.forget(&gone);
        let added = match (undo, places.is_empty()) {
            (Undo::Nothing, true) => None,
            (Undo::RulesOrInput(input), true) => {
                Some(self.remember(InForce { line, rule: None, places, undo: Some((program, input)) }))
            }
            _ => Some(self.remember(InForce { line, rule: None, places, undo: None })),
        };
        Ok(Applied { called, acknowledged, added, deleted })
    }

    fn every_rule(&mut self) -> Result<Vec<RuleState>, FirewallError> {
        self.netlink.rules(None).map_err(refused(|| "tell its rules".to_owned()))
    }

    /// Takes note that a program deleted these rules.
    fn forget(&mut self, gone: &[RuleState]) -> Vec<Deleted> {
        let mut deleted = Vec::new();
        self.in_force.retain(|id, in_force| {
            let counters: Vec<Option<Counter>> = gone
                .iter()
                .filter(|state| in_force.places.contains(&state.place))
                .map(|state| state.counter)
                .collect();
            if counters.is_empty() {
                return true;
            }
            in_force.places.retain(|place| !gone.iter().any(|state| state.place == *place));
            let all = in_force.places.is_empty();
            if all {
                deleted.push(Deleted { id: *id, counter: Counter::sum(counters) });
            }
            !all
        });
        deleted
    }

    fn remember(&mut self, in_force: InForce) -> RuleId {
        let id = RuleId(self.next);
        self.next += 1;
        self.in_force.insert(id, in_force);
        id
    }

    /// What the rules of a line have counted so far; `None` where they have no counter, or where it
    /// can't be read (iptables-legacy).
    pub fn counter(&mut self, id: RuleId) -> Result<Option<Counter>, FirewallError> {
        let in_force = self.in_force.get(&id).ok_or(FirewallError::NotInForce(id))?;
        let places = in_force.places.clone();
        let [first, ..] = places.as_slice() else { return Ok(None) };
        let chain = places.iter().all(|place| place.chain == first.chain).then_some(first);
        let states = self.netlink.rules(chain).map_err(refused(|| format!("tell the counter of {id}")))?;
        Ok(Counter::sum(
            states.into_iter().filter(|state| places.contains(&state.place)).map(|state| state.counter),
        ))
    }

    /// Takes away what a line put in force.
    ///
    /// The counter is the kernel's own report of the deletion, written when no new packet can meet the
    /// rule any more: only a packet that another CPU is just counting (well under a microsecond) can
    /// be missed.
    pub fn remove(&mut self, id: RuleId) -> Result<Removed, FirewallError> {
        let in_force = self.in_force.get(&id).ok_or(FirewallError::NotInForce(id))?;
        let removed = match &in_force.undo {
            _ if !in_force.places.is_empty() => {
                let Done { called, acknowledged, rules } = {
                    let mut batch =
                        self.netlink.batch(u32::try_from(in_force.places.len()).unwrap_or(u32::MAX - 2));
                    in_force.places.iter().for_each(|place| batch.delete(place));
                    let done = self.netlink.commit(&batch.close());
                    done.map_err(refused(|| format!("delete the rule `{}`", in_force.line)))?
                };
                let counter = Counter::sum(rules.into_iter().map(|state| state.counter));
                Removed { called, acknowledged, counter }
            }
            Some((program, input)) => {
                let waiting = self.start(*program)?;
                let called = Monotonic::now();
                let acknowledged = waiting.feed(input, &mut self.commits)?;
                Removed { called, acknowledged, counter: None }
            }
            None => return Err(FirewallError::NotUndoable(in_force.line.clone())),
        };
        self.in_force.remove(&id);
        Ok(removed)
    }
}

fn refused(what: impl FnOnce() -> String) -> impl FnOnce(Refusal) -> FirewallError {
    |refusal| FirewallError::Refused { what: what(), refusal }
}
