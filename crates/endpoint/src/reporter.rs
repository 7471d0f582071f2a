//! Turns what an end does into events, not more than a reader can use.

use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_scenario::end::End;

use crate::event::{EndpointEvent, EndpointEventKind, EventSink};
use crate::option::OptionInForce;

/// Traffic is told at most once in this time, so that a stream of gigabytes stays readable (and fits
/// in memory): 100 events a second and direction.
pub(crate) const TRAFFIC_GAP: Duration = Duration::from_millis(10);

/// The voice of one end.
#[derive(Debug)]
pub(crate) struct Reporter {
    end: End,
    sink: EventSink,
    sent: Traffic,
    received: Traffic,
    full: Option<Full>,
}

/// One direction.
#[derive(Debug, Default)]
struct Traffic {
    bytes_total: u64,
    last: Option<Monotonic>,
    told: Option<Monotonic>,
    untold_bytes: u64,
    untold_calls: u32,
}

/// A send buffer without room.
#[derive(Debug)]
struct Full {
    since: Monotonic,
    unacknowledged_bytes: u32,
    told: bool,
}

impl Traffic {
    /// Counts; true where it is to be told at once.
    fn count(&mut self, at: Monotonic, bytes: usize) -> bool {
        self.bytes_total += bytes as u64;
        self.untold_bytes += bytes as u64;
        self.untold_calls += 1;
        self.last = Some(at);
        self.told.is_none_or(|told| at - told >= TRAFFIC_GAP)
    }

    /// What was not told yet: when its last part came, bytes, calls.
    fn take(&mut self) -> Option<(Monotonic, u64, u32)> {
        let at = self.last.filter(|_| self.untold_calls > 0)?;
        self.told = Some(at);
        Some((at, std::mem::take(&mut self.untold_bytes), std::mem::take(&mut self.untold_calls)))
    }

    fn due(&self) -> Option<Monotonic> {
        self.told.filter(|_| self.untold_calls > 0).map(|told| told + TRAFFIC_GAP)
    }
}

impl Reporter {
    pub(crate) fn new(end: End, sink: EventSink) -> Self {
        Self { end, sink, sent: Traffic::default(), received: Traffic::default(), full: None }
    }

    /// Which end speaks.
    pub(crate) const fn end(&self) -> End {
        self.end
    }

    /// Tells, after all that came before.
    pub(crate) fn tell(&mut self, at: Monotonic, what: EndpointEventKind) {
        self.flush();
        self.emit(at, what);
    }

    /// Tells each option.
    pub(crate) fn tell_options(&mut self, at: Monotonic, options: &[OptionInForce]) {
        for option in options {
            self.tell(at, EndpointEventKind::OptionInForce(*option));
        }
    }

    /// `bytes` were handed to the kernel.
    pub(crate) fn sent(&mut self, at: Monotonic, bytes: usize) {
        self.full = None;
        if self.sent.count(at, bytes) {
            self.flush();
        }
    }

    /// `bytes` were read.
    pub(crate) fn received(&mut self, at: Monotonic, bytes: usize) {
        if self.received.count(at, bytes) {
            self.flush();
        }
    }

    /// The send buffer has no room. Repeated calls count as one until something was sent.
    pub(crate) fn buffer_full(&mut self, since: Monotonic, unacknowledged_bytes: impl FnOnce() -> u32) {
        if self.full.is_none() {
            let unacknowledged_bytes = unacknowledged_bytes();
            self.full = Some(Full { since, unacknowledged_bytes, told: false });
        }
    }

    /// When [`Reporter::tell_due`] has something to tell next.
    pub(crate) fn due(&self) -> Option<Monotonic> {
        let full = self.full.as_ref().filter(|full| !full.told).map(|full| full.since + TRAFFIC_GAP);
        [self.sent.due(), self.received.due(), full].into_iter().flatten().min()
    }

    /// Tells what has waited long enough.
    pub(crate) fn tell_due(&mut self, now: Monotonic) {
        if self.due().is_some_and(|due| due <= now) {
            self.flush();
        }
    }

