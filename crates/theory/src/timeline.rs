//! Which faults are in force when, as far as their times are known.

use keepalive_lab_netlab::firewall::{Operation, Parsed, Rule, RuleOperation, Tool, parse};
use keepalive_lab_scenario::cell::Experiment;
use keepalive_lab_scenario::end::{End, EndEvent, Ends};
use keepalive_lab_scenario::fault::{self, Action, Heal, LinkState};
use std::collections::BTreeMap;
use std::time::Duration;
use tcp_timers::Window;

use crate::fit::Cell;
use crate::segment::{Kind, Segment};
use crate::span::{overlap, surely_before};
use crate::way::{Host, Placed, Way, line, way};

/// What the time of a fault counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Anchor {
    /// It is in force before `connect()`.
    Start,
    /// Both ends are connected.
    Connected,
    /// The first such event of an end.
    Event(End, EndEvent),
}

/// An entry of the schedule whose time is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Firing {
    /// Its place in the schedule.
    pub(crate) fault: usize,
    /// What its time counts from.
    pub(crate) anchor: Anchor,
    /// How long after that it is due.
    pub(crate) plus: Duration,
    /// When it is in force.
    pub(crate) at: Window,
}

/// From one change of the network to the next.
#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    /// When it begins.
    pub(crate) from: Window,
    /// What that counts from.
    pub(crate) anchor: Anchor,
    ways: BTreeMap<Segment, Way>,
}

impl Epoch {
    /// What becomes of these segments.
    pub(crate) fn way(&self, segment: Segment) -> &Way {
        &self.ways[&segment]
    }

    /// What becomes of all that one end sends on an established connection.
    pub(crate) fn line(&self, from: End) -> Way {
        line(|kind| self.way(Segment { from, kind }).clone(), from)
    }

    /// Do data and acknowledgements pass both ways?
    pub(crate) fn is_sound(&self) -> bool {
        End::BOTH.into_iter().all(|from| self.line(from) == Way::Passes)
    }
}

/// The network of one cell, from `connect()` on.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    epochs: Vec<Epoch>,
    /// When the first fault that breaks anything is in force; seconds of rows count from then.
    pub(crate) first_fault: Option<Window>,
}

/// A stretch of time through which the path is not sound.
#[derive(Clone, Debug)]
pub(crate) struct Stretch<'a> {
    /// When it begins.
    pub(crate) from: Window,
    /// When it ends, and what that counts from; `None`: never.
    pub(crate) until: Option<(Window, Anchor)>,
    /// What is the case in it; the first one begins with it.
    pub(crate) epochs: &'a [Epoch],
}

impl Timeline {
    /// The network as these entries of the schedule make it.
    pub(crate) fn new(experiment: &Experiment, cell: Cell, firings: &[Firing]) -> Self {
        let mut firings = firings.to_vec();
        firings.sort_by_key(|firing| (firing.at.min, firing.plus, firing.fault));
        let mut world = World::new(experiment);
        let zero = Window::exactly(Duration::ZERO);
        let mut epochs = vec![Epoch { from: zero, anchor: Anchor::Start, ways: world.ways(cell) }];
        let mut first_fault = None;
        let mut previous: Option<Firing> = None;
        for firing in firings {
            if let Some(previous) = previous
                && previous.anchor != firing.anchor
                && previous.anchor != Anchor::Start
                && overlap(previous.at, firing.at)
            {
                world.confused.get_or_insert_with(|| {
                    let [one, other] = [previous, firing].map(|it| &experiment.faults[it.fault].name);
                    format!("which of `{one}` and `{other}` comes first is not certain")
                });
            }
            previous = Some(firing);
            if world.apply(firing.fault) && first_fault.is_none() {
                first_fault = Some(firing.at);
            }
            let ways = world.ways(cell);
            match epochs.last_mut() {
                Some(last) if last.from == firing.at || firing.anchor == Anchor::Start => last.ways = ways,
                _ => epochs.push(Epoch { from: firing.at, anchor: firing.anchor, ways }),
            }
        }
        Self { epochs, first_fault }
    }

    /// All that may be the case at a moment, earliest first.
    pub(crate) fn during(&self, at: Window) -> impl Iterator<Item = &Epoch> {
        let ends = self.epochs.iter().skip(1).map(|next| Some(next.from)).chain([None]);
        let begun = move |epoch: &Epoch| epoch.from.min <= at.max;
        self.epochs
            .iter()
            .zip(ends)
            .filter(move |(epoch, end)| begun(epoch) && end.is_none_or(|end| !surely_before(end, at)))
            .map(|(epoch, _)| epoch)
    }

    /// What may become of segments at a moment.
    pub(crate) fn ways(&self, from: End, kind: Kind, at: Window) -> impl Iterator<Item = &Way> {
        self.during(at).map(move |epoch| epoch.way(Segment { from, kind }))
    }

    /// Is the path sound at some time after a moment?
    pub(crate) fn is_mended_after(&self, at: Window) -> bool {
        self.epochs.iter().any(|epoch| epoch.from.max >= at.min && epoch.is_sound())
    }

    /// When each epoch begins.
    pub(crate) fn beginnings(&self) -> impl Iterator<Item = Window> {
        self.epochs.iter().map(|epoch| epoch.from)
    }

