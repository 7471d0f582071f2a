//! What the stop of a cell leaves of the fates of its ends, on the scale of the rows.

use keepalive_lab_scenario::cell::StopWhen;
use keepalive_lab_scenario::end::{End, Ends};
use tcp_timers::Window;

use crate::Prediction;
use crate::fate::Fate;
use crate::scene::Scene;
use crate::span::{between, overlap, surely_before, told};
use crate::timeline::Timeline;

/// A cell that was played to its end.
pub(crate) struct Stopped<'a> {
    pub(crate) scene: &'a Scene<'a>,
    pub(crate) timeline: Timeline,
    /// What each end would come to if the cell never stopped.
    pub(crate) fates: Ends<Fate>,
}

impl Stopped<'_> {
    /// The predictions, with the stop of the cell.
    pub(crate) fn predictions(&self) -> Ends<Prediction> {
        Ends::from_fn(|end| self.prediction(end))
    }

    fn prediction(&self, end: End) -> Prediction {
        let fate = self.fates.get(end).clone();
        let stop = &self.scene.experiment.stop;
        if let Some(at) = fate.at() {
            let stopped = match self.stopped_by(end) {
                Some(Ok(stopped)) if stopped.min < stop.limit => stopped,
                Some(Err(because)) if at.min <= stop.limit => return Prediction::Unpredicted { because },
                _ => Window::exactly(stop.limit),
            };
            let words = words(&fate);
            if surely_before(stopped, at) {
                return Prediction::Alive { why: format!("the cell stops before that: {words}") };
            }
            if overlap(stopped, at) {
                let because = format!("whether the cell stops before that is not certain: {words}");
                return Prediction::Unpredicted { because };
            }
        }
        match fate {
            Fate::Lives { why } => Prediction::Alive { why },
            Fate::Closes { why, .. } => Prediction::Closed { why },
            Fate::Unknown { because } => Prediction::Unpredicted { because },
            Fate::Dies { at, errno, death, why } => match on_the_rows_scale(&self.timeline, at) {
                Ok(after) => Prediction::Error { after, errno, death: death.map(Box::new), why },
                Err(because) => Prediction::Unpredicted { because },
            },
        }
    }

    /// When the other end's end stops the cell; an error if that is not known.
    fn stopped_by(&self, end: End) -> Option<Result<Window, String>> {
        let peer = end.peer();
        let stops = match self.scene.experiment.stop.when {
            StopWhen::ClientClosed => peer == End::Client,
            StopWhen::ServerClosed => peer == End::Server,
            StopWhen::BothClosed | StopWhen::Limit => false,
        };
        match self.fates.get(peer) {
            _ if !stops => None,
            Fate::Unknown { because } => Some(Err(format!("the cell stops with the {peer}, and {because}"))),
            other => other.at().map(Ok),
        }
    }
}

fn words(fate: &Fate) -> &str {
    match fate {
        Fate::Dies { why, .. } | Fate::Closes { why, .. } | Fate::Lives { why } => why,
        Fate::Unknown { because } => because,
    }
}

/// Seconds count from the first fault, or from `connect()` where the fault was before that or came after the error.
fn on_the_rows_scale(timeline: &Timeline, at: Window) -> Result<Window, String> {
    let at = told(at);
    match timeline.first_fault {
        None => Ok(at),
        Some(fault) if surely_before(at, fault) => Ok(at),
        Some(fault) if fault.max.is_zero() => Ok(at),
        Some(fault) if fault.max <= at.min => Ok(between(fault, at)),
        Some(_) => Err("whether its seconds count from the first fault is not certain".to_owned()),
    }
}
