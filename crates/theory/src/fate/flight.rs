//! Data that is written while the path is broken: in flight, or refused by its own host.

use std::time::Duration;

use keepalive_lab_netlab::firewall::{IcmpCode, Icmpv6Code, IcmpxCode, RejectWith};
use tcp_timers::{Errno, Flight, Loss, Socket, Sysctls, Window, data_in_flight, data_refused};

use super::View;
use super::chain::{Chain, Emission, Ending, chain as chain_of, either, with_errno};
use crate::segment::Kind;
use crate::span::{between, by_application, surely_before};
use crate::timeline::{Epoch, Stretch};
use crate::traffic::First;
use crate::way::{By, How, Way};

/// The first write of an end that the break of the path concerns; `None`: there is none.
pub(super) fn first_write(view: &View, stretch: &Stretch) -> Result<Option<Window>, String> {
    let (own, peer) = (view.end, view.end.peer());
    let delay = view.scene.ack_delay(peer);
    let mut first = view.scene.writes.get(own).first_after(stretch.from, delay);
    if view.scene.traffic(own).reply && !view.scene.writes.get(peer).is_empty() {
        first = earlier(first, first_reply(view, stretch, delay)?);
    }
    let within = |at: &Duration| stretch.until.is_none_or(|(until, _)| *at <= until.max);
    let surely_within =
        |at: &Duration| stretch.until.is_none_or(|(until, _)| by_application(*at).max < until.min);
    let (Some(possible), certain) = (first.possible.filter(within), first.certain) else { return Ok(None) };
    match certain.filter(surely_within) {
        Some(certain) => {
            let by_the_clock = Window { min: possible, max: by_application(certain).max };
            Ok(Some(by_the_clock))
        }
        None => Err(format!("the {own} writes as the path changes, and which comes first is not certain")),
    }
}

fn earlier(one: First, other: First) -> First {
    let first = |one: Option<Duration>, other: Option<Duration>| match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    First { possible: first(one.possible, other.possible), certain: first(one.certain, other.certain) }
}

/// The first reply: to the first data of the peer that still arrives.
fn first_reply(view: &View, stretch: &Stretch, delay: Duration) -> Result<First, String> {
    let peer = view.end.peer();
    let mut first = view.scene.writes.get(peer).first_after(stretch.from, delay);
    let arrives: Vec<bool> = stretch.epochs.iter().map(|epoch| epoch.line(peer) == Way::Passes).collect();
    let over = view.peer_over();
    let speaks_until = |first: &First| {
        over.is_none_or(|over| first.certain.is_none_or(|at| by_application(at).max < over.min))
    };
    match arrives.as_slice() {
        all if all.iter().all(|arrives| *arrives) && speaks_until(&first) => Ok(first),
        none if !none.iter().any(|arrives| *arrives) => {
            first.certain = None;
            first.possible = first.possible.filter(|at| *at <= stretch.from.max);
            Ok(first)
        }
        _ => Err("to which data of its peer it still replies is not certain".to_owned()),
    }
}

/// What this end's kernel does from the first write on.
pub(super) fn chain(view: &View, stretch: &Stretch, write: Window) -> Result<Chain, String> {
    let during: Vec<&Epoch> = view.timeline.during(write).filter(|epoch| holds(stretch, epoch)).collect();
    let way = the_same(during.iter().map(|epoch| epoch.line(view.end)))
        .ok_or("how its first write fares is not certain: the path changes with it")?;
    let sent = Emission { at: write, kind: Kind::Data };
    let socket = view.scene.socket(view.end)?;
    let writes = format!("the {} writes at {write}", view.end);
    match way {
        Way::Lost(how @ (How::Refused | How::OwnLink), by) => refused(
            view,
            &socket,
            stretch,
            sent,
            how,
            &format!("{writes}, and {by} refuses it: the persist timer probes"),
        ),
        Way::Lost(How::Path, by) => {
            flight(view, &socket, stretch, sent, None, &format!("{writes}, and {by} drops it"))
        }
        Way::Passes => flight(
            view,
            &socket,
            stretch,
            sent,
            None,
            &format!("{writes}, and no acknowledgement comes back"),
        ),
        Way::Lost(How::PeerLink, by) => Err(format!(
            "{writes} while {by}: its neighbour entry goes with the carrier, which is not part of the theory"
        )),
        Way::Rejected(RejectWith::TcpReset, _, by) if answer_arrives(view, write) => {
            let ending = Ending::Reset { at: write, why: format!("{writes}, and {by} answers with a RST") };
            Ok(Chain { attempts: vec![sent], writes_try: false, counts_probes: false, ending })
        }
        Way::Rejected(with, By::Receiver, by) if is_port_unreachable(with) => {
            let why =
                format!("{writes}, {by} answers with ICMP \"port unreachable\", which TCP only remembers");
            flight(view, &socket, stretch, sent, Some(Errno::Econnrefused), &why)
        }
        Way::Rejected(.., by) => {
            Err(format!("{writes}: how TCP takes the ICMP message of {by} is not part of the theory"))
        }
        Way::Unknown(because) => Err(because),
    }
}