    /// The stretches through which the path is not sound.
    pub(crate) fn broken(&self) -> Vec<Stretch<'_>> {
        let mut stretches = Vec::new();
        let mut index = 0;
        while index < self.epochs.len() {
            let length = self.epochs[index..].iter().take_while(|epoch| !epoch.is_sound()).count();
            if length > 0 {
                stretches.push(self.stretch(index, index + length));
            }
            index += length.max(1);
        }
        stretches
    }

    fn stretch(&self, from: usize, until: usize) -> Stretch<'_> {
        Stretch {
            from: self.epochs[from].from,
            until: self.epochs.get(until).map(|epoch| (epoch.from, epoch.anchor)),
            epochs: &self.epochs[from..until],
        }
    }

    /// The stretch that begins with a moment and never ends.
    pub(crate) fn from(&self, at: Window) -> Stretch<'_> {
        let begun = self.epochs.iter().take_while(|epoch| epoch.from.min <= at.min).count();
        let index = begun.saturating_sub(1);
        Stretch { from: at, until: None, epochs: &self.epochs[index..] }
    }
}

/// The two hosts while the schedule is played through.
struct World<'a> {
    experiment: &'a Experiment,
    hosts: Ends<Host>,
    /// Links as faults have set them, to be set back.
    links: BTreeMap<usize, (End, LinkState)>,
    /// Why nothing is certain any more.
    confused: Option<String>,
}

impl<'a> World<'a> {
    fn new(experiment: &'a Experiment) -> Self {
        let hosts = Ends::from_fn(|_| Host { link_down: None, rules: Vec::new() });
        Self { experiment, hosts, links: BTreeMap::new(), confused: None }
    }

    /// Does what one entry of the schedule says; true if it breaks anything, as the rows count it.
    fn apply(&mut self, index: usize) -> bool {
        let fault = &self.experiment.faults[index];
        match &fault.action {
            Action::Rule { on, rule } => self.rule(index, &fault.name, *on, rule),
            Action::Link { on, state } => {
                self.set_link(*on, *state, &fault.name);
                self.links.insert(index, (*on, *state));
                true
            }
            Action::Heal(heal) => {
                self.heal(heal);
                false
            }
        }
    }

    fn rule(&mut self, fault: usize, name: &str, on: End, text: &fault::RuleText) -> bool {
        let rules = &mut self.hosts.get_mut(on).rules;
        let place = |rule: Result<Rule, String>| Placed { fault, name: name.to_owned(), rule };
        match read(text) {
            Ok(RuleOperation { operation: Operation::Append, rule, .. }) => rules.push(place(Ok(rule))),
            Ok(RuleOperation { operation: Operation::Insert, rule, .. }) => rules.insert(0, place(Ok(rule))),
            Ok(RuleOperation { operation: Operation::Delete, rule, .. }) => {
                match rules.iter().position(|placed| placed.rule.as_ref() == Ok(&rule)) {
                    Some(first) => drop(rules.remove(first)),
                    None => rules.push(place(Err("it deletes a rule that is not there".to_owned()))),
                }
                return false;
            }
            Err(why) => rules.push(place(Err(why))),
        }
        true
    }

    fn set_link(&mut self, on: End, state: LinkState, by: &str) {
        self.hosts.get_mut(on).link_down = match state {
            LinkState::Down => Some(by.to_owned()),
            LinkState::Up => None,
        };
    }

    /// Undoes what is in force, last first, as the laboratory does.
    fn heal(&mut self, heal: &Heal) {
        let faults = &self.experiment.faults;
        let is_meant = |fault: usize| match heal {
            Heal::All => true,
            Heal::Named(names) => names.contains(&faults[fault].name),
        };
        for end in End::BOTH {
            self.hosts.get_mut(end).rules.retain(|placed| !is_meant(placed.fault));
        }
        let links: Vec<_> = self.links.keys().copied().filter(|&fault| is_meant(fault)).collect();
        for fault in links.into_iter().rev() {
            if let Some((on, state)) = self.links.remove(&fault) {
                self.set_link(on, state.opposite(), &faults[fault].name);
            }
        }
    }

    fn ways(&self, cell: Cell) -> BTreeMap<Segment, Way> {
        let segments = End::BOTH
            .into_iter()
            .flat_map(|from| Kind::ALL.into_iter().map(move |kind| Segment { from, kind }));
        let way = |segment| match &self.confused {
            Some(because) => Way::Unknown(because.clone()),
            None => way(&self.hosts, segment, cell),
        };
        segments.map(|segment| (segment, way(segment))).collect()
    }
}

fn read(text: &fault::RuleText) -> Result<RuleOperation, String> {
    let tool = match text.tool {
        fault::Tool::Iptables => Tool::Iptables,
        fault::Tool::Ip6tables => Tool::Ip6tables,
        fault::Tool::Nft => Tool::Nft,
    };
    match parse(tool, &text.line) {
        Ok(Parsed::Translated(operation)) => Ok(operation),
        Ok(Parsed::NeedsProgram { why }) => Err(why),
        Err(error) => Err(error.to_string()),
    }
}
