//! A peer that does not read: its receive window shuts.

use std::time::Duration;

use keepalive_lab_scenario::program::Send;
use tcp_timers::{Answer, ShutWindow, Window, zero_window};

use super::{Fate, View};
use crate::span::sum;

/// So much is taken by any receive buffer, however it is cut into segments.
const SURELY_TAKEN: u64 = 4096;
const SURELY_TAKEN_WRITES: u128 = 128;

/// How long it takes at most until the window of a peer that does not read is shut and the persist timer is armed: the buffers fill
/// within milliseconds, but what the receiver had to drop for want of room is sent again first, by a loss probe
/// or a first timeout.
const FILLING: Duration = Duration::from_millis(300);

/// What becomes of an end whose peer's window is shut, or of one that fills; `None`: no window shuts.
pub(super) fn shut(view: &View) -> Option<Fate> {
    let (own, peer) = (view.end, view.end.peer());
    let reads = view.scene.traffic(peer).read;
    if view.scene.fills(own) {
        let well = view.timeline.broken().is_empty() && view.peer.is_none();
        return Some(match (well, reads) {
            (false, _) => Fate::unknown(
                "what is in flight and what waits when the path of a full stream changes is not known",
            ),
            (true, true) => Fate::Lives { why: "its stream flows".to_owned() },
            (true, false) => filled(view),
        });
    }
    if reads || fits(view) {
        return None;
    }
    Some(Fate::unknown(format!("when the window of the {peer}, which does not read, shuts is not known")))
}

fn filled(view: &View) -> Fate {
    let (own, peer) = (view.end, view.end.peer());
    let socket = match view.scene.socket(own) {
        Ok(socket) => socket,
        Err(because) => return Fate::Unknown { because },
    };
    let full = Window { min: Duration::ZERO, max: FILLING };
    match zero_window(&socket, &ShutWindow { dead: None }) {
        Answer::Dies(death) => {
            let at = sum(full, death.at);
            let why = format!(
                "the {peer} does not read, its window shuts, and though it answers each probe the {own} gives up after {}",
                death.at
            );
            Fate::Dies { at, errno: death.errno, death: Some(death), why }
        }
        Answer::LivesForEver { because } => {
            Fate::Lives { why: format!("the {peer} does not read, and its window shuts, but {because}") }
        }
        Answer::Unpredicted { because } => Fate::Unknown { because },
    }
}

/// Does all that this end writes until the limit fit into any buffer?
fn fits(view: &View) -> bool {
    let experiment = view.scene.experiment;
    let mut bytes = 0_u64;
    let mut writes = 0_u128;
    let mut add = |times: u128, each: u64| {
        writes = writes.saturating_add(times);
        bytes = bytes.saturating_add(each.saturating_mul(u64::try_from(times).unwrap_or(u64::MAX)));
    };
    for end in [view.end, view.end.peer()] {
        if end != view.end && !view.scene.traffic(view.end).reply {
            continue;
        }
        for send in &view.scene.traffic(end).sends {
            match send {
                Send::Once { text } => add(1, text.len() as u64),
                Send::At { bytes, .. } => add(1, u64::from(*bytes)),
                Send::Every { period, bytes } => {
                    let times = experiment.stop.limit.as_nanos() / period.as_nanos().max(1);
                    add(times, u64::from(*bytes));
                }
                Send::Fill => return false,
            }
        }
    }
    let plain = experiment.programs.get(view.end.peer()).options.receive_buffer.is_none();
    bytes == 0 || plain && bytes <= SURELY_TAKEN && writes <= SURELY_TAKEN_WRITES
}
