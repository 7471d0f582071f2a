//! A firewall rule as a plain value.

use std::fmt;

use super::matches::Matches;
use super::reject::RejectWith;

/// The language of a firewall rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// iptables(8): IPv4.
    Iptables,
    /// ip6tables(8): IPv6.
    Ip6tables,
    /// nft(8).
    Nft,
}

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 3] = [Self::Iptables, Self::Ip6tables, Self::Nft];

    /// The program's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iptables => "iptables",
            Self::Ip6tables => "ip6tables",
            Self::Nft => "nft",
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The family of an nftables table: which packets its chains see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Both.
    Inet,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 3] = [Self::Ip, Self::Ip6, Self::Inet];

    /// The word of nft(8).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
        }
    }

    /// The family of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where in the packet's way through the host a chain is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// Every packet that arrives, before routing.
    Prerouting,
    /// Packets for this host.
    Input,
    /// Packets that pass through.
    Forward,
    /// Packets made by this host.
    Output,
    /// Every packet that leaves, after routing.
    Postrouting,
}

impl Hook {
    /// Every hook, in the order of the kernel's numbers.
    pub const ALL: [Self; 5] =
        [Self::Prerouting, Self::Input, Self::Forward, Self::Output, Self::Postrouting];

    /// The word of nft(8).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
        }
    }

    /// The kernel's number: `NF_INET_PRE_ROUTING`.. in `linux/netfilter.h`.
    pub const fn number(self) -> u32 {
        match self {
            Self::Prerouting => 0,
            Self::Input => 1,
            Self::Forward => 2,
            Self::Output => 3,
            Self::Postrouting => 4,
        }
    }
}

/// A chain that the kernel calls at a hook: `type filter hook HOOK priority PRIORITY; policy accept`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BaseChain {
    /// The family of its table.
    pub family: Family,
    /// The name of its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Where it is called.
    pub hook: Hook,
    /// Its place among the chains of the hook; lower is earlier. 0 is `filter`, that of iptables too.
    pub priority: i32,
}

impl BaseChain {
    /// The usual chain for filtering: the hook told by the chain's name, priority 0.
    ///
    /// iptables calls them INPUT, OUTPUT and FORWARD; nftables rulesets write the names of the hooks
    /// in lower case. `None` if the name is not that of a hook.
    pub fn usual(family: Family, table: &str, name: &str) -> Option<Self> {
        let hook = Hook::ALL.into_iter().find(|hook| hook.name().eq_ignore_ascii_case(name))?;
        Some(Self { family, table: table.to_owned(), name: name.to_owned(), hook, priority: 0 })
    }
}

/// One rule: which packets in which chain, and what becomes of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// The chain it stands in.
    pub chain: BaseChain,
    /// The packets it concerns: those that meet every condition.
    pub matches: Matches,
    /// What becomes of them.
    pub verdict: Verdict,
}

/// What becomes of a packet that a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It vanishes. In a sender's own `output` the sender's system call or timer sees `EPERM`.
    Drop,
    /// It leaves this chain and lives on.
    Accept,
    /// It vanishes and its sender is told.
    Reject(RejectWith),
    /// Nothing: it is counted, and the next rule looks at it.
    Count,
}

/// What is done with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Added at the end of its chain (`-A`, `add rule`).
    Append,
    /// Added at the start of its chain (`-I`, `insert rule`).
    Insert,
    /// The first equal rule is taken out of its chain (`-D`).
    Delete,
}

/// A rule and what is done with it; shown in the words of its tool, with the counter that every
/// translated rule has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleOperation {
    /// The tool whose language it was written in.
    pub tool: Tool,
    /// Append, insert or delete.
    pub operation: Operation,
    /// The rule.
    pub rule: Rule,
}
