//! What becomes of one connected end, as long as its peer lives, or after that.

mod chain;
mod closing;
mod flight;
mod history;
mod refresh;
mod reset;
mod silence;
mod window;

pub(crate) use closing::cut_off;

use std::time::Duration;

use keepalive_lab_netlab::firewall::RejectWith;
use keepalive_lab_scenario::end::End;
use tcp_timers::{Death, Errno, Window};

use self::chain::{Chain, Ending};
use crate::scene::Scene;
use crate::span::{by_application, overlap, surely_before};
use crate::timeline::{Anchor, Epoch, Stretch, Timeline};
use crate::way::{How, Way};

/// What becomes of one end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    /// The application is given an error.
    Dies { at: Window, errno: Errno, death: Option<Death>, why: String },
    /// It ends in order.
    Closes { at: Window, why: String, by_itself: bool },
    /// Nothing that is known ends it.
    Lives { why: String },
    /// The theory has no answer.
    Unknown { because: String },
}

impl Fate {
    /// When it is over.
    pub(crate) const fn at(&self) -> Option<Window> {
        match self {
            Self::Dies { at, .. } | Self::Closes { at, .. } => Some(*at),
            Self::Lives { .. } | Self::Unknown { .. } => None,
        }
    }

    pub(crate) fn unknown(because: impl Into<String>) -> Self {
        Self::Unknown { because: because.into() }
    }
}

/// One end and all that is known around it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) scene: &'a Scene<'a>,
    pub(crate) timeline: &'a Timeline,
    pub(crate) end: End,
    /// How the peer ended, if it has.
    pub(crate) peer: Option<&'a Fate>,
}

/// Is a host without carrier in this stretch? Then what is sent may wait for its neighbour (`arp_queue`) and arrive
/// when the carrier is back.
pub(crate) fn waits_for_a_neighbour(stretch: &Stretch) -> bool {
    let waits = |epoch: &Epoch| {
        End::BOTH.into_iter().any(|from| matches!(epoch.line(from), Way::Lost(How::PeerLink, _)))
    };
    stretch.epochs.iter().any(waits)
}

/// How a stretch without a sound path, or without a peer, leaves an end.
enum Passed {
    /// It is over.
    Over(Fate),
    /// It lives, but has something to mend until then.
    Mended { by: Window },
    /// It lives and noticed nothing.
    Untouched,
}

impl<'a> View<'a> {
    /// What becomes of this end.
    pub(crate) fn fate(&self) -> Fate {
        let fate = match self.scene.socket(self.end) {
            Ok(_) => self.without_close(),
            Err(because) => Fate::unknown(because),
        };
        closing::with_own_close(self, fate)
    }

    fn peer_end(&self) -> End {
        self.end.peer()
    }

    /// When the peer was no more, whoever ended it.
    fn peer_over(&self) -> Option<Window> {
        self.peer.and_then(Fate::at)
    }

