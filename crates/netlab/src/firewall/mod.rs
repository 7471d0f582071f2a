//! Firewall rules in people's own words, put in force at a given moment and taken away again.
//!
//! A line of iptables(8), ip6tables(8) or nft(8) is read by [`plan()`], without privilege. Lines of the
//! common form become a [`RuleOperation`] and go to the kernel through netlink, which takes some
//! tens of microseconds and needs no program. All others are fed to the real program, started
//! beforehand inside the namespace and waiting on its standard input.
//!
//! [`Firewall`] holds the rules of one host, that is of one network namespace:
//!
//! ```no_run
//! # use keepalive_lab_netlab::Namespace;
//! use keepalive_lab_netlab::firewall::{Firewall, Tool, plan};
//!
//! let namespace = Namespace::new()?;
//! let mut firewall = Firewall::open(&namespace)?;
//! let line = plan(&[(Tool::Iptables, "-A OUTPUT -p tcp --sport 7654 -j DROP")]).remove(0)?;
//! let prepared = firewall.prepare(&line)?; // before the moment: all that takes time
//! let applied = firewall.apply(prepared)?; // at the moment
//! let removed = firewall.remove(applied.added.expect("the line added a rule"))?;
//! assert_eq!(removed.counter.map(|counter| counter.packets), Some(0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod error;
mod host;
mod language;
mod matches;
mod netlink;
mod plan;
mod program;
mod reject;
mod rule;

pub use address::Cidr;
pub use error::FirewallError;
pub use host::{Applied, Deleted, Firewall, PreparedRule, Removed, RuleId};
pub use language::syntax::{Parsed, RuleSyntaxError, parse};
pub use matches::{Condition, Interface, Matches, PortRange, Protocol, TcpFlags};
pub use netlink::{Counter, Refusal};
pub use plan::{PlannedLine, Route, Undo, plan};
pub use program::{Program, ProgramMissing};
pub use reject::{IcmpCode, Icmpv6Code, IcmpxCode, RejectWith};
pub use rule::{BaseChain, Family, Hook, Operation, Rule, RuleOperation, Tool, Verdict};
