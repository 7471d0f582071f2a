//! What went wrong, in words: what could not be done, where, why, and what to do.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use keepalive_lab_scenario::{Place, Problem, ScenarioError};

use crate::exit::Exit;
use crate::output::complain;

/// One thing to tell the user, and the exit code it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// The exit code.
    pub exit: Exit,
    /// What could not be done, without `error:` in front and without a full stop.
    pub message: String,
    /// The place in the scenario it is about.
    pub place: Option<Place>,
    /// What to write beside that place, or where there is none, below the message.
    pub reason: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Complaint {
    /// A complaint that only has a message.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), place: None, reason: None, help: None }
    }

    /// Adds why.
    pub(crate) fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Adds what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the place in the scenario, if it is known.
    pub(crate) fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    /// The text to show, in several lines, without a line end; with ANSI colours for a terminal.
    pub(crate) fn render(&self) -> String {
        let mut group = Group::with_title(Level::ERROR.primary_title(self.message.clone()));
        if let Some(place) = &self.place {
            let mark = AnnotationKind::Primary.span(place.range.clone()).label(self.reason.clone());
            let snippet = Snippet::source(place.text.to_string()).path(place.name.to_string());
            group = group.element(snippet.annotation(mark));
        } else if let Some(reason) = &self.reason {
            group = group.element(Level::NOTE.message(reason.clone()));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.clone()));
        }
        Renderer::styled().render(&[group])
    }
}

impl From<&Problem> for Complaint {
    fn from(problem: &Problem) -> Self {
        Self {
            exit: Exit::Usage,
            message: problem.message.clone(),
            place: problem.place.clone(),
            reason: problem.label.clone(),
            help: problem.help.clone(),
        }
    }
}

/// One complaint for each problem of a scenario.
pub(crate) fn of_scenario(error: &ScenarioError) -> Vec<Complaint> {
    error.problems().iter().map(Complaint::from).collect()
}

/// Prints complaints to standard error and returns the exit code: that of the first.
pub(crate) fn tell(complaints: &[Complaint]) -> Exit {
    for (index, complaint) in complaints.iter().enumerate() {
        if index > 0 {
            complain("");
        }
        complain(complaint.render());
    }
    complaints.first().map_or(Exit::Success, |first| first.exit)
}
