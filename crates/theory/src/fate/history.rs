//! What a keepalive timer had lived through when the last segment arrived: that decides at which phase it goes on.

use std::time::Duration;

use tcp_timers::wheel::granularity;
use tcp_timers::{Answer, Keepalive, Loss, Silence, Socket, Window, keepalive};

use super::View;
use super::chain::either;
use crate::span::between;
use crate::traffic::Writes;

/// How much later than expected something may arrive and still count as in time.
const LATE: Duration = Duration::from_millis(10);

/// What is known of the time from the arming of the timer to the last segment that arrived.
pub(super) struct History {
    /// How long that was.
    armed_before: Vec<Window>,
    /// Segments arrived this far apart.
    stream: Option<Duration>,
}

impl History {
    /// The history of a socket that last heard something at `heard`; `mended`: an earlier break was over then; `again`: what
    /// arrived between the last write and that.
    pub(super) fn new(view: &View, heard: Window, mended: Window, again: &[Window]) -> Result<Self, String> {
        let exact = between(Window::exactly(Duration::ZERO), heard);
        let known = |stream| Ok(Self { armed_before: vec![exact], stream });
        let own = view.scene.writes_when_well(view.end);
        let writes = own.and(&view.scene.writes_when_well(view.end.peer()));
        if mended.max.is_zero() && again.is_empty() {
            if heard.max.is_zero() {
                return known(None);
            }
            if let Some(period) = writes.is_one_stream() {
                return known(Some(period));
            }
            let last = writes.last_until(heard.max).unwrap_or_default();
            let before = last.checked_sub(Duration::from_nanos(1)).and_then(|at| writes.last_until(at));
            if before.is_none_or(|before| before.is_zero()) {
                return known(None);
            }
        }
        let socket = view.scene.socket(view.end)?;
        let Some(Keepalive { idle, interval, .. }) = socket.options.keepalive else { return known(None) };
        let silent = !mended.max.is_zero() || has_gap(&writes, heard, again, idle);
        if interval > idle && silent {
            return Err("which of its timers ran as the last segment arrived is not certain".to_owned());
        }
        // The timer is always armed for less than `idle`: at any time before, and so rounded in any way.
        let hz = socket.kernel.hz;
        let (tick, late) = (Duration::from_secs(1) / hz.max(1), granularity(hz, idle));
        let before = [Duration::ZERO, tick * 2, late, late * 2, idle / 2, idle.saturating_sub(tick * 2)];
        let before = before.into_iter().filter(|before| *before < idle);
        Ok(Self { armed_before: before.map(Window::exactly).collect(), stream: None })
    }

    /// When keepalive gives up, from the last segment that arrived on.
    pub(super) fn keepalive(
        &self,
        socket: &Socket,
        losses: &[Loss],
        answered: [Duration; 2],
    ) -> Option<Answer> {
        let answered = if answered[0] == answered[1] { &answered[..1] } else { &answered[..] };
        let cases = self.armed_before.iter().flat_map(|armed| {
            losses
                .iter()
                .flat_map(move |loss| answered.iter().map(move |answered| (*armed, *loss, *answered)))
        });
        let answers = cases.map(|(armed_before, loss, answered_for)| {
            keepalive(socket, &Silence { armed_before, stream: self.stream, answered_for, loss })
        });
        answers.reduce(either)
    }

    /// How many times the kernel's algorithm is followed, and how finely.
    pub(super) fn cost(&self, tick: Duration) -> (u128, Duration) {
        let beginnings =
            self.armed_before.iter().map(|armed| armed.width().as_nanos() / tick.as_nanos().max(1) + 2).sum();
        (beginnings, self.stream.map_or(tick, |every| every.min(tick)))
    }
}

/// Was nothing heard for so long at some time that a probe may have been sent?
fn has_gap(writes: &Writes, heard: Window, again: &[Window], idle: Duration) -> bool {
    let mut arrivals = vec![Window::exactly(Duration::ZERO)];
    if writes.period().is_none_or(|period| period + LATE >= idle) {
        let mut from = Duration::ZERO;
        while let Some(at) = writes.first_from(from).filter(|at| *at <= heard.max) {
            arrivals.push(Window { min: at, max: at + LATE });
            from = at + Duration::from_nanos(1);
        }
    }
    arrivals.extend(again);
    arrivals.windows(2).any(|two| two[1].max.saturating_sub(two[0].min) >= idle)
}
