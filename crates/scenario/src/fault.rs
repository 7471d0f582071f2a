//! What to break, when, and how to mend it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::end::{End, EndEvent};

/// One entry of the schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Unique in the scenario; `fault-1`, `fault-2`.. (its place in the file) where none is given.
    pub name: String,
    /// When it comes into force.
    pub trigger: Trigger,
    /// What it does.
    pub action: Action,
}

/// When a fault comes into force, relative to the life of one cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Before the client's `connect()`.
    Start,
    /// This long after both ends are connected.
    At(Duration),
    /// This long after the first such event at that end; never, if the event never comes.
    After {
        /// The end whose event counts.
        end: End,
        /// The event.
        event: EndEvent,
        /// How long after it.
        plus: Duration,
    },
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::At(at) => write!(f, "{}", humantime::format_duration(*at)),
            Self::After { end, event, plus } if plus.is_zero() => write!(f, "{end}.{event}"),
            Self::After { end, event, plus } => {
                write!(f, "{end}.{event} + {}", humantime::format_duration(*plus))
            }
        }
    }
}

/// What a fault does to the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A firewall rule in one host.
    Rule {
        /// The host whose firewall it is.
        on: End,
        /// The rule in its tool's own words.
        rule: RuleText,
    },
    /// The state of one host's link.
    Link {
        /// The host whose end of the link it is.
        on: End,
        /// Up or down.
        state: LinkState,
    },
    /// Undoes earlier faults.
    Heal(Heal),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { rule, .. } => rule.fmt(f),
            Self::Link { state, .. } => write!(f, "link {}", state.name()),
            Self::Heal(Heal::All) => f.write_str("heal all"),
            Self::Heal(Heal::Named(names)) => write!(f, "heal {}", names.join(", ")),
        }
    }
}

/// A firewall rule as people write it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RuleText {
    /// The language it is written in.
    pub tool: Tool,
    /// The words, without the name of the program: `-A OUTPUT -p tcp --sport 7654 -j DROP`.
    pub line: String,
}

impl fmt::Display for RuleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.tool.name(), self.line)
    }
}

/// The language of a firewall rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// iptables(8), IPv4.
    Iptables,
    /// ip6tables(8), IPv6.
    Ip6tables,
    /// nft(8).
    Nft,
}

impl Tool {
    /// The program's name, which is also the key in scenario files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iptables => "iptables",
            Self::Ip6tables => "ip6tables",
            Self::Nft => "nft",
        }
    }
}

/// Administrative state of a link (`ip link set eth0 up|down`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// `IFF_UP` set.
    Up,
    /// `IFF_UP` cleared: this host loses its link, the other its carrier.
    Down,
}

impl LinkState {
    /// The other state.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }

    /// The word used in scenario files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// Which earlier faults to undo: rules are removed, links set back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Heal {
    /// All that are in force.
    All,
    /// These, by name; one that is not in force is left alone.
    Named(Vec<String>),
}
