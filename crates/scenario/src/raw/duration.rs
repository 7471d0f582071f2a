//! Durations as people write them, and the bounds of each kind.

use std::ops::Range;
use std::time::Duration;

use crate::error::Finding;

/// What the JSON Schema says of durations; the reader itself is humantime.
pub(crate) const DURATION_PATTERN: &str = r"^\s*([0-9]+(\.[0-9]+)?\s*[a-zA-Zµ]+\s*)+$";

/// Longer than any experiment; also keeps sums of durations far from the end of the clock.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// The durations one key takes: a range, in whole steps.
pub(crate) struct Bounds {
    min: Duration,
    max: Duration,
    step: Duration,
    /// Where the bounds come from.
    because: &'static str,
}

impl Bounds {
    /// Anything from zero to ten years.
    pub(crate) const ANY: Self = Self::from(Duration::ZERO, "");
    /// Anything from one millisecond to ten years.
    pub(crate) const POSITIVE: Self = Self::from(Duration::from_millis(1), "");

    /// From `min` to ten years.
    pub(crate) const fn from(min: Duration, because: &'static str) -> Self {
        Self { min, max: LONGEST, step: Duration::from_nanos(1), because }
    }

    /// Whole seconds.
    pub(crate) const fn seconds(min: u64, max: u64, because: &'static str) -> Self {
        Self {
            min: Duration::from_secs(min),
            max: Duration::from_secs(max),
            step: Duration::from_secs(1),
            because,
        }
    }

    /// Whole milliseconds.
    pub(crate) const fn milliseconds(min: u64, max: u64, because: &'static str) -> Self {
        Self {
            min: Duration::from_millis(min),
            max: Duration::from_millis(max),
            step: Duration::from_millis(1),
            because,
        }
    }

    /// Reads the duration `text` of the key `name`, written at `span`.
    pub(crate) fn read(&self, name: &str, text: &str, span: &Range<usize>) -> Result<Duration, Finding> {
        let duration = parse(name, text, span)?;
        let whole = duration.as_nanos().is_multiple_of(self.step.as_nanos());
        if whole && (self.min..=self.max).contains(&duration) {
            return Ok(duration);
        }
        let message = if duration.is_zero() {
            format!("`{name}` cannot be zero")
        } else if self.max == LONGEST {
            format!("`{name}` must be at least {}", format(self.min))
        } else {
            let step = match self.step.as_nanos() {
                1_000_000_000 => "whole seconds ",
                1_000_000 => "whole milliseconds ",
                _ => "",
            };
            format!("`{name}` must be {step}from {} to {}", format(self.min), format(self.max))
        };
        let finding = Finding::new(span, message);
        Err(if self.because.is_empty() { finding } else { finding.label(self.because) })
    }
}

/// A duration as bounds are written: `90s`.
fn format(duration: Duration) -> String {
    // Seconds and milliseconds are what scenario files are written in: 32767s, not 9h 6m 7s.
    match duration.subsec_millis() {
        _ if !duration.subsec_nanos().is_multiple_of(1_000_000) => {
            humantime::format_duration(duration).to_string()
        }
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

fn parse(name: &str, text: &str, span: &Range<usize>) -> Result<Duration, Finding> {
    let finding = |message: String| Finding::new(span, message);
    let too_long = || finding(format!("`{name}` is longer than 10 years"));
    if text.trim_start().starts_with('-') {
        return Err(finding(format!("`{name}` is negative: a duration counts forward")));
    }
    // humantime panics when a sum ends exactly at the end of its range; numbers this short cannot get there.
    let longest_number = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    if text.len() > 40 || longest_number > 11 {
        return Err(too_long());
    }
    let examples = "write a number with a unit, such as \"500ms\", \"75s\", \"1m 30s\" or \"2h\"";
    let duration = humantime::parse_duration(text).map_err(|error| match error {
        humantime::DurationError::UnknownUnit { unit, .. } if unit.is_empty() => {
            let number = text.trim();
            finding(format!("`{name}` has no unit"))
                .help(format!("write \"{number}s\" for seconds, \"{number}ms\" for milliseconds"))
        }
        humantime::DurationError::UnknownUnit { unit, .. } => {
            finding(format!("`{unit}` is no unit of time")).help("units are ns, us, ms, s, m, h, d")
        }
        humantime::DurationError::Empty => finding(format!("`{name}` is an empty text")).help(examples),
        humantime::DurationError::NumberOverflow => {
            finding(format!("`{name}` is too long or too fine")).help("from 1ns to 10 years")
        }
        _ => finding(format!("\"{text}\" is no duration")).help(examples),
    })?;
    if duration > LONGEST { Err(too_long()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bounds: &Bounds, text: &str) -> Result<Duration, String> {
        bounds.read("x", text, &(0..0)).map_err(|finding| finding.message)
    }

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, milliseconds) in
            [("500ms", 500), ("75s", 75_000), ("1m 30s", 90_000), ("2h", 7_200_000), ("0.5s", 500)]
        {
            assert_eq!(read(&Bounds::ANY, text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_no_clock_counts_is_refused_without_panic() {
        let overflows = "18446744073709551615s 1000000000ns";
        for text in
            ["-5s", "75", "", "abc", "5 parsecs", "11y", "99999999999y", overflows, "0.1ns", "٣s", "1µs-"]
        {
            assert!(read(&Bounds::ANY, text).is_err(), "{text}");
        }
    }

    #[test]
    fn bounds_hold_at_both_ends() {
        let keepalive = Bounds::seconds(1, 32767, "");
        assert!(read(&keepalive, "1s").is_ok() && read(&keepalive, "32767s").is_ok());
        assert!(read(&keepalive, "0s").is_err() && read(&keepalive, "32768s").is_err());
        assert_eq!(read(&keepalive, "1500ms").unwrap_err(), "`x` must be whole seconds from 1s to 32767s");
        assert_eq!(read(&Bounds::POSITIVE, "0s").unwrap_err(), "`x` cannot be zero");
    }
}
