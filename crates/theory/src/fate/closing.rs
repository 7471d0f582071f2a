//! An end that closes in order, and what its FIN tells the other.

use std::time::Duration;

use tcp_timers::{Errno, Window};

use super::{Fate, View};
use crate::segment::Kind;
use crate::span::{by_application, overlap, surely_before};
use crate::way::Way;

/// This end's fate with its own wish to close.
pub(super) fn with_own_close(view: &View, fate: Fate) -> Fate {
    let Some(due) = view.scene.traffic(view.end).close_at else { return fate };
    let at = by_application(due);
    if view.scene.fills(view.end) {
        return Fate::unknown(
            "when an end that fills the buffers has written all and can close is not known",
        );
    }
    let closes =
        Fate::Closes { at, why: format!("the {} closes by itself at {}", view.end, at), by_itself: true };
    match fate.at() {
        Some(over) if surely_before(over, at) => fate,
        Some(over) if overlap(over, at) => {
            Fate::unknown("whether it closes before it is told of an end is not certain")
        }
        // What is unknown may come before the close, unless nothing has happened until then.
        None if matches!(fate, Fate::Unknown { .. }) && !untouched_until(view, at) => fate,
        Some(_) | None => closes,
    }
}

fn untouched_until(view: &View, at: Window) -> bool {
    let broken = view.timeline.broken();
    view.scene.socket(view.end).is_ok()
        && broken.first().is_none_or(|stretch| surely_before(at, stretch.from))
}

/// What the peer's close does to this end; `None`: nothing.
pub(super) fn after_the_peers(view: &View) -> Option<Fate> {
    let Some(Fate::Closes { at, by_itself: true, .. }) = view.peer else { return None };
    let (own, peer) = (view.end, view.end.peer());
    let (program, traffic) = (view.scene.experiment.programs.get(peer), view.scene.traffic(peer));
    let unread = !traffic.read && !view.scene.writes_when_well(own).is_empty();
    let resets = program.options.linger == Some(Duration::ZERO) || unread;
    let kind = if resets { Kind::Rst } else { Kind::Fin };
    let ways: Vec<&Way> = view.timeline.ways(peer, kind, *at).collect();
    let sound = view.timeline.during(*at).all(crate::timeline::Epoch::is_sound);
    let never_broken = view.timeline.broken().first().is_none_or(|stretch| surely_before(*at, stretch.from));
    if sound && never_broken && ways.iter().all(|way| **way == Way::Passes) {
        if resets {
            let why = format!("the {peer} closes at {at} with a RST");
            return Some(Fate::Dies { at: *at, errno: Errno::Econnreset, death: None, why });
        }
        return Some(fin_arrives(view, *at));
    }
    if cut_off(view, *at) {
        return None;
    }
    Some(Fate::unknown(format!(
        "the {peer} closes while the path to the {own} is broken, or was, and is mended again"
    )))
}

fn fin_arrives(view: &View, at: Window) -> Fate {
    let (own, peer) = (view.end, view.end.peer());
    if view.scene.fills(own) {
        return Fate::unknown(
            "what an end that fills the buffers makes of its peer's close is not part of the theory",
        );
    }
    if view.scene.traffic(own).read {
        let why = format!("the {peer} closes in order at {at}");
        return Fate::Closes { at, why, by_itself: false };
    }
    if view.scene.is_silent(own) {
        return Fate::Lives {
            why: format!("it does not read, and so does not learn that the {peer} closed"),
        };
    }
    Fate::unknown(format!(
        "what it sends after the {peer}'s close, which it did not read, is not part of the theory"
    ))
}

/// Does nothing of the peer arrive any more, from that moment on?
pub(crate) fn cut_off(view: &View, from: Window) -> bool {
    let peer = view.end.peer();
    let forever = Window { min: from.max.saturating_add(Duration::from_nanos(1)), max: Duration::MAX };
    Kind::ALL
        .into_iter()
        .all(|kind| view.timeline.ways(peer, kind, forever).all(|way| matches!(way, Way::Lost(..))))
}
