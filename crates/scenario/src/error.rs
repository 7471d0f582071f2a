//! Why a scenario cannot be used.

use std::fmt;
use std::ops::Range;

use crate::document::source::{Place, Sources};

/// Everything found wrong in a scenario, at least one problem, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError {
    problems: Vec<Problem>,
}

/// One thing that is wrong, with all that is needed to show it at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, in one line.
    pub message: String,
    /// Where; `None` where no text is to blame (a missing file).
    pub place: Option<Place>,
    /// What to write beside the marked place: the reason, or the swept values it happens with.
    pub label: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

impl ScenarioError {
    /// The problems, in the order of the text.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(crate) fn from_findings(findings: Vec<Finding>, sources: &Sources) -> Self {
        let problems = findings.into_iter().map(|finding| finding.into_problem(sources)).collect();
        Self { problems }
    }
}

impl From<Problem> for ScenarioError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl std::error::Error for ScenarioError {}

/// One line for each problem: `FILE:LINE:COLUMN: message`.
impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl Problem {
    /// A problem that no text is to blame for.
    pub(crate) fn without_place(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, label: None, help: None }
    }

    /// Adds what to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A problem whose place is still a range over all [`Sources`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) message: String,
    pub(crate) span: Range<usize>,
    pub(crate) label: Option<String>,
    pub(crate) help: Option<String>,
}

impl Finding {
    pub(crate) fn new(span: &Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: span.clone(), label: None, help: None }
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn into_problem(self, sources: &Sources) -> Problem {
        let place = sources.place(&self.span);
        Problem { message: self.message, place, label: self.label, help: self.help }
    }
}
