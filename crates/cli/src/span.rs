//! Spans of time in words: `742.9 s`, `13 min 6 s`.

use std::fmt::Display;
use std::time::Duration;

/// A span for people who wait: whole seconds, the two largest units. `13 min 6 s`, `2 h 13 min`, `40 s`.
pub(crate) fn rough(span: Duration) -> String {
    let seconds = span.as_secs() + u64::from(span.subsec_millis() >= 500);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match (hours, minutes, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// A measured figure: `742.9 s`, below 10 s `5.09 s`.
pub(crate) fn measured(seconds: f64) -> String {
    if seconds.abs() < 10.0 { format!("{seconds:.2} s") } else { format!("{seconds:.1} s") }
}

/// A number of things: `1 packet`, `2 packets`.
pub(crate) fn counted(number: impl Copy + Display + PartialEq + From<u8>, thing: &str) -> String {
    if number == 1.into() { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// A duration as scenario files write it: `1m 15s`.
pub(crate) fn written(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_show_their_two_largest_units() {
        let words = |seconds| rough(Duration::from_secs(seconds));
        assert_eq!(words(0), "0 s");
        assert_eq!(words(59), "59 s");
        assert_eq!(words(60), "1 min");
        assert_eq!(words(786), "13 min 6 s");
        assert_eq!(words(7200), "2 h");
        assert_eq!(words(7999), "2 h 13 min");
        assert_eq!(rough(Duration::from_millis(59_600)), "1 min");
    }

    #[test]
    fn short_figures_have_two_decimals() {
        assert_eq!(measured(742.93), "742.9 s");
        assert_eq!(measured(5.094), "5.09 s");
    }
}
