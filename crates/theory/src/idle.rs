//! The silence that an application notices by its own timer.

use std::time::Duration;

use tcp_timers::Window;

use crate::fate::View;
use crate::span::by_application;
use crate::timeline::Epoch;
use crate::way::Way;

/// How many writes of the peer are looked at, at most.
const PATIENCE: usize = 100_000;

/// When this end's application first notices that it received nothing for its `idle_timeout`; `None` if never, or if
/// that is not certain.
pub(crate) fn first_idle(view: &View) -> Option<Window> {
    let timeout = view.scene.traffic(view.end).idle_timeout?;
    let peer = view.end.peer();
    if view.scene.fills(peer) || !view.scene.traffic(view.end).read {
        return None;
    }
    let writes = view.scene.writes_when_well(peer);
    let mut heard = Window::exactly(Duration::ZERO);
    let mut from = Duration::ZERO;
    for _ in 0..PATIENCE {
        let idle = Window {
            min: heard.min.saturating_add(timeout),
            max: by_application(heard.max.saturating_add(timeout)).max,
        };
        let Some(due) = writes.first_from(from) else { return Some(idle) };
        let write = by_application(due);
        if write.min > idle.max {
            return Some(idle);
        }
        let sound: Vec<bool> = view.timeline.during(write).map(Epoch::is_sound).collect();
        let arrives = view.timeline.during(write).all(|epoch| epoch.line(peer) == Way::Passes);
        if sound.iter().all(|sound| *sound) {
            if write.max >= idle.min {
                return None;
            }
            heard = write;
        } else if arrives {
            // It arrives, but what is sent after it without an acknowledgement is not certain.
            return None;
        } else if sound.contains(&true) {
            heard.max = write.max;
        }
        from = due.checked_add(Duration::from_nanos(1))?;
    }
    None
}
