//! What each end comes to, one event after the other: an end that dies tells its peer, and may set off a fault.

use std::time::Duration;

use keepalive_lab_scenario::end::{End, EndEvent, Ends};
use keepalive_lab_scenario::fault::Trigger;
use tcp_timers::Window;

use crate::Prediction;
use crate::connect::{Connecting, outcome};
use crate::fate::{Fate, View, cut_off};
use crate::idle::first_idle;
use crate::scene::Scene;
use crate::span::{fault_after, overlap, surely_before, told};
use crate::stop::Stopped;
use crate::timeline::{Anchor, Epoch, Firing, Timeline};
use crate::way::Way;

const CONNECTED: Window = Window { min: Duration::ZERO, max: Duration::ZERO };

/// What both ends come to.
pub(crate) fn settle(scene: &Scene) -> Ends<Prediction> {
    let mut known = Known::new(scene);
    let timeline = known.timeline();
    match outcome(scene, &timeline) {
        Connecting::Connected => {}
        Connecting::Fails(fate) => return unconnected(scene, fate),
        Connecting::GivesUp { at, why } => return gives_up(scene, at, &why),
        Connecting::Unknown(because) => {
            return Ends::from_fn(|_| Prediction::Unpredicted { because: because.clone() });
        }
    }
    known.fire(Anchor::Connected, CONNECTED);
    for end in End::BOTH {
        known.fire(Anchor::Event(end, EndEvent::Connected), CONNECTED);
    }
    known.play();
    let timeline = known.timeline();
    let fate = |fate: Option<Fate>| fate.unwrap_or_else(|| Fate::unknown("it was never decided"));
    let fates = Ends { client: fate(known.fates.client), server: fate(known.fates.server) };
    Stopped { scene, timeline, fates }.predictions()
}

fn unconnected(scene: &Scene, fate: Fate) -> Ends<Prediction> {
    let why = "its peer never gets a connection".to_owned();
    let server = Prediction::Unconnected { why };
    let limit = scene.experiment.stop.limit;
    let client = match fate {
        Fate::Dies { at, .. } if at.min > limit => {
            Prediction::Unconnected { why: format!("the cell stops before connect() fails at {at}") }
        }
        Fate::Dies { at, .. } if at.max >= limit => Prediction::Unpredicted {
            because: format!("whether connect() fails before the limit is not certain: {at}"),
        },
        Fate::Dies { at, errno, death, why } => {
            Prediction::Error { after: told(at), errno, death: death.map(Box::new), why }
        }
        other => Prediction::Unpredicted { because: format!("connect() came to {other:?}") },
    };
    Ends { client, server }
}

fn gives_up(scene: &Scene, at: Window, why: &str) -> Ends<Prediction> {
    let why =
        if at.min > scene.experiment.stop.limit { "the cell stops while it still connects" } else { why };
    Ends {
        client: Prediction::Unconnected { why: why.to_owned() },
        server: Prediction::Unconnected { why: "its peer never gets a connection".to_owned() },
    }
}

/// What is known so far.
struct Known<'a> {
    scene: &'a Scene<'a>,
    firings: Vec<Firing>,
    /// Faults that wait for something.
    waiting: Vec<usize>,
    fates: Ends<Option<Fate>>,
    /// When the last end was over that was played.
    happened: Option<Window>,
    /// Ends that were over before anything uncertain could happen to the other.
    sure: Ends<bool>,
}

impl<'a> Known<'a> {
    fn new(scene: &'a Scene<'a>) -> Self {
        let faults = &scene.experiment.faults;
        let mut known = Self {
            scene,
            firings: Vec::new(),
            waiting: (0..faults.len()).collect(),
            fates: Ends { client: None, server: None },
            happened: None,
            sure: Ends::default(),
        };
        known.fire(Anchor::Start, CONNECTED);
        known
    }

    fn timeline(&self) -> Timeline {
        Timeline::new(self.scene.experiment, self.scene.cell, &self.firings)
    }

