//! The peer is gone: the RST by which its host says so, at once or when next asked.

use tcp_timers::{Errno, Window};

use super::chain::{Chain, Emission, Ending};
use super::{Fate, Passed, View, waits_for_a_neighbour};
use crate::segment::{Kind, Segment};
use crate::span::{by_application, not_before, overlap, surely_before};
use crate::timeline::Stretch;
use crate::way::{How, Way};

/// What comes first: the kernel gives up, or a segment of this end gets through and is answered with a RST.
pub(super) fn or_death(view: &View, stretch: &Stretch, chain: &Chain) -> Result<Passed, String> {
    let reset = first_reset(view, stretch, chain)?;
    let (at, death, why) = match (&chain.ending, reset) {
        (Ending::Never, None) => return Ok(Passed::Untouched),
        (Ending::Never, Some(reset)) => return Ok(Passed::Over(by_reset(view, reset))),
        (Ending::Reset { at, why }, _) => return Ok(told(*at, why.clone())),
        (Ending::Dies { at, death, why }, None) => (at, death, why),
        (Ending::Dies { at, .. }, Some(reset)) if surely_before(reset, *at) => {
            return Ok(Passed::Over(by_reset(view, reset)));
        }
        (Ending::Dies { at, death, why }, Some(reset)) if surely_before(*at, reset) => (at, death, why),
        _ => {
            return Err(
                "whether it gives up before a RST comes depends on the phase of its timers".to_owned()
            );
        }
    };
    Ok(Passed::Over(Fate::Dies { at: *at, errno: death.errno, death: Some(death.clone()), why: why.clone() }))
}

/// A RST that some rule sends.
pub(super) fn told(at: Window, why: String) -> Passed {
    Passed::Over(Fate::Dies { at, errno: Errno::Econnreset, death: None, why })
}

fn by_reset(view: &View, at: Window) -> Fate {
    let peer = view.end.peer();
    let why = format!(
        "the {peer} is gone: its host answers the next segment that gets through, at {at}, with a RST"
    );
    Fate::Dies { at, errno: Errno::Econnreset, death: None, why }
}

/// When the first segment of this end gets through to the host of its dead peer, and the answer back.
fn first_reset(view: &View, stretch: &Stretch, chain: &Chain) -> Result<Option<Window>, String> {
    let Some(over) = view.peer_over() else { return Ok(None) };
    let mut emissions = chain.attempts.clone();
    if chain.writes_try {
        emissions.extend(writes(view, over));
    }
    let mut earliest = None;
    let mut latest = None;
    for Emission { at, kind } in emissions.into_iter().filter(|emission| emission.at.max >= over.min) {
        let sent = not_before(at, over.min);
        let mut all_pass = at.min >= over.max;
        for epoch in view.timeline.during(sent) {
            match answered(view, epoch, kind) {
                Ok(true) => {
                    let from = sent.min.max(if stretch.from.min < epoch.from.min {
                        epoch.from.min
                    } else {
                        sent.min
                    });
                    earliest =
                        Some(earliest.map_or(from, |earliest: std::time::Duration| earliest.min(from)));
                }
                Ok(false) => all_pass = false,
                Err(because) => return Err(because),
            }
        }
        if all_pass {
            latest = Some(latest.map_or(at.max, |latest: std::time::Duration| latest.min(at.max)));
        }
    }
    match (earliest, latest) {
        (None, _) => Ok(None),
        _ if waits_for_a_neighbour(stretch) => {
            Err("what waited for a neighbour without carrier may be answered with a RST before".to_owned())
        }
        (Some(min), Some(max)) => Ok(Some(Window { min, max: max.max(min) })),
        (Some(_), None) => {
            Err("whether any segment of it gets through to be answered with a RST is not certain".to_owned())
        }
    }
}

