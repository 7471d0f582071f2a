//! What can go wrong with a rule once it is read.

use super::host::RuleId;
use super::netlink::Refusal;
use super::program::{Program, ProgramMissing};
use crate::EnterError;

/// A rule could not be put in force, counted or taken away.
#[derive(Debug, thiserror::Error)]
pub enum FirewallError {
    /// The namespace could not be entered.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// No netlink socket for nftables could be had in the namespace.
    #[error("could not open a netlink socket for nftables: {0}")]
    Open(#[source] std::io::Error),
    /// A file for iptables' lock could not be made.
    #[error("could not make a file for the lock of iptables (memfd_create): {0}")]
    Lock(#[source] nix::errno::Errno),
    /// The kernel refused.
    #[error("the kernel refused to {what}: {refusal}")]
    Refused {
        /// What was asked of it: "add the rule `-A OUTPUT -j DROP`".
        what: String,
        /// What it said.
        #[source]
        refusal: Refusal,
    },
    /// A program that the line needs can't be run.
    #[error(transparent)]
    ProgramMissing(#[from] ProgramMissing),
    /// The program refused the line.
    #[error("{program} refused `{}`: {said}", .input.trim_end())]
    ProgramFailed {
        /// The program.
        program: Program,
        /// What it was fed.
        input: String,
        /// What it said on its standard error.
        said: String,
    },
    /// `-D`: no rule in force is equal.
    #[error("no rule in force is equal to that of `{0}`")]
    NoSuchRule(String),
    /// The rule is no longer in force, or is another firewall's.
    #[error("{0} is not in force in this firewall")]
    NotInForce(RuleId),
    /// The line did something other than add rules, and how to undo it is not known.
    #[error("`{0}` can't be undone: it added no rule")]
    NotUndoable(String),
}