/// Does a RST in the name of the peer arrive?
fn answer_arrives(view: &View, at: Window) -> bool {
    view.timeline.ways(view.end.peer(), Kind::Rst, at).all(|way| *way == Way::Passes)
}

fn is_port_unreachable(with: RejectWith) -> bool {
    matches!(
        with,
        RejectWith::Icmp(IcmpCode::PortUnreachable)
            | RejectWith::Icmpv6(Icmpv6Code::PortUnreachable)
            | RejectWith::Icmpx(IcmpxCode::PortUnreachable)
    )
}

/// Is this epoch one of the stretch?
pub(super) fn holds(stretch: &Stretch, epoch: &Epoch) -> bool {
    stretch.epochs.iter().any(|one| std::ptr::eq(one, epoch))
}

/// The one way that all are; `None` if they differ.
pub(super) fn the_same(ways: impl Iterator<Item = Way>) -> Option<Way> {
    let mut ways = ways;
    let first = ways.next()?;
    ways.all(|way| way.is_like(&first)).then_some(first)
}

/// Data left, and is never acknowledged.
fn flight(
    view: &View,
    socket: &Socket,
    stretch: &Stretch,
    sent: Emission,
    told: Option<Errno>,
    why: &str,
) -> Result<Chain, String> {
    let writes_every = view.scene.writes_when_well(view.end).period();
    let after = stretch.epochs.iter().filter(|epoch| epoch.from.min > sent.at.max);
    let mut losses = vec![Loss::Path];
    for epoch in after {
        match epoch.line(view.end) {
            Way::Rejected(with, By::Receiver, _) if told.is_some() && is_port_unreachable(with) => {}
            other if told.is_some() => {
                return Err(format!("what ICMP told is kept when {}", because(&other)));
            }
            Way::Passes | Way::Lost(How::Path, _) => {}
            Way::Lost(How::Refused, _) => losses.push(Loss::Refused),
            other => return Err(format!("its data is in flight when {}", because(&other))),
        }
    }
    losses.dedup();
    if told.is_some() && hears_meanwhile(view, stretch) {
        return Err("segments of the peer arrive and clear what ICMP told".to_owned());
    }
    if acknowledged_late(view, stretch, sent.at) {
        return Err(
            "data that arrived is acknowledged when the way back is mended, and not the rest".to_owned()
        );
    }
    let cases = losses
        .iter()
        .flat_map(|loss| view.scene.round_trips(view.end).into_iter().map(move |rtt| (*loss, rtt)));
    let answers = cases.map(|(loss, round_trip)| {
        let socket = Socket { round_trip, ..*socket };
        let answer = data_in_flight(&socket, &Flight { loss, segments: 1, writes_every });
        told.map_or(answer.clone(), |errno| with_errno(answer, errno))
    });
    let answer = answers.reduce(either).expect("one loss at least");
    let mut chain = chain_of(answer, sent.at, Kind::Data, |death| {
        format!("{why}; after {} the kernel gives up what is in flight", death.at)
    })?;
    chain.attempts.insert(0, sent);
    Ok(chain)
}

/// May the peer acknowledge in passing what arrived before the way back was mended, while the way there is broken?
fn acknowledged_late(view: &View, stretch: &Stretch, from: Window) -> bool {
    let arrives = |epoch: &Epoch| epoch.line(view.end) == Way::Passes;
    let later = stretch.epochs.iter().rev().take_while(|epoch| epoch.from.min > from.min);
    let there = view.timeline.during(from).any(arrives) || later.clone().any(arrives);
    let back = later.into_iter().any(|epoch| epoch.line(view.end.peer()) == Way::Passes && !epoch.is_sound());
    there && back && view.peer_may_write_in(stretch)
}

fn because(way: &Way) -> String {
    match way {
        Way::Passes => "the path is well".to_owned(),
        Way::Lost(_, by) | Way::Rejected(_, _, by) => {
            format!("it meets {by}, which is not part of the theory")
        }
        Way::Unknown(because) => because.clone(),
    }
}

