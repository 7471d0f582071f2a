//! Moments of a cell, as windows.
//!
//! A moment counts from the client's `connect()`; both ends are connected then, but for microseconds.

use std::time::Duration;

use tcp_timers::Window;

/// How late an application does what its own timer asked for, or a fault strikes: event loops wake on whole
/// milliseconds, and two programs and a scheduler take their time.
const APPLICATION: Duration = Duration::from_millis(5);

/// How late a fault is in force: the timer thread of the laboratory wakes within some 0.1 ms, the kernel takes some tens
/// of microseconds, and the fault counts from the end that was connected later.
const FAULT: Duration = Duration::from_millis(2);

/// How long it takes until an application is told what its kernel has decided.
const TOLD: Duration = Duration::from_millis(1);

/// The moment at which an application learns what its kernel decided then.
pub(crate) fn told(at: Window) -> Window {
    Window { min: at.min, max: at.max.saturating_add(TOLD) }
}

/// The moment at which an application's timer asked for something.
pub(crate) fn by_application(at: Duration) -> Window {
    Window { min: at, max: at.saturating_add(APPLICATION) }
}

/// The moment at which a fault is in force that was due `plus` after `anchor`.
pub(crate) fn fault_after(anchor: Window, plus: Duration) -> Window {
    Window {
        min: anchor.min.saturating_add(plus),
        max: anchor.max.saturating_add(plus).saturating_add(FAULT),
    }
}

/// The sum: `what` counts from `from`.
pub(crate) fn sum(from: Window, what: Window) -> Window {
    Window { min: from.min.saturating_add(what.min), max: from.max.saturating_add(what.max) }
}

/// From one moment to another, which may fall before it by no more than the windows allow.
pub(crate) fn between(from: Window, to: Window) -> Window {
    Window { min: to.min.saturating_sub(from.max), max: to.max.saturating_sub(from.min) }
}

/// Is all of `early` before all of `late`?
pub(crate) fn surely_before(early: Window, late: Window) -> bool {
    early.max < late.min
}

/// Can the two be at one moment?
pub(crate) fn overlap(one: Window, other: Window) -> bool {
    one.min <= other.max && other.min <= one.max
}

/// That part of a window that is not before `at`.
pub(crate) fn not_before(window: Window, at: Duration) -> Window {
    Window { min: window.min.max(at), max: window.max.max(at) }
}