    /// Something happened that faults may wait for.
    fn fire(&mut self, anchor: Anchor, at: Window) {
        let faults = &self.scene.experiment.faults;
        let waiting = std::mem::take(&mut self.waiting);
        for fault in waiting {
            let plus = match (&faults[fault].trigger, anchor) {
                (Trigger::Start, Anchor::Start) => Some(Duration::ZERO),
                (Trigger::At(plus), Anchor::Connected) => Some(*plus),
                (Trigger::After { end, event, plus }, Anchor::Event(of, happened))
                    if *end == of && *event == happened =>
                {
                    Some(*plus)
                }
                _ => None,
            };
            let Some(plus) = plus else {
                self.waiting.push(fault);
                continue;
            };
            let at = if anchor == Anchor::Start { at } else { fault_after(at, plus) };
            // Both ends are connected at the same time, but for microseconds.
            let anchor = match anchor {
                Anchor::Event(_, EndEvent::Connected) => Anchor::Connected,
                other => other,
            };
            self.firings.push(Firing { fault, anchor, plus, at });
        }
    }

    fn waits_for(&self, end: End, events: &[EndEvent]) -> bool {
        self.waiting.iter().any(|fault| match &self.scene.experiment.faults[*fault].trigger {
            Trigger::After { end: of, event, .. } => *of == end && events.contains(event),
            Trigger::Start | Trigger::At(_) => false,
        })
    }

    /// One event after the other, until nothing more happens.
    fn play(&mut self) {
        loop {
            let timeline = self.timeline();
            let mut fates =
                Ends::from_fn(|end| self.fates.get(end).is_none().then(|| self.fate(&timeline, end)));
            let next = End::BOTH.into_iter().filter_map(|end| Some((end, fates.get(end).as_ref()?.at()?)));
            let next = next.min_by_key(|(_, at)| at.min);
            if let Some((end, idle)) = self.next_idle(&timeline)
                && next.is_none_or(|(_, at)| idle.min <= at.min)
            {
                self.fire(Anchor::Event(end, EndEvent::Idle), idle);
                continue;
            }
            let Some((end, at)) = next else {
                self.end_of_play(&timeline, &fates);
                return;
            };
            let fate = fates.get_mut(end).take().expect("it has a time");
            let fate = if self.happened.is_some_and(|last| at.min < last.min) {
                // Then what has already been played would have to be played again, with this before it.
                Fate::unknown("what it meets before its peer is gone is not certain")
            } else {
                fate
            };
            self.happened = Some(at);
            let other = fates.get_mut(end.peer()).take();
            self.happen(end, at, &fate, other);
        }
    }

    fn fate(&self, timeline: &Timeline, end: End) -> Fate {
        View { scene: self.scene, timeline, end, peer: self.fates.get(end.peer()).as_ref() }.fate()
    }

    /// The earliest first silence, as an application notices it, that a fault waits for.
    fn next_idle(&self, timeline: &Timeline) -> Option<(End, Window)> {
        let waited = End::BOTH.into_iter().filter(|end| self.waits_for(*end, &[EndEvent::Idle]));
        let idle = |end: End| {
            let view = View { scene: self.scene, timeline, end, peer: self.fates.get(end.peer()).as_ref() };
            let over = self.fates.get(end).as_ref().and_then(Fate::at);
            let at = first_idle(&view)?;
            over.is_none_or(|over| surely_before(at, over)).then_some((end, at))
        };
        waited.filter_map(idle).min_by_key(|(_, at)| at.min)
    }

