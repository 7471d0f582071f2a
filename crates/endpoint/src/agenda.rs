//! What an end does by its own timers.

use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_scenario::program::{Send, Traffic};

/// The own timers of one connection. All moments are absolute: a late one shifts none of the later.
#[derive(Debug)]
pub(crate) struct Agenda {
    connected: Monotonic,
    sends: Vec<Planned>,
    silence: Option<Silence>,
    close: Option<Monotonic>,
}

#[derive(Debug)]
struct Planned {
    due: Monotonic,
    period: Option<Duration>,
    what: Payload,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// These bytes.
    Text(String),
    /// So many bytes of no matter what content.
    Filler(u32),
}

#[derive(Debug)]
struct Silence {
    timeout: Duration,
    since: Monotonic,
    told: bool,
}

/// Something that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Send this.
    Send(Payload),
    /// Nothing was received for `idle_timeout`.
    Idle,
    /// Close.
    Close,
}

impl Agenda {
    /// The timers of a connection that came up at `connected`.
    pub(crate) fn new(traffic: &Traffic, connected: Monotonic) -> Self {
        let sends = traffic.sends.iter().filter_map(|send| match send {
            Send::Every { period, bytes } => Some(Planned {
                due: connected + *period,
                period: Some(*period),
                what: Payload::Filler(*bytes),
            }),
            Send::Once { text } => {
                Some(Planned { due: connected, period: None, what: Payload::Text(text.clone()) })
            }
            Send::At { at, bytes } => {
                Some(Planned { due: connected + *at, period: None, what: Payload::Filler(*bytes) })
            }
            // Waits for room, not for a time.
            Send::Fill => None,
        });
        Self {
            connected,
            sends: sends.collect(),
            silence: traffic.idle_timeout.map(|timeout| Silence { timeout, since: connected, told: false }),
            close: traffic.close_at.map(|at| connected + at),
        }
    }

    /// When something is due next.
    pub(crate) fn next(&self) -> Option<Monotonic> {
        let sends = self.sends.iter().map(|planned| planned.due);
        sends.chain(self.idle_due()).chain(self.close).min()
    }

    /// What is due at `now`, the earliest first; `None` when nothing is left.
    ///
    /// A periodic send that missed several of its moments is due once and then at its next moment.
    pub(crate) fn take_due(&mut self, now: Monotonic) -> Option<Due> {
        let earliest = self.next().filter(|due| *due <= now)?;
        if let Some(index) = self.sends.iter().position(|planned| planned.due == earliest) {
            return Some(Due::Send(self.take_send(index, now)));
        }
        if self.idle_due() == Some(earliest) {
            if let Some(silence) = &mut self.silence {
                silence.told = true;
            }
            return Some(Due::Idle);
        }
        self.close = None;
        Some(Due::Close)
    }

    /// Data was received: the silence starts anew.
    pub(crate) const fn received(&mut self, at: Monotonic) {
        if let Some(silence) = &mut self.silence {
            silence.since = at;
            silence.told = false;
        }
    }

    /// Nothing is due any more.
    pub(crate) fn clear(&mut self) {
        self.sends.clear();
        self.silence = None;
        self.close = None;
    }

    fn idle_due(&self) -> Option<Monotonic> {
        self.silence.as_ref().filter(|silence| !silence.told).map(|silence| silence.since + silence.timeout)
    }

    fn take_send(&mut self, index: usize, now: Monotonic) -> Payload {
        match self.sends[index].period {
            Some(period) => {
                let planned = &mut self.sends[index];
                planned.due = next_multiple(self.connected, period, now);
                planned.what.clone()
            }
            None => self.sends.remove(index).what,
        }
    }
}

/// The first moment after `now` that is a whole number of periods after `origin`.
fn next_multiple(origin: Monotonic, period: Duration, now: Monotonic) -> Monotonic {
    let period = period.as_nanos().max(1);
    let periods = (now - origin).as_nanos() / period + 1;
    origin + Duration::from_nanos(u64::try_from(periods * period).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Monotonic = Monotonic::from_nanos(5_000_000_000);

    fn at(milliseconds: u64) -> Monotonic {
        START + Duration::from_millis(milliseconds)
    }

    fn agenda(traffic: &Traffic) -> Agenda {
        Agenda::new(traffic, START)
    }

    fn every_500_ms() -> Send {
        Send::Every { period: Duration::from_millis(500), bytes: 13 }
    }

    #[test]
    fn a_period_keeps_its_moments_when_one_is_late() {
        let mut agenda = agenda(&Traffic { sends: vec![every_500_ms()], ..Traffic::default() });
        assert_eq!(agenda.next(), Some(at(500)));
        assert_eq!(agenda.take_due(at(499)), None);
        assert_eq!(agenda.take_due(at(730)), Some(Due::Send(Payload::Filler(13))));
        assert_eq!(agenda.next(), Some(at(1000)));
    }

    #[test]
    fn missed_periods_make_no_burst() {
        let mut agenda = agenda(&Traffic { sends: vec![every_500_ms()], ..Traffic::default() });
        assert_eq!(agenda.take_due(at(2600)), Some(Due::Send(Payload::Filler(13))));
        assert_eq!(agenda.take_due(at(2600)), None);
        assert_eq!(agenda.next(), Some(at(3000)));
    }

    #[test]
    fn what_is_due_comes_in_order_of_time() {
        let mut agenda = agenda(&Traffic {
            sends: vec![
                Send::At { at: Duration::from_millis(300), bytes: 7 },
                every_500_ms(),
                Send::Once { text: "hello".into() },
            ],
            idle_timeout: Some(Duration::from_millis(400)),
            close_at: Some(Duration::from_millis(600)),
            ..Traffic::default()
        });
        let due: Vec<_> = std::iter::from_fn(|| agenda.take_due(at(700))).collect();
        let expected = [
            Due::Send(Payload::Text("hello".into())),
            Due::Send(Payload::Filler(7)),
            Due::Idle,
            Due::Send(Payload::Filler(13)),
            Due::Close,
        ];
        assert_eq!(due, expected);
    }

    #[test]
    fn idle_is_due_once_for_each_silence() {
        let idle_timeout = Some(Duration::from_millis(100));
        let mut agenda = agenda(&Traffic { idle_timeout, ..Traffic::default() });
        agenda.received(at(60));
        assert_eq!(agenda.take_due(at(150)), None);
        assert_eq!(agenda.take_due(at(160)), Some(Due::Idle));
        assert_eq!((agenda.take_due(at(900)), agenda.next()), (None, None));
        agenda.received(at(1000));
        assert_eq!(agenda.next(), Some(at(1100)));
    }
}