/// Does a segment get through to the peer's host, and the RST back?
fn answered(view: &View, epoch: &crate::timeline::Epoch, kind: Kind) -> Result<bool, String> {
    let way = |from, kind| epoch.way(Segment { from, kind });
    match (way(view.end, kind), way(view.end.peer(), Kind::Rst)) {
        (Way::Passes, Way::Passes) => Ok(true),
        (Way::Lost(..), _) | (_, Way::Lost(..)) => Ok(false),
        (Way::Unknown(because), _) | (_, Way::Unknown(because)) => Err(because.clone()),
        (Way::Rejected(.., by), _) | (_, Way::Rejected(.., by)) => {
            Err(format!("what comes of the RST where {by} rejects segments is not part of the theory"))
        }
    }
}

/// The writes that may be the first to get through: the first in each epoch from the peer's end on.
fn writes(view: &View, over: Window) -> Vec<Emission> {
    let writes = view.scene.writes.get(view.end);
    let beginnings = view
        .timeline
        .beginnings()
        .map(|from| Window { min: from.min.max(over.min), max: from.max.max(over.max) });
    let firsts = beginnings.flat_map(|from| {
        let first = writes.first_after(from, std::time::Duration::ZERO);
        [first.possible, first.certain]
    });
    firsts.flatten().map(|at| Emission { at: by_application(at), kind: Kind::Data }).collect()
}

/// What the peer's own death says at once, if it sends a RST (as keepalive does).
pub(super) fn by_the_peers_death(view: &View, own: Fate) -> Fate {
    let Some(Fate::Dies { at, death: Some(death), .. }) = view.peer else { return own };
    if !death.tells_peer {
        return own;
    }
    let peer = view.end.peer();
    let mut passes = Vec::new();
    let mut eaten = None;
    // What follows from its error comes after its RST, which leaves before the application is told.
    let epochs = view.timeline.during(*at).filter(|epoch| !view.follows_the_peer(epoch.anchor));
    for epoch in epochs {
        match epoch.way(Segment { from: peer, kind: Kind::Rst }) {
            Way::Passes => passes.push(true),
            // A RST is not answered, whatever a rule says.
            Way::Lost(How::PeerLink, by) if view.timeline.is_mended_after(*at) => {
                let because = format!("the {peer}'s RST may wait until the carrier is back: {by}");
                return before(own, *at, &because);
            }
            Way::Lost(_, by) | Way::Rejected(_, _, by) => {
                passes.push(false);
                eaten = Some(by);
            }
            Way::Unknown(because) => return before(own, *at, because),
        }
    }
    match (passes.contains(&true), passes.contains(&false)) {
        (true, true) => before(own, *at, &format!("whether the {peer}'s RST gets through is not certain")),
        (true, false) => {
            let why = format!("the {peer} gives up at {at} and sends a RST, which gets through");
            let told = Fate::Dies { at: *at, errno: Errno::Econnreset, death: None, why };
            match own.at() {
                Some(own_at) if surely_before(own_at, *at) => own,
                Some(own_at) if overlap(own_at, *at) => Fate::unknown(format!(
                    "whether it gives up before the {peer}'s RST comes depends on the phase"
                )),
                _ => told,
            }
        }
        _ => {
            let note = eaten.map_or_else(String::new, |by| format!("the {peer}'s RST is lost: {by}"));
            with_note(own, &note)
        }
    }
}

/// A fate that is over before something uncertain happens holds; any other is not known.
fn before(own: Fate, at: Window, because: &str) -> Fate {
    match own.at() {
        Some(own_at) if surely_before(own_at, at) => own,
        _ => Fate::unknown(because),
    }
}

fn with_note(own: Fate, note: &str) -> Fate {
    if note.is_empty() {
        return own;
    }
    let add = |why: String| format!("{note}; {why}");
    match own {
        Fate::Dies { at, errno, death, why } => Fate::Dies { at, errno, death, why: add(why) },
        Fate::Lives { why } => Fate::Lives { why: add(why) },
        other => other,
    }
}
