//! Where a piece of a scenario is written: the file, or an argument that overrides it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A place in a text, to show to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The text's name: the file as the user named it, or the option such as `--set`.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
    /// Bytes of the text, on character boundaries; may be empty.
    pub range: Range<usize>,
}

impl Place {
    /// The line of the first byte, counted from 1.
    pub fn line(&self) -> usize {
        self.text[..self.range.start].matches('\n').count() + 1
    }

    /// The column of the first byte in characters, counted from 1.
    pub fn column(&self) -> usize {
        let before = &self.text[..self.range.start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        before[line_start..].chars().count() + 1
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.name, self.line(), self.column())
    }
}

/// All texts a scenario is made of, laid end to end, so that one byte range tells the text and the
/// place in it. The file comes first, at offset 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    sources: Vec<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    name: Arc<str>,
    text: Arc<str>,
    offset: usize,
}

impl Sources {
    /// Adds a text and returns its offset.
    pub(crate) fn add(&mut self, name: &str, text: &str) -> usize {
        // One byte is left between texts: an error at the end of one is not at the start of the next.
        let offset = self.sources.last().map_or(0, |last| last.offset + last.text.len() + 1);
        self.sources.push(Source { name: name.into(), text: text.into(), offset });
        offset
    }

    /// The text of the file.
    pub(crate) fn file(&self) -> &str {
        self.sources.first().map_or("", |file| &file.text)
    }

    /// The text added as number `index`, with its offset; the file is number 0.
    pub(crate) fn get(&self, index: usize) -> (&str, usize) {
        let source = &self.sources[index];
        (&source.text, source.offset)
    }

    /// What is written in a range.
    pub(crate) fn text(&self, range: &Range<usize>) -> &str {
        self.source(range).map_or("", |(source, range)| &source.text[range])
    }

    /// The place of a range; a range that leaves its text is cut to it.
    pub(crate) fn place(&self, range: &Range<usize>) -> Option<Place> {
        let (source, range) = self.source(range)?;
        Some(Place { name: Arc::clone(&source.name), text: Arc::clone(&source.text), range })
    }

    fn source(&self, range: &Range<usize>) -> Option<(&Source, Range<usize>)> {
        let source = self.sources.iter().rev().find(|source| source.offset <= range.start)?;
        let start = source.text.floor_char_boundary(range.start - source.offset);
        let end = source.text.ceil_char_boundary(range.end.saturating_sub(source.offset));
        Some((source, start..end.max(start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_finds_its_own_text() {
        let mut sources = Sources::default();
        assert_eq!(sources.add("a.toml", "one\ntwo"), 0);
        let second = sources.add("--set", "é=1");
        assert_eq!(sources.place(&(4..7)).unwrap().to_string(), "a.toml:2:1");
        assert_eq!(sources.text(&(4..7)), "two");
        let place = sources.place(&(second + 3..second + 4)).unwrap();
        assert_eq!((place.to_string().as_str(), &place.text[place.range]), ("--set:1:3", "1"));
    }

    #[test]
    fn the_end_of_a_text_is_not_the_start_of_the_next() {
        let mut sources = Sources::default();
        sources.add("a.toml", "ab");
        sources.add("--set", "cd");
        assert_eq!(sources.place(&(2..2)).unwrap().to_string(), "a.toml:1:3");
        assert_eq!(sources.place(&(3..4)).unwrap().to_string(), "--set:1:1");
    }

    #[test]
    fn ranges_are_cut_to_characters_of_the_text() {
        let mut sources = Sources::default();
        sources.add("a.toml", "é");
        assert_eq!(sources.place(&(1..90)).unwrap().range, 0..2);
    }
}