    /// What is the case in a stretch while the peer still lives.
    fn while_the_peer_lives(&self, stretch: &Stretch<'a>) -> impl Iterator<Item = &'a Epoch> {
        let over = self.peer_over();
        stretch.epochs.iter().filter(move |epoch| over.is_none_or(|over| epoch.from.min < over.min))
    }

    /// May the peer write in a stretch while it lives?
    fn peer_may_write_in(&self, stretch: &Stretch<'a>) -> bool {
        let peer = self.peer_end();
        let first = self.scene.writes_when_well(peer).first_after(stretch.from, Duration::ZERO).possible;
        let ends = [stretch.until.map(|(until, _)| until), self.peer_over()];
        let within = |at: Duration| ends.iter().flatten().all(|end| at <= end.max);
        self.scene.fills(peer) || first.is_some_and(within)
    }

    fn without_close(&self) -> Fate {
        if let Some(fate) = window::shut(self) {
            return fate;
        }
        if let Some(fate) = self.beyond_the_theory() {
            return fate;
        }
        if matches!(self.peer, Some(Fate::Closes { .. }))
            && let Some(fate) = closing::after_the_peers(self)
        {
            return fate;
        }
        match self.walk(self.stretches()) {
            Ok(own) => reset::by_the_peers_death(self, own),
            Err(because) => Fate::Unknown { because },
        }
    }

    fn beyond_the_theory(&self) -> Option<Fate> {
        let [own, peer] = [self.end, self.peer_end()].map(|end| self.scene.traffic(end).reply);
        let sends = |end: End| !self.scene.writes.get(end).is_empty() || self.scene.fills(end);
        if own && peer && End::BOTH.into_iter().any(sends) {
            return Some(Fate::unknown("both ends reply to each other without end"));
        }
        if own && self.scene.fills(self.peer_end()) {
            return Some(Fate::unknown("how far it is with replies to a stream without pause is not known"));
        }
        None
    }

    /// The stretches in which this end may meet something: those without a sound path; and from the peer's end on.
    fn stretches(&self) -> Result<Vec<(Stretch<'a>, bool)>, String> {
        let broken = self.timeline.broken();
        let Some(over) = self.peer_over() else {
            return Ok(broken.into_iter().map(|stretch| (stretch, false)).collect());
        };
        let mut stretches = Vec::new();
        for stretch in broken {
            if surely_before(over, stretch.from) {
                break;
            }
            match stretch.until {
                Some((until, _)) if surely_before(until, over) => {
                    stretches.push((stretch, false));
                    continue;
                }
                Some((until, anchor)) if overlap(until, over) && !self.follows_the_peer(anchor) => {
                    return Err(format!(
                        "whether the path is mended before the {} is gone is not certain",
                        self.peer_end()
                    ));
                }
                _ => {}
            }
            let endless = Stretch { from: stretch.from, ..self.timeline.from(stretch.from) };
            stretches.push((endless, true));
            return Ok(stretches);
        }
        let by_its_own_timer = matches!(self.peer, Some(Fate::Dies { death: Some(_), .. }));
        if by_its_own_timer && !stretches.is_empty() && !self.scene.is_silent(self.end) {
            // It had something in flight, and sent nothing else.
            return Err(format!(
                "what the {} says from the mending of the path to its end is not certain",
                self.peer_end()
            ));
        }
        stretches.push((self.timeline.from(over), true));
        Ok(stretches)
    }

    fn follows_the_peer(&self, anchor: Anchor) -> bool {
        matches!(anchor, Anchor::Event(end, _) if end == self.peer_end())
    }

    /// Goes through the stretches one by one.
    fn walk(&self, stretches: Result<Vec<(Stretch<'a>, bool)>, String>) -> Result<Fate, String> {
        let mut mended = Window::exactly(Duration::ZERO);
        let mut touched = None;
        for (stretch, peer_is_gone) in stretches? {
            if stretch.from.min < mended.max {
                return Err("the path breaks again before the last break is mended".to_owned());
            }
            let passed = match self.meets(&stretch, mended)? {
                None => Passed::Untouched,
                Some(chain) if peer_is_gone => reset::or_death(self, &stretch, &chain)?,
                Some(chain) => self.outlasts(&stretch, chain)?,
            };
            match passed {
                Passed::Over(fate) => return Ok(fate),
                Passed::Mended { by } => {
                    mended = by;
                    touched = Some(by);
                }
                Passed::Untouched => {}
            }
        }
        Ok(Fate::Lives { why: self.why_it_lives(touched) })
    }

    fn why_it_lives(&self, touched: Option<Window>) -> String {
        if let Some(by) = touched {
            return format!("the path is mended before its time is over: it is heard again at {by}");
        }
        if self.timeline.broken().is_empty() && self.peer.is_none() {
            return "nothing breaks its connection".to_owned();
        }
        let what = if self.scene.is_silent(self.end) {
            "it sends nothing and has no keepalive"
        } else {
            "it has nothing to send while the path is broken, and no keepalive watches then"
        };
        format!("{what}: nothing tells it")
    }

    /// What this end's kernel does in a stretch, and when it gives up.
    fn meets(&self, stretch: &Stretch<'a>, mended: Window) -> Result<Option<Chain>, String> {
        let write = flight::first_write(self, stretch)?;
        self.acknowledges_in_peace(stretch)?;
        if !self.scene.has_keepalive(self.end) {
            return write.map(|write| flight::chain(self, stretch, write)).transpose();
        }
        let silent = silence::chain(self, stretch, mended);
        match write {
            None => silent.map(Some),
            Some(write) => self.writes_while_keepalive_probes(stretch, write, silent?).map(Some),
        }
    }

    /// An acknowledgement that a rule answers with a RST ends the connection too.
    fn acknowledges_in_peace(&self, stretch: &Stretch<'a>) -> Result<(), String> {
        let answered =
            |epoch: &&Epoch| matches!(epoch.line(self.end), Way::Rejected(RejectWith::TcpReset, ..));
        let acknowledges = self.peer_may_write_in(stretch) || self.scene.has_keepalive(self.peer_end());
        match self.while_the_peer_lives(stretch).find(answered) {
            Some(_) if acknowledges => Err(format!(
                "when a rule's RST answers an acknowledgement of the {} is not part of the theory",
                self.end
            )),
            _ => Ok(()),
        }
    }

    /// Keepalive may give up before the first write; after that it is silent.
    fn writes_while_keepalive_probes(
        &self,
        stretch: &Stretch<'a>,
        write: Window,
        silent: Chain,
    ) -> Result<Chain, String> {
        if let Ending::Dies { at, .. } | Ending::Reset { at, .. } = &silent.ending {
            if surely_before(*at, write) {
                return Ok(silent);
            }
            if overlap(*at, write) {
                return Err(
                    "whether keepalive gives up before the next write depends on the phase of its timer"
                        .to_owned(),
                );
            }
        }
        let mut chain = flight::chain(self, stretch, write)?;
        let probes: Vec<_> = silent.attempts.into_iter().filter(|probe| probe.at.min <= write.max).collect();
        if chain.counts_probes && !probes.is_empty() {
            return Err("the probes of keepalive count as attempts to send what is refused".to_owned());
        }
        chain.attempts.splice(0..0, probes);
        Ok(chain)
    }

    /// Does it outlast a stretch through which its peer lives?
    fn outlasts(&self, stretch: &Stretch<'a>, chain: Chain) -> Result<Passed, String> {
        let until = stretch.until.map(|(until, _)| until);
        let (at, death, why) = match chain.ending {
            Ending::Dies { at, death, why } => (at, death, why),
            Ending::Reset { at, why } => return Ok(reset::told(at, why)),
            Ending::Never => {
                // Whatever it does without end gets through some time; when, only its attempts tell.
                let mended =
                    |until: Window| chain.attempts.iter().find(|attempt| attempt.at.min >= until.max);
                let by = until.and_then(mended);
                return Ok(by.map_or(Passed::Untouched, |attempt| Passed::Mended { by: attempt.at }));
            }
        };
        let over = Passed::Over(Fate::Dies { at, errno: death.errno, death: Some(death), why });
        let Some(until) = until.filter(|until| !surely_before(at, *until)) else { return Ok(over) };
        let mut tries: Vec<Window> = chain.attempts.iter().map(|attempt| attempt.at).collect();
        if chain.writes_try {
            let writes = self.scene.writes.get(self.end).first_after(until, Duration::ZERO);
            tries.extend([writes.possible, writes.certain].into_iter().flatten().map(by_application));
        }
        tries.retain(|attempt| attempt.min < at.max);
        let possible =
            tries.iter().filter(|attempt| attempt.max >= until.min).map(|attempt| attempt.min).min();
        let certain =
            tries.iter().filter(|attempt| attempt.min >= until.max).map(|attempt| attempt.max).min();
        match (possible, certain) {
            (Some(possible), Some(max)) if max < at.min => {
                Ok(Passed::Mended { by: Window { min: possible.max(until.min), max } })
            }
            (None, _) if !self.peer_may_speak() && !waits_for_a_neighbour(stretch) => Ok(over),
            _ => {
                Err("whether it gives up before the path is mended depends on the phase of its timers"
                    .to_owned())
            }
        }
    }

    fn peer_may_speak(&self) -> bool {
        self.scene.fills(self.peer_end()) || !self.scene.writes_when_well(self.peer_end()).is_empty()
    }
}
