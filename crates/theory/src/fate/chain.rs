//! What a kernel does about a dead path: a row of attempts, and when it gives up.

use tcp_timers::{Answer, Death, Errno, Window};

use crate::segment::Kind;
use crate::span::sum;

/// What the kernel of one end does while nothing comes back.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// What it sends, or tries to.
    pub(crate) attempts: Vec<Emission>,
    /// Does each write of the application try at once?
    pub(crate) writes_try: bool,
    /// Does it count in `icsk_probes_out`, as keepalive does?
    pub(crate) counts_probes: bool,
    /// How it ends if nothing ever comes back.
    pub(crate) ending: Ending,
}

impl Chain {
    /// One of two that differ by something unknown: all attempts of both, and a death between the first and the last.
    pub(crate) fn or(mut self, other: Self) -> Self {
        self.attempts.extend(other.attempts);
        self.attempts.sort_by_key(|attempt| attempt.at.min);
        if let (Ending::Dies { at, .. }, Ending::Dies { at: also, .. }) = (&mut self.ending, &other.ending) {
            *at = at.hull(*also);
        }
        self
    }
}

/// A segment that is sent, or tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Emission {
    pub(crate) at: Window,
    pub(crate) kind: Kind,
}

/// How a chain of attempts ends.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// The kernel gives up.
    Dies { at: Window, death: Death, why: String },
    /// A rule answers the first attempt with a RST.
    Reset { at: Window, why: String },
    /// It never does.
    Never,
}

/// An answer of the theory of timers, counted from `from`, as a chain.
pub(crate) fn chain(
    answer: Answer,
    from: Window,
    kind: Kind,
    why: impl FnOnce(&Death) -> String,
) -> Result<Chain, String> {
    match answer {
        Answer::Dies(death) => {
            let attempts = death.attempts.iter();
            let attempts = attempts.map(|attempt| Emission { at: sum(from, attempt.at), kind }).collect();
            let why = why(&death);
            let ending = Ending::Dies { at: sum(from, death.at), death, why };
            Ok(Chain { attempts, writes_try: false, counts_probes: false, ending })
        }
        Answer::LivesForEver { .. } => {
            Ok(Chain { attempts: Vec::new(), writes_try: false, counts_probes: false, ending: Ending::Never })
        }
        Answer::Unpredicted { because } => Err(because),
    }
}

/// Two answers to one question that differ by something unknown: a death between the first and the last of both.
pub(crate) fn either(one: Answer, other: Answer) -> Answer {
    match (one, other) {
        (Answer::Dies(one), Answer::Dies(other)) if one.errno == other.errno && one.timer == other.timer => {
            let (shorter, longer) =
                if one.attempts.len() <= other.attempts.len() { (one, other) } else { (other, one) };
            let mut merged = longer;
            merged.at = merged.at.hull(shorter.at);
            for (attempt, also) in merged.attempts.iter_mut().zip(&shorter.attempts) {
                attempt.at = attempt.at.hull(also.at);
            }
            merged.tells_peer &= shorter.tells_peer;
            Answer::Dies(merged)
        }
        (_, other @ Answer::Unpredicted { .. }) => other,
        (one @ Answer::Unpredicted { .. }, _)
        | (one @ Answer::LivesForEver { .. }, Answer::LivesForEver { .. }) => one,
        _ => Answer::Unpredicted { because: "how it ends depends on the phase of its timers".to_owned() },
    }
}

/// The same death with another error: what ICMP told meanwhile (`sk_err_soft`).
pub(crate) fn with_errno(answer: Answer, errno: Errno) -> Answer {
    match answer {
        Answer::Dies(death) => Answer::Dies(Death { errno, ..death }),
        other => other,
    }
}