    /// One end is over; what that does to the other, which would else have come to `other`.
    fn happen(&mut self, end: End, at: Window, fate: &Fate, other: Option<Fate>) {
        let event = if matches!(fate, Fate::Closes { .. }) { EndEvent::Closed } else { EndEvent::Error };
        let before = (self.firings.clone(), self.waiting.clone());
        *self.fates.get_mut(end) = Some(fate.clone());
        self.fire(Anchor::Event(end, event), at);
        let Some(other) = other else { return };
        *self.sure.get_mut(end) = !matches!(other, Fate::Unknown { .. });
        let Some(other_at) = other.at().filter(|other_at| overlap(*other_at, at)) else { return };
        // Either may be the first. Does it matter?
        let peer = end.peer();
        let told = self.fate(&self.timeline(), peer);
        let reverse = {
            let after = std::mem::replace(
                self,
                Self {
                    scene: self.scene,
                    firings: before.0,
                    waiting: before.1,
                    fates: Ends::default(),
                    happened: None,
                    sure: Ends::default(),
                },
            );
            let event = if matches!(other, Fate::Closes { .. }) { EndEvent::Closed } else { EndEvent::Error };
            *self.fates.get_mut(peer) = Some(other.clone());
            self.fire(Anchor::Event(peer, event), other_at);
            let reverse = self.fate(&self.timeline(), end);
            *self = after;
            reverse
        };
        if !is_like(&told, &other) || !is_like(&reverse, fate) {
            let unknown = || {
                Fate::unknown(
                    "both ends may be over at the same time, and which tells the other is not certain",
                )
            };
            if !is_like(&reverse, fate) {
                *self.fates.get_mut(end) = Some(unknown());
            }
            *self.fates.get_mut(peer) = Some(unknown());
        }
    }

    /// Nothing more has a time: what is left lives, or is not known.
    fn end_of_play(&mut self, timeline: &Timeline, fates: &Ends<Option<Fate>>) {
        for end in End::BOTH {
            if let Some(fate) = fates.get(end).clone() {
                *self.fates.get_mut(end) = Some(fate);
            }
        }
        let unknown = Ends::from_fn(|end| matches!(self.fates.get(end), Some(Fate::Unknown { .. })));
        for end in End::BOTH {
            let peer = end.peer();
            if !unknown.get(peer) || *unknown.get(end) || *self.sure.get(end) {
                continue;
            }
            let waits = self.waits_for(peer, &[EndEvent::Error, EndEvent::Closed]);
            if waits || !self.is_safe_from(timeline, peer) {
                let because = format!("what the {peer} comes to is not known, and would tell");
                *self.fates.get_mut(end) = Some(Fate::Unknown { because });
            }
        }
    }

    /// Whatever becomes of this end, does its peer not notice?
    fn is_safe_from(&self, timeline: &Timeline, unknown: End) -> bool {
        let end = unknown.peer();
        let view = View { scene: self.scene, timeline, end, peer: None };
        let broken = timeline.broken();
        // Before the first break all is known of it.
        let apart = broken.first().is_some_and(|stretch| cut_off(&view, stretch.from));
        let over_before = |at: Window| broken.first().is_none_or(|stretch| surely_before(at, stretch.from));
        let over = self.fates.get(end).as_ref().and_then(Fate::at);
        let speechless = !self.scene.has_keepalive(unknown) && self.scene.traffic(unknown).close_at.is_none();
        let is_plain = |epoch: &Epoch| matches!(epoch.line(end), Way::Passes | Way::Lost(..));
        let deaf =
            self.scene.is_silent(end) && broken.iter().flat_map(|stretch| stretch.epochs).all(is_plain);
        apart || over.is_some_and(over_before) || speechless && deaf
    }
}

/// Two fates that are the same but for words.
fn is_like(one: &Fate, other: &Fate) -> bool {
    match (one, other) {
        (Fate::Dies { at, errno, .. }, Fate::Dies { at: other_at, errno: other_errno, .. }) => {
            at == other_at && errno == other_errno
        }
        (Fate::Closes { at, .. }, Fate::Closes { at: other_at, .. }) => at == other_at,
        (Fate::Lives { .. }, Fate::Lives { .. }) | (Fate::Unknown { .. }, Fate::Unknown { .. }) => true,
        _ => false,
    }
}
