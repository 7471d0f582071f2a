//! Keys of a scenario, written with dots: `client.keepalive.idle`.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The path to a value in a scenario: `client.keepalive.idle`, `fault.out.at` or `fault.0.at` (by name
/// or counted from 0), `sysctl.net.ipv4.tcp_retries2` (after `sysctl` and `sweep` the rest is one key).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyPath {
    segments: Vec<Segment>,
}

/// One key of a path, and where it is written (a range over all sources; empty where nowhere).
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) key: String,
    pub(crate) span: Range<usize>,
}

/// Two paths are the same when their keys are, wherever they are written.
impl PartialEq for Segment {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Segment {}

impl std::hash::Hash for Segment {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// A text that is no key path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyPathError {
    /// Nothing, or nothing before, between or after dots.
    #[error("`{0}` is no key: a part between the dots is empty")]
    EmptyPart(String),
}

impl KeyPath {
    /// Parses `text` that stands at `offset` of all sources.
    pub(crate) fn parse_at(text: &str, offset: usize) -> Result<Self, KeyPathError> {
        let mut segments: Vec<Segment> = Vec::new();
        let mut rest = Some((text, offset));
        while let Some((text, offset)) = rest {
            let takes_all = takes_the_rest(segments.iter().map(|segment| segment.key.as_str()));
            let (key, after) = match text.split_once('.') {
                Some((key, after)) if !takes_all => (key, Some((after, offset + key.len() + 1))),
                _ => (text, None),
            };
            let span = offset..offset + key.len();
            segments.push(Segment { key: unquoted(key.trim()).to_owned(), span });
            rest = after;
        }
        Self::from_segments(segments).ok_or_else(|| KeyPathError::EmptyPart(text.to_owned()))
    }

    /// Joins what TOML has taken apart: `client.keepalive.idle = ..` without quotes is nested tables there.
    pub(crate) fn from_parts(parts: &[Segment]) -> Result<Self, KeyPathError> {
        let joined = parts.iter().map(|part| part.key.as_str()).collect::<Vec<_>>().join(".");
        if let [whole] = parts {
            // A quoted key: its parts can be told apart in the text unless escapes shift them.
            let quotes = usize::from(whole.span.len() == joined.len() + 2);
            if whole.span.len() == joined.len() + 2 * quotes {
                return Self::parse_at(&joined, whole.span.start + quotes);
            }
        }
        let mut path = Self::parse_at(&joined, 0)?;
        let whole =
            parts.first().map_or(0, |part| part.span.start)..parts.last().map_or(0, |part| part.span.end);
        let told_apart = path.segments.len() == parts.len();
        for (index, segment) in path.segments.iter_mut().enumerate() {
            segment.span = if told_apart { parts[index].span.clone() } else { whole.clone() };
        }
        Ok(path)
    }

    fn from_segments(segments: Vec<Segment>) -> Option<Self> {
        let complete = segments.iter().all(|segment| !segment.key.is_empty());
        complete.then_some(Self { segments })
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(crate) fn segments_mut(&mut self) -> &mut [Segment] {
        &mut self.segments
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map(|segment| segment.key.as_str())
    }

    /// From the first byte of the first key to the last of the last.
    pub(crate) fn span(&self) -> Range<usize> {
        let start = self.segments.first().map_or(0, |segment| segment.span.start);
        start..self.segments.last().map_or(start, |segment| segment.span.end)
    }

    /// Whether this path is the other or leads to it.
    pub(crate) fn holds(&self, other: &Self) -> bool {
        other.segments.starts_with(&self.segments)
    }
}

/// Whether all that follows these keys is one key: the name of a sysctl, or of a swept key.
pub(crate) fn takes_the_rest<'a>(mut keys: impl Iterator<Item = &'a str>) -> bool {
    matches!(
        (keys.next(), keys.next(), keys.next()),
        (Some("sysctl" | "sweep"), None, None) | (Some("server" | "client"), Some("sysctl"), None)
    )
}

fn unquoted(key: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = key.strip_prefix(quote).and_then(|key| key.strip_suffix(quote)) {
            return inner;
        }
    }
    key
}

impl FromStr for KeyPath {
    type Err = KeyPathError;

    fn from_str(text: &str) -> Result<Self, KeyPathError> {
        Self::parse_at(text, 0)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in self.keys().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            f.write_str(key)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<String> {
        text.parse::<KeyPath>().unwrap().keys().map(str::to_owned).collect()
    }

    #[test]
    fn dots_separate_keys_but_not_inside_the_name_of_a_sysctl() {
        assert_eq!(keys("client.keepalive.idle"), ["client", "keepalive", "idle"]);
        assert_eq!(keys("sysctl.net.ipv4.tcp_retries2"), ["sysctl", "net.ipv4.tcp_retries2"]);
        assert_eq!(keys("server.sysctl.net.core.x"), ["server", "sysctl", "net.core.x"]);
        assert_eq!(keys("sysctl.\"net.ipv4.tcp_retries2\""), ["sysctl", "net.ipv4.tcp_retries2"]);
        assert_eq!(keys("sweep.client.keepalive.idle"), ["sweep", "client.keepalive.idle"]);
        assert_eq!(keys("fault.sysctl.x"), ["fault", "sysctl", "x"]);
    }

    #[test]
    fn an_empty_part_is_refused() {
        for text in ["", ".", "a.", ".a", "a..b", "sysctl.", "sysctl.\"\""] {
            assert_eq!(text.parse::<KeyPath>(), Err(KeyPathError::EmptyPart(text.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn every_key_knows_where_it_is_written() {
        let path = KeyPath::parse_at("client.idle", 100).unwrap();
        assert_eq!(path.segments()[1].span, 107..111);
        let quoted = KeyPath::from_parts(&[Segment { key: "a.bc".to_owned(), span: 10..16 }]).unwrap();
        assert_eq!(quoted.segments()[1].span, 13..15);
    }

    #[test]
    fn a_path_is_written_as_it_is_read() {
        for text in ["client.keepalive.idle", "sysctl.net.ipv4.tcp_retries2", "fault.0.at"] {
            assert_eq!(text.parse::<KeyPath>().unwrap().to_string(), text);
        }
    }
}
