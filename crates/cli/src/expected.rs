//! What a scenario expects of an end, in words.

use keepalive_lab_scenario::expect::{Expectation, Window, Within};

/// `ETIMEDOUT on read after 730-760 s`; `alive`.
pub(crate) fn words(expectation: &Expectation) -> String {
    let Expectation { outcome, errno, syscall, within, silent_within } = expectation;
    let how = errno.clone().or_else(|| outcome.map(|outcome| outcome.to_string()));
    let syscall = syscall.as_ref().map(|syscall| format!("on {syscall}"));
    let within = within.as_ref().map(|within| match within {
        Within::Bounds(window) => format!("after {}", span(window)),
        Within::Predicted => "as predicted".into(),
    });
    let event: Vec<_> = [how, syscall, within].into_iter().flatten().collect();
    let event = (!event.is_empty()).then(|| event.join(" "));
    event.into_iter().chain(silent_within.as_ref().map(silent)).collect::<Vec<_>>().join(", ")
}

/// Only its windows, `730-760 s`; `None` where it has none.
pub(crate) fn windows(expectation: &Expectation) -> Option<String> {
    let Expectation { within, silent_within, .. } = expectation;
    let windows: Vec<_> =
        within.as_ref().map(bounds).into_iter().chain(silent_within.as_ref().map(silent)).collect();
    (!windows.is_empty()).then(|| windows.join(", "))
}

fn bounds(within: &Within) -> String {
    match within {
        Within::Bounds(window) => span(window),
        Within::Predicted => "as predicted".into(),
    }
}

fn silent(window: &Window) -> String {
    format!("silent {}", span(window))
}

fn span(window: &Window) -> String {
    format!("{}-{} s", window.min.as_secs_f64(), window.max.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keepalive_lab_scenario::expect::Outcome;

    use super::*;

    fn window(min: u64, max: u64) -> Window {
        Window { min: Duration::from_millis(min), max: Duration::from_millis(max) }
    }

    #[test]
    fn an_expectation_is_told_in_the_words_of_a_result() {
        let mut expectation = Expectation { outcome: Some(Outcome::Alive), ..Expectation::default() };
        assert_eq!((words(&expectation).as_str(), windows(&expectation)), ("alive", None));
        expectation.errno = Some("ETIMEDOUT".into());
        expectation.syscall = Some("read".into());
        expectation.within = Some(Within::Bounds(window(4000, 4300)));
        expectation.silent_within = Some(window(5000, 6000));
        assert_eq!(words(&expectation), "ETIMEDOUT on read after 4-4.3 s, silent 5-6 s");
        assert_eq!(windows(&expectation).as_deref(), Some("4-4.3 s, silent 5-6 s"));
        let silence = Expectation { silent_within: Some(window(5000, 6000)), ..Expectation::default() };
        assert_eq!(words(&silence), "silent 5-6 s");
    }
}