    /// Bytes handed to the kernel so far.
    pub(crate) const fn bytes_sent(&self) -> u64 {
        self.sent.bytes_total
    }

    /// Bytes read so far.
    pub(crate) const fn bytes_received(&self) -> u64 {
        self.received.bytes_total
    }

    /// When data was last read.
    pub(crate) const fn last_received(&self) -> Option<Monotonic> {
        self.received.last
    }

    fn flush(&mut self) {
        let sent = self.sent.take().map(|(at, bytes, calls)| (at, EndpointEventKind::Sent { bytes, calls }));
        let received =
            self.received.take().map(|(at, bytes, calls)| (at, EndpointEventKind::Received { bytes, calls }));
        let full = self.full.as_mut().filter(|full| !full.told).map(|full| {
            full.told = true;
            (full.since, EndpointEventKind::BufferFull { unacknowledged_bytes: full.unacknowledged_bytes })
        });
        let mut waiting: Vec<_> = [received, sent, full].into_iter().flatten().collect();
        waiting.sort_by_key(|(at, _)| *at);
        for (at, what) in waiting {
            self.emit(at, what);
        }
    }

    fn emit(&self, at: Monotonic, what: EndpointEventKind) {
        // Nobody listening is no reason to behave otherwise: the summary still counts.
        let _unheard = self.sink.send(EndpointEvent { at, end: self.end, what });
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    fn at(milliseconds: u64) -> Monotonic {
        Monotonic::from_nanos(milliseconds * 1_000_000)
    }

    fn reporter() -> (Reporter, UnboundedReceiver<EndpointEvent>) {
        let (sink, events) = unbounded_channel();
        (Reporter::new(End::Client, sink), events)
    }

    fn told(events: &mut UnboundedReceiver<EndpointEvent>) -> Vec<(Monotonic, EndpointEventKind)> {
        std::iter::from_fn(|| events.try_recv().ok()).map(|event| (event.at, event.what)).collect()
    }

    #[test]
    fn quiet_traffic_is_told_at_once_and_dense_traffic_in_sums() {
        let (mut reporter, mut events) = reporter();
        reporter.sent(at(0), 13);
        reporter.sent(at(50), 13);
        let single = EndpointEventKind::Sent { bytes: 13, calls: 1 };
        assert_eq!(told(&mut events), [(at(0), single.clone()), (at(50), single)]);
        reporter.sent(at(52), 10);
        reporter.sent(at(54), 20);
        assert_eq!(told(&mut events), []);
        assert_eq!(reporter.due(), Some(at(60)));
        reporter.tell_due(at(60));
        assert_eq!(told(&mut events), [(at(54), EndpointEventKind::Sent { bytes: 30, calls: 2 })]);
        assert_eq!((reporter.due(), reporter.bytes_sent()), (None, 56));
    }

    #[test]
    fn events_keep_the_order_of_their_stamps() {
        let (mut reporter, mut events) = reporter();
        for millisecond in 0..5 {
            reporter.received(at(2 * millisecond), 1);
            reporter.sent(at(2 * millisecond + 1), 1);
        }
        reporter.tell(at(9), EndpointEventKind::EndOfStream);
        let stamps: Vec<_> = told(&mut events).into_iter().map(|(at, _)| at).collect();
        assert!(stamps.is_sorted(), "{stamps:?}");
        assert_eq!(stamps.last(), Some(&at(9)));
    }

    #[test]
    fn a_full_buffer_is_told_once_and_only_if_it_stays_full() {
        let (mut reporter, mut events) = reporter();
        reporter.buffer_full(at(1), || 5000);
        reporter.sent(at(3), 1);
        reporter.tell_due(at(100));
        assert_eq!(told(&mut events), [(at(3), EndpointEventKind::Sent { bytes: 1, calls: 1 })]);
        reporter.buffer_full(at(101), || 5000);
        reporter.buffer_full(at(105), || 6000);
        reporter.tell_due(at(111));
        reporter.buffer_full(at(112), || 7000);
        reporter.tell_due(at(200));
        assert_eq!(
            told(&mut events),
            [(at(101), EndpointEventKind::BufferFull { unacknowledged_bytes: 5000 })]
        );
    }
}
