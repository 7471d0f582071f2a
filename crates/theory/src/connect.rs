//! Whether the connection comes up at all.

use keepalive_lab_netlab::firewall::{IcmpCode, Icmpv6Code, IcmpxCode, RejectWith};
use keepalive_lab_scenario::end::End;
use std::time::Duration;
use tcp_timers::{Answer, Errno, Loss, SynMeets, Window, connecting};

use crate::fate::Fate;
use crate::scene::Scene;
use crate::segment::Kind;
use crate::span::{by_application, overlap, surely_before};
use crate::timeline::Timeline;
use crate::way::{By, How, Way};

/// What becomes of `connect()`.
pub(crate) enum Connecting {
    /// Both ends are connected at once.
    Connected,
    /// The client never is; the server never hears of it.
    Fails(Fate),
    /// The client gives up by its own timer.
    GivesUp { at: Window, why: String },
    /// It cannot be told.
    Unknown(String),
}

/// What the faults that are in force before `connect()` do to it.
pub(crate) fn outcome(scene: &Scene, timeline: &Timeline) -> Connecting {
    let zero = Window::exactly(Duration::ZERO);
    let way = |from, kind| timeline.ways(from, kind, zero).next().cloned().unwrap_or(Way::Passes);
    let answers = || [way(End::Server, Kind::SynAck), way(End::Server, Kind::Rst)];
    let (meets, by) = match way(End::Client, Kind::Syn) {
        Way::Passes => match way(End::Server, Kind::SynAck) {
            Way::Passes
                if [End::Client, End::Server].into_iter().all(|end| way(end, Kind::Ack) == Way::Passes) =>
            {
                return Connecting::Connected;
            }
            Way::Passes => {
                return Connecting::Unknown(
                    "a SYN is answered, but segments after it are not let through".to_owned(),
                );
            }
            Way::Lost(_, by) => (SynMeets::Nothing(Loss::Path), format!("the answer to it is lost: {by}")),
            Way::Rejected(.., by) => {
                return Connecting::Unknown(format!(
                    "the answer to the SYN meets {by}, which is not part of the theory"
                ));
            }
            Way::Unknown(because) => return Connecting::Unknown(because),
        },
        Way::Lost(How::Path, by) => (SynMeets::Nothing(Loss::Path), by),
        Way::Lost(How::Refused, by) => (SynMeets::Nothing(Loss::Refused), by),
        Way::Lost(How::OwnLink, by) => {
            let why = format!("there is no route: {by}");
            return Connecting::Fails(Fate::Dies { at: zero, errno: Errno::Enetunreach, death: None, why });
        }
        Way::Lost(How::PeerLink, by) => {
            return Connecting::Unknown(format!(
                "when the neighbour is given up without a carrier is not part of the theory: {by}"
            ));
        }
        Way::Rejected(with, By::Receiver, by) if answers().iter().all(|way| *way == Way::Passes) => {
            match refusal(with) {
                Some(meets) => (meets, by),
                None => {
                    return Connecting::Unknown(format!(
                        "what connect() makes of {by} is not part of the theory"
                    ));
                }
            }
        }
        Way::Rejected(.., by) => {
            return Connecting::Unknown(format!("what connect() makes of {by} is not part of the theory"));
        }
        Way::Unknown(because) => return Connecting::Unknown(because),
    };
    fails(scene, meets, &by)
}

/// What a rule's answer to a SYN is, as far as the theory has it.
fn refusal(with: RejectWith) -> Option<SynMeets> {
    match with {
        RejectWith::TcpReset
        | RejectWith::Icmp(IcmpCode::PortUnreachable)
        | RejectWith::Icmpx(IcmpxCode::PortUnreachable)
        | RejectWith::Icmpv6(Icmpv6Code::PortUnreachable) => Some(SynMeets::Refusal),
        RejectWith::Icmp(
            IcmpCode::HostUnreachable | IcmpCode::AdminProhibited | IcmpCode::HostProhibited,
        ) => Some(SynMeets::HostUnreachable),
        RejectWith::Icmp(IcmpCode::NetUnreachable | IcmpCode::NetProhibited) => {
            Some(SynMeets::NetUnreachable)
        }
        RejectWith::Icmp(_) | RejectWith::Icmpv6(_) | RejectWith::Icmpx(_) => None,
    }
}

fn fails(scene: &Scene, meets: SynMeets, by: &str) -> Connecting {
    let socket = match scene.socket(End::Client) {
        Ok(socket) => socket,
        Err(because) => return Connecting::Unknown(because),
    };
    let own_timer = scene.experiment.programs.client.connect_timeout.map(by_application);
    let gives_up = |at: Window| {
        let why = format!("no answer to its SYNs ({by}), and it gives up by its own timer at {at}");
        Connecting::GivesUp { at, why }
    };
    match connecting(&socket, meets) {
        Answer::Dies(death) => match own_timer {
            Some(at) if surely_before(at, death.at) => gives_up(at),
            Some(at) if overlap(at, death.at) => Connecting::Unknown(
                "whether its kernel or its own timer gives up first is not certain".to_owned(),
            ),
            _ => {
                let at = match meets {
                    SynMeets::Nothing(_) => death.at,
                    // A round trip, whatever it takes here.
                    _ => Window { min: Duration::ZERO, max: by_application(death.at.max).max },
                };
                let why = match meets {
                    SynMeets::Nothing(_) => {
                        format!("its SYNs go unanswered ({by}), and after {} the kernel gives up", death.at)
                    }
                    _ => format!("its SYN is turned away by {by}"),
                };
                Connecting::Fails(Fate::Dies { at, errno: death.errno, death: Some(death), why })
            }
        },
        Answer::LivesForEver { because } => own_timer.map_or(Connecting::Unknown(because), gives_up),
        Answer::Unpredicted { because } => Connecting::Unknown(because),
    }
}
