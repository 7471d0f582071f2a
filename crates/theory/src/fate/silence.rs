//! A connection on which nothing is sent while the path is broken: keepalive, if anything, finds out.

use std::time::Duration;

use keepalive_lab_netlab::firewall::RejectWith;
use keepalive_lab_scenario::end::End;
use tcp_timers::wheel::granularity;
use tcp_timers::{Errno, Keepalive, Loss, Silence, Window, keepalive};

use super::View;
use super::chain::{Chain, Ending, chain as chain_of, either};
use super::flight::sound_for;
use super::history::History;
use super::refresh;
use crate::segment::{Kind, Segment};
use crate::span::by_application;
use crate::timeline::{Epoch, Stretch};
use crate::way::{By, How, Way};

/// What keepalive does in a stretch; `mended` is when the stretch before was over, or the connection came up.
pub(super) fn chain(view: &View, stretch: &Stretch, mended: Window) -> Result<Chain, String> {
    let (own, peer) = (view.end, view.end.peer());
    if view.scene.fills(peer) {
        return Err(format!("when the last of what the {peer} pours out arrives is not certain"));
    }
    if stretch.epochs.iter().any(|epoch| matches!(epoch.line(own), Way::Rejected(RejectWith::TcpReset, ..))) {
        return rejected(view, stretch, mended);
    }
    let told = |epoch: &Epoch| matches!(epoch.line(own), Way::Rejected(..));
    let acknowledges = view.peer_may_write_in(stretch) || view.scene.has_keepalive(peer);
    if acknowledges && view.while_the_peer_lives(stretch).any(told) {
        // ICMP that quotes a probe is ignored, but not ICMP that quotes an acknowledgement.
        return Err(format!(
            "ICMP messages answer the acknowledgements of the {own}, and TCP remembers that"
        ));
    }
    let losses = losses(view, stretch)?;
    let heard = last_heard(view, stretch, mended);
    if let Some(chain) = refresh::chain(view, stretch, [heard, mended], &losses)? {
        return Ok(chain);
    }
    let socket = view.scene.socket(own)?;
    let history = History::new(view, heard, mended, &[])?;
    followed_in_time(view, &history, stretch)?;
    let answer = history
        .keepalive(&socket, &losses, sound_for(heard, stretch))
        .ok_or("what becomes of its probes is not known")?;
    let broken = stretch.epochs.first().map_or_else(String::new, |epoch| {
        let by = End::BOTH.into_iter().find_map(|from| match epoch.line(from) {
            Way::Lost(_, by) | Way::Rejected(_, _, by) => Some(by),
            Way::Passes | Way::Unknown(_) => None,
        });
        by.map_or_else(String::new, |by| format!(" because of {by}"))
    });
    chain_of(answer, heard, Kind::Ack, |death| {
        format!(
            "the {own} last hears of the {peer} by its traffic at {heard}, its keepalive probes stay without answer{broken}, \
             and after {} it gives up",
            death.at
        )
    })
}

/// A rule answers probes with a RST: the first one ends the connection.
fn rejected(view: &View, stretch: &Stretch, mended: Window) -> Result<Chain, String> {
    let (own, peer) = (view.end, view.end.peer());
    let is_rejected = |epoch: &Epoch| {
        matches!(epoch.line(own), Way::Rejected(RejectWith::TcpReset, By::Receiver, _))
            && epoch.way(Segment { from: peer, kind: Kind::Rst }) == &Way::Passes
    };
    let heard = last_heard(view, stretch, mended);
    let surely = !view.peer_may_write_in(stretch) && stretch.epochs.iter().all(is_rejected);
    if !surely || heard.max > Duration::ZERO {
        return Err(format!(
            "when a rule's RST answers the first probe of the {own} is not part of the theory"
        ));
    }
    let socket = view.scene.socket(own)?;
    let answers = sound_for(heard, stretch).map(|answered_for| {
        let silence = Silence { answered_for, ..Silence::new(Duration::ZERO, Loss::Path) };
        keepalive(&socket, &silence)
    });
    let answer = answers.into_iter().reduce(either).ok_or("there are two of them")?;
    let chain = chain_of(answer, heard, Kind::Ack, |_| String::new())?;
    let first = chain.attempts.first().ok_or("keepalive sends no probe")?.at;
    let why =
        format!("the {own}'s first keepalive probe after the break, at {first}, is answered by a rule's RST");
    Ok(Chain {
        attempts: Vec::new(),
        writes_try: false,
        counts_probes: false,
        ending: Ending::Reset { at: first, why },
    })
}

/// Following a keepalive timer through all its phases costs time for each of its alarms and for each phase: no more than so many in
/// all, which take some tenths of a second.
const ALARMS: u128 = 5_000_000;

/// Can keepalive be followed through all phases in a reasonable time?
fn followed_in_time(view: &View, history: &History, stretch: &Stretch) -> Result<(), String> {
    let socket = view.scene.socket(view.end)?;
    let Some(Keepalive { idle, interval, count }) = socket.options.keepalive else { return Ok(()) };
    let tick = Duration::from_secs(1) / socket.kernel.hz.max(1);
    let (beginnings, step) = history.cost(tick);
    let period = granularity(socket.kernel.hz, idle.max(interval));
    let phases = period.as_nanos() / step.max(Duration::from_micros(100)).as_nanos() + 1;
    let alarms = stretch.from.max.as_nanos() / idle.as_nanos().max(1) + u128::from(count) + 2;
    if phases.saturating_mul(beginnings).saturating_mul(alarms) > ALARMS {
        return Err(
            "its keepalive timer would have to be followed through too many alarms and phases".to_owned()
        );
    }
    Ok(())
}

/// When the last segment arrives that is no answer to a probe.
pub(super) fn last_heard(view: &View, stretch: &Stretch, mended: Window) -> Window {
    let (own, peer) = (view.end, view.end.peer());
    let well = view.scene.writes_when_well(own).and(&view.scene.writes_when_well(peer));
    let (certain, possible) = well.last_before(stretch.from);
    let mut heard = mended;
    if let Some(certain) = certain {
        let at = by_application(certain);
        heard = Window { min: heard.min.max(at.min), max: heard.max.max(at.max) };
    }
    if let Some(possible) = possible {
        heard.max = heard.max.max(by_application(possible).max);
    }
    heard
}

/// What becomes of probes in a stretch, and of their answers.
fn losses(view: &View, stretch: &Stretch) -> Result<Vec<Loss>, String> {
    let mut losses: Vec<Loss> = Vec::new();
    for epoch in stretch.epochs {
        let loss = loss(view, epoch)?;
        if !losses.contains(&loss) {
            losses.push(loss);
        }
    }
    Ok(losses)
}

fn loss(view: &View, epoch: &Epoch) -> Result<Loss, String> {
    let back = epoch.line(view.end.peer());
    if let Way::Unknown(because) = back {
        return Err(because);
    }
    match epoch.line(view.end) {
        Way::Passes => match back {
            Way::Rejected(..) => {
                Err("what its peer's host does when an answer is rejected is not known".to_owned())
            }
            _ => Ok(Loss::Path),
        },
        // ICMP that quotes a probe is ignored: its sequence number lies before what is unacknowledged.
        Way::Lost(How::Path | How::PeerLink, _) | Way::Rejected(_, By::Receiver, _) => Ok(Loss::Path),
        Way::Lost(How::Refused, _) | Way::Rejected(_, By::Sender, _) => Ok(Loss::Refused),
        Way::Lost(How::OwnLink, _) => Ok(Loss::NoRoute(Errno::Enetunreach)),
        Way::Unknown(because) => Err(because),
    }
}
