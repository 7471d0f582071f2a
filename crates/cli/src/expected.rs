//! What a scenario expects of an end, in words.

use keepalive_lab_scenario::expect::{Expectation, Window};

/// `ETIMEDOUT on read after 730-760 s`; `alive`.
pub(crate) fn words(expectation: &Expectation) -> String {
    let Expectation { outcome, errno, syscall, within, silent_within } = expectation;
    let how = errno.clone().or_else(|| outcome.map(|outcome| outcome.to_string()));
    let syscall = syscall.as_ref().map(|syscall| format!("on {syscall}"));
    let within = within.as_ref().map(|window| format!("after {}", span(window)));
    let parts = [how, syscall, within, silent_within.as_ref().map(silent)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Only its windows, `730-760 s`; `None` where it has none.
pub(crate) fn windows(expectation: &Expectation) -> Option<String> {
    let Expectation { within, silent_within, .. } = expectation;
    let windows: Vec<_> =
        within.as_ref().map(span).into_iter().chain(silent_within.as_ref().map(silent)).collect();
    (!windows.is_empty()).then(|| windows.join(" "))
}

fn silent(window: &Window) -> String {
    format!("silent {}", span(window))
}

fn span(window: &Window) -> String {
    format!("{}-{} s", window.min.as_secs_f64(), window.max.as_secs_f64())
}
