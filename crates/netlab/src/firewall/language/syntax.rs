//! Reading one line: what comes out, and what can be wrong with it.

use std::ops::Range;

use super::{iptables, nft};
use crate::firewall::rule::{RuleOperation, Tool};

/// What became of a line that has no mistake in it that could be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Understood in full: it can be applied through netlink.
    Translated(RuleOperation),
    /// Not understood, or not in full: only the real program can tell.
    NeedsProgram {
        /// What stands in the way, such as "match `owner` is not translated".
        why: String,
    },
}

/// A mistake in a firewall rule that its program would refuse too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RuleSyntaxError {
    /// What is wrong, without the place.
    pub message: String,
    /// The place: bytes of the line. Empty, at the end of the line, where something is missing.
    pub range: Range<usize>,
    /// What could be written instead, where there is a guess.
    pub help: Option<String>,
}

/// Reads one line in the words of `tool`. Pure: no file, no name service, no kernel is asked.
pub fn parse(tool: Tool, line: &str) -> Result<Parsed, RuleSyntaxError> {
    let outcome = match tool {
        Tool::Iptables | Tool::Ip6tables => iptables::parse(tool, line),
        Tool::Nft => nft::parse(line),
    };
    match outcome {
        Ok(operation) => Ok(Parsed::Translated(operation)),
        Err(Stop::Program(why)) => Ok(Parsed::NeedsProgram { why }),
        Err(Stop::Mistake(error)) => Err(error),
    }
}

/// Why a parser went no further.
#[derive(Debug)]
pub(in crate::firewall) enum Stop {
    /// The rest is for the real program.
    Program(String),
    /// The line is wrong.
    Mistake(RuleSyntaxError),
}

impl Stop {
    /// Not translated.
    pub(in crate::firewall) fn program(why: impl Into<String>) -> Self {
        Self::Program(why.into())
    }

    /// Wrong, at this place.
    pub(in crate::firewall) fn mistake(range: Range<usize>, message: impl Into<String>) -> Self {
        Self::Mistake(RuleSyntaxError { message: message.into(), range, help: None })
    }

    /// The same with a guess at what was meant.
    pub(in crate::firewall) fn help(self, help: impl Into<String>) -> Self {
        match self {
            Self::Mistake(error) => Self::Mistake(RuleSyntaxError { help: Some(help.into()), ..error }),
            Self::Program(why) => Self::Program(why),
        }
    }
}
