//! What the theory says: how an end dies and when, that it never does, or that this is beyond the theory.

use std::fmt;
use std::time::Duration;

/// The error that the application is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Errno {
    /// `ETIMEDOUT`
    Etimedout,
    /// `ECONNRESET`
    Econnreset,
    /// `ECONNREFUSED`
    Econnrefused,
    /// `EHOSTUNREACH`
    Ehostunreach,
    /// `ENETUNREACH`
    Enetunreach,
    /// `EPIPE`
    Epipe,
    /// `EINVAL`: a blackhole route
    Einval,
    /// `ECONNABORTED`: destroyed by `ss -K`
    Econnaborted,
}

impl Errno {
    /// Its name, as in errno(3).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Etimedout => "ETIMEDOUT",
            Self::Econnreset => "ECONNRESET",
            Self::Econnrefused => "ECONNREFUSED",
            Self::Ehostunreach => "EHOSTUNREACH",
            Self::Enetunreach => "ENETUNREACH",
            Self::Epipe => "EPIPE",
            Self::Einval => "EINVAL",
            Self::Econnaborted => "ECONNABORTED",
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A timer of the kernel's TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// `tcp_keepalive_timer()`
    Keepalive,
    /// `tcp_retransmit_timer()` of an established connection
    Retransmission,
    /// `tcp_probe_timer()`: the window is shut, or nothing could be sent at all
    Persist,
    /// `tcp_send_loss_probe()`
    LossProbe,
    /// `tcp_retransmit_timer()` in `SYN_SENT`
    Syn,
    /// `reqsk_timer_handler()`
    SynAck,
    /// The end of `FIN_WAIT2`
    FinWait2,
}

impl Timer {
    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keepalive => "keepalive",
            Self::Retransmission => "retransmission",
            Self::Persist => "persist",
            Self::LossProbe => "loss probe",
            Self::Syn => "SYN",
            Self::SynAck => "SYN-ACK",
            Self::FinWait2 => "FIN_WAIT2",
        }
    }
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Between when and when something happens, over all phases of the kernel's ticks and timer wheel.
///
/// Both ends are reached, or come as near as one likes: nothing is added for safety, not even the microseconds
/// that a kernel takes to run a timer. Shown as `742.0-744.0 s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// The earliest.
    pub min: Duration,
    /// The latest.
    pub max: Duration,
}

impl Window {
    /// A window of no width.
    pub const fn exactly(at: Duration) -> Self {
        Self { min: at, max: at }
    }

    /// Its width.
    pub const fn width(self) -> Duration {
        self.max.saturating_sub(self.min)
    }

    /// Does it hold this moment?
    pub fn contains(self, at: Duration) -> bool {
        (self.min..=self.max).contains(&at)
    }

    /// The smallest window that holds both.
    pub fn hull(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    /// This window, counted from a moment that lies `by` before the one it counts from now.
    pub fn later(self, by: Duration) -> Self {
        Self { min: self.min + by, max: self.max + by }
    }
}

impl fmt::Display for Window {
    /// With one decimal, and as many more (three at most) as it takes to show its width.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [min, max, width] = [self.min, self.max, self.width()].map(|span| span.as_secs_f64());
        let digits = match width {
            0.2.. => 1,
            0.02.. => 2,
            _ => 3,
        };
        write!(f, "{min:.digits$}-{max:.digits$} s")
    }
}

/// A span in seconds, as people write it: `75 s`, `0.204 s`.
pub(crate) fn seconds(span: Duration) -> String {
    let millis = (span.as_secs_f64() * 1000.0).round() / 1000.0;
    format!("{millis} s")
}

/// A segment that is sent because a timer fired: a probe or a retransmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The timer that sent it.
    pub timer: Timer,
    /// When.
    pub at: Window,
}

/// One summand of the time to a death.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// What it is, in words: `idle 60 s`, `probe 1 of 9: interval 75 s`.
    pub what: String,
    /// What was asked for, without rounding.
    pub nominal: Duration,
    /// How much time has passed when this term is over: the kernel's rounding and all terms before included.
    pub elapsed: Window,
}

/// The end of an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// When.
    pub at: Window,
    /// The error that the application is given.
    pub errno: Errno,
    /// The timer that decided.
    pub timer: Timer,
    /// What was sent in vain before, in order. The windows of two may overlap. If their number depends
    /// on the phase, those that are sent in some phases only are among them.
    pub attempts: Vec<Attempt>,
    /// Does it send a RST, so that a peer that can still be reached learns of it?
    pub tells_peer: bool,
    /// How the time comes about, in order; the last term ends with the death.
    pub terms: Vec<Term>,
}

/// What becomes of an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It dies.
    Dies(Death),
    /// Nothing that was asked about ends it.
    LivesForEver {
        /// Why.
        because: String,
    },
    /// The theory has no answer.
    Unpredicted {
        /// Why.
        because: String,
    },
}

impl Answer {
    pub(crate) fn lives(because: impl Into<String>) -> Self {
        Self::LivesForEver { because: because.into() }
    }

    pub(crate) fn unpredicted(because: impl Into<String>) -> Self {
        Self::Unpredicted { because: because.into() }
    }

    /// The death, if it dies.
    pub const fn death(&self) -> Option<&Death> {
        match self {
            Self::Dies(death) => Some(death),
            Self::LivesForEver { .. } | Self::Unpredicted { .. } => None,
        }
    }
}
