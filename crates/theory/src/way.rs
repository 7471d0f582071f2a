//! What becomes of a segment on its way, by the rules and links in force.

use keepalive_lab_netlab::firewall::{Hook, RejectWith, Rule, Verdict};
use keepalive_lab_scenario::end::{End, Ends};

use crate::fit::{Cell, Fit, fit};
use crate::segment::{Kind, Segment};

/// What becomes of the segments of one kind that one end sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// They arrive.
    Passes,
    /// They vanish.
    Lost(How, String),
    /// They vanish, and the sender is told.
    Rejected(RejectWith, By, String),
    /// It cannot be told.
    Unknown(String),
}

/// How segments are lost, as their sender's kernel sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    /// Refused by a rule of the sender's own host.
    Refused,
    /// Dropped at the other host.
    Path,
    /// The sender's own link is down.
    OwnLink,
    /// The other host's link is down: no carrier.
    PeerLink,
}

/// Whose rule it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The sender's own host's.
    Sender,
    /// The other host's.
    Receiver,
}

impl Way {
    /// The same for all who meet it, whatever rule does it?
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Lost(one, _), Self::Lost(other, _)) => one == other,
            (Self::Rejected(with, by, _), Self::Rejected(other, other_by, _)) => {
                with == other && by == other_by
            }
            _ => self == other,
        }
    }
}

/// A rule in force, or a line whose effect only its program knows.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// Its place in the schedule.
    pub(crate) fault: usize,
    /// The fault's name.
    pub(crate) name: String,
    /// The rule; or why it is not known.
    pub(crate) rule: Result<Rule, String>,
}

/// One host: its link and its rules, each chain's in their order.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// Is its link up? Else the fault that took it down.
    pub(crate) link_down: Option<String>,
    /// Its rules.
    pub(crate) rules: Vec<Placed>,
}

/// What becomes of all segments of one kind.
pub(crate) fn way(hosts: &Ends<Host>, segment: Segment, cell: Cell) -> Way {
    let (sender, receiver) = (hosts.get(segment.from), hosts.get(segment.from.peer()));
    let opaque = |host: &Host| {
        host.rules.iter().find_map(|placed| {
            let why = placed.rule.as_ref().err()?;
            Some(Way::Unknown(format!("what the rule `{}` does is not known here: {why}", placed.name)))
        })
    };
    if let Some(unknown) = opaque(sender).or_else(|| opaque(receiver)) {
        return unknown;
    }
    if let Some(link) = &sender.link_down {
        return Way::Lost(How::OwnLink, format!("the {}'s own link is down (`{link}`)", segment.from));
    }
    let leaving = [Hook::Output, Hook::Postrouting];
    let arriving = [Hook::Prerouting, Hook::Input];
    match through(sender, &leaving, segment, cell) {
        Passage::Passes => {}
        Passage::Drops(name) => return Way::Lost(How::Refused, rule_of(segment.from, "OUTPUT", &name)),
        Passage::Rejects(with, name) => {
            return Way::Rejected(with, By::Sender, rule_of(segment.from, "OUTPUT", &name));
        }
        Passage::Unknown(because) => return Way::Unknown(because),
    }
    if let Some(link) = &receiver.link_down {
        let peer = segment.from.peer();
        return Way::Lost(How::PeerLink, format!("the {peer}'s link is down (`{link}`)"));
    }
    match through(receiver, &arriving, segment, cell) {
        Passage::Passes => Way::Passes,
        Passage::Drops(name) => Way::Lost(How::Path, rule_of(segment.from.peer(), "INPUT", &name)),
        Passage::Rejects(with, name) => {
            Way::Rejected(with, By::Receiver, rule_of(segment.from.peer(), "INPUT", &name))
        }
        Passage::Unknown(because) => Way::Unknown(because),
    }
}

fn rule_of(host: End, hook: &str, name: &str) -> String {
    format!("the {host}'s {hook} rule `{name}`")
}

/// What becomes of segments in the chains of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Passage {
    Passes,
    Drops(String),
    Rejects(RejectWith, String),
    Unknown(String),
}

fn through(host: &Host, hooks: &[Hook], segment: Segment, cell: Cell) -> Passage {
    let mut chains: Vec<_> = host
        .rules
        .iter()
        .filter_map(|placed| placed.rule.as_ref().ok())
        .map(|rule| &rule.chain)
        .filter(|chain| hooks.contains(&chain.hook))
        .collect();
    chains.sort_unstable();
    chains.dedup();
    let mut passages: Vec<Passage> = chains
        .into_iter()
        .map(|chain| {
            let rules = host.rules.iter().filter_map(|placed| {
                let rule = placed.rule.as_ref().ok()?;
                (rule.chain == *chain).then_some((placed.name.as_str(), rule))
            });
            in_chain(rules, chain.hook, segment, cell)
        })
        .filter(|passage| *passage != Passage::Passes)
        .collect();
    match passages.len() {
        0 => Passage::Passes,
        1 => passages.remove(0),
        _ if passages.iter().all(|passage| matches!(passage, Passage::Drops(_))) => passages.remove(0),
        _ => Passage::Unknown("which of several chains sees a segment first is not known".to_owned()),
    }
}

/// Follows the rules of one chain.
fn in_chain<'a>(
    rules: impl DoubleEndedIterator<Item = (&'a str, &'a Rule)>,
    hook: Hook,
    segment: Segment,
    cell: Cell,
) -> Passage {
    // From the last rule to the first: `rest` is what the rules after this one do.
    rules.rev().fold(Passage::Passes, |rest, (name, rule)| {
        let here = match rule.verdict {
            Verdict::Drop => Passage::Drops(name.to_owned()),
            Verdict::Accept => Passage::Passes,
            Verdict::Reject(with) => Passage::Rejects(with, name.to_owned()),
            Verdict::Count => return rest,
        };
        match fit(rule, hook, segment, cell) {
            Fit::None => rest,
            Fit::All => here,
            Fit::Some if here == rest => rest,
            Fit::Some => Passage::Unknown(format!("the rule `{name}` may hit some segments and not others")),
        }
    })
}

/// What becomes of the segments of an established connection in one direction, if it is the same for data and for
/// acknowledgements.
pub(crate) fn line(way: impl Fn(Kind) -> Way, from: End) -> Way {
    let (data, ack) = (way(Kind::Data), way(Kind::Ack));
    if data.is_like(&ack) {
        return data;
    }
    match (data, ack) {
        (Way::Unknown(because), _) | (_, Way::Unknown(because)) => Way::Unknown(because),
        _ => Way::Unknown(format!("a rule hits some of the {from}'s segments and not others")),
    }
}