/// Data that its own host does not let out: it is tried again and again, until the host does, or the kernel gives up.
fn refused(
    view: &View,
    socket: &Socket,
    stretch: &Stretch,
    tried: Emission,
    how: How,
    why: &str,
) -> Result<Chain, String> {
    let loss = if how == How::OwnLink { Loss::NoRoute(Errno::Enetunreach) } else { Loss::Refused };
    let refuses = |epoch: &&Epoch| matches!(epoch.line(view.end), Way::Lost(other, _) if other == how);
    let through =
        stretch.epochs.iter().filter(|epoch| epoch.from.min > tried.at.max).find(|epoch| !refuses(epoch));
    if hears_meanwhile(view, stretch) && view.peer_over().is_none_or(|over| !surely_before(over, tried.at)) {
        return Err(
            "while its data is refused, segments of the peer arrive and set the count of its probes back"
                .to_owned(),
        );
    }
    let answers = view.scene.round_trips(view.end).into_iter();
    let answers = answers.map(|round_trip| data_refused(&Socket { round_trip, ..*socket }, loss));
    let answer = answers.reduce(either).expect("one round trip at least");
    let mut first =
        chain_of(answer, tried.at, Kind::Data, |death| format!("{why}, and gives up after {}", death.at))?;
    first.attempts.insert(0, tried);
    first.writes_try = true;
    first.counts_probes = true;
    let Some(changed) = through else { return Ok(first) };
    if let Ending::Dies { at, .. } = &first.ending
        && surely_before(*at, changed.from)
    {
        return Ok(first);
    }
    leaves(view, socket, stretch, first, changed)
}

/// The host lets the data out at last, but the path is still broken.
fn leaves(
    view: &View,
    socket: &Socket,
    stretch: &Stretch,
    refused: Chain,
    changed: &Epoch,
) -> Result<Chain, String> {
    let uncertain = || "when its refused data leaves at last is not certain".to_owned();
    if view.peer.is_some() && stretch.until.is_none() && changed.is_sound() {
        // The peer is gone: the first that gets through is answered with a RST, and nothing comes after that.
        return Ok(refused);
    }
    match changed.line(view.end) {
        Way::Passes | Way::Lost(How::Path, _) => {}
        other => return Err(because(&other)),
    }
    let writes = view.scene.writes_when_well(view.end).first_after(changed.from, Duration::ZERO);
    let not_before = |at: Duration| at.max(changed.from.min);
    let attempts = || refused.attempts.iter().map(|attempt| attempt.at);
    let timer_first = attempts().filter(|at| at.max >= changed.from.min).map(|at| not_before(at.min)).min();
    let timer_last = attempts().filter(|at| at.min >= changed.from.max).map(|at| at.max).min();
    let write_first = writes.possible.map(|at| not_before(by_application(at).min));
    let write_last = writes.certain.map(|at| by_application(at).max);
    let earlier = |one: Option<Duration>, other| one.into_iter().chain(other).min();
    let (min, max) = (earlier(timer_first, write_first), earlier(timer_last, write_last));
    let (min, max) = min.zip(max).ok_or_else(uncertain)?;
    if let Ending::Dies { at, .. } = &refused.ending
        && at.min <= max
    {
        return Err("whether it gives up before its host lets the data out is not certain".to_owned());
    }
    let sent = Emission { at: Window { min, max }, kind: Kind::Data };
    let why = format!("what the {} wrote leaves its host at {}, and nobody answers", view.end, sent.at);
    let may_be_first = |first: Option<Duration>| first.is_some_and(|first| first <= max);
    // What the persist timer sends is watched by the retransmission timer at once; what a write sends, by a loss probe first.
    let no_probe = Sysctls { loss_probe: false, ..socket.sysctls.clone() };
    let by_timer = Socket { sysctls: &no_probe, ..*socket };
    let sockets = [(may_be_first(timer_first), &by_timer), (may_be_first(write_first), socket)];
    let chains = sockets.into_iter().filter(|(possible, _)| *possible);
    let mut chains = chains.map(|(_, socket)| flight(view, socket, stretch, sent, None, &why));
    let mut chain = chains.next().ok_or_else(uncertain)??;
    if let Some(other) = chains.next() {
        chain = chain.or(other?);
    }
    let before = refused.attempts.into_iter().filter(|attempt| attempt.at.max < min);
    chain.attempts.splice(0..0, before);
    chain.counts_probes = true;
    Ok(chain)
}

/// Do segments that say something about this end's data still arrive?
fn hears_meanwhile(view: &View, stretch: &Stretch) -> bool {
    let peer = view.end.peer();
    let arrives = |epoch: &Epoch| !matches!(epoch.line(peer), Way::Lost(..));
    view.peer_may_write_in(stretch) && view.while_the_peer_lives(stretch).any(arrives)
}

/// When the first of the peer's data is in flight that this end still receives, if it is so in all of the stretch.
pub(super) fn of_the_peer(view: &View, stretch: &Stretch) -> Result<Option<(Window, Chain)>, String> {
    let peer = View { end: view.end.peer(), peer: None, ..*view };
    let Some(write) = first_write(&peer, stretch)? else { return Ok(None) };
    let chain = chain(&peer, stretch, write)?;
    Ok(Some((write, chain)))
}

/// How long after the last segment from the peer the path breaks, at least and at most.
pub(super) fn sound_for(heard: Window, stretch: &Stretch) -> [Duration; 2] {
    let sound = between(heard, stretch.from);
    [sound.min, sound.max]
}
