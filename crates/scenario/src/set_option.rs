//! What the command line adds to a scenario file: `--set key=value`, `--repeat N` and `--phases N`.

use std::fmt;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeString, DeValue};

use crate::document::key_path::KeyPath;
use crate::document::source::Sources;
use crate::document::tree::{Value, check_depth, shifted};
use crate::document::wording::syntax;
use crate::error::{Finding, ScenarioError};

/// What the command line adds to a scenario file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Values that replace those of the file, in order: the last one of a key wins.
    pub overrides: Vec<Override>,
    /// How often each combination is run, in place of the file's `[sweep] repeat`.
    pub repeat: Option<u32>,
    /// At how many phases of the kernel's timer wheel each of those is run; `None`: once, at any.
    pub phases: Option<u32>,
}

impl From<Vec<Override>> for Options {
    fn from(overrides: Vec<Override>) -> Self {
        Self { overrides, ..Self::default() }
    }
}

/// One `--set key=value`: `client.keepalive.idle=2s`, `client.keepalive={idle="2s",count=3}`.
///
/// The value is TOML; a bare word or phrase that is no TOML is taken as a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    text: String,
    /// Where the value starts in the text.
    value_start: usize,
}

/// The name of these texts in messages.
const NAME: &str = "--set";

impl Override {
    /// The key and the value, of this text added to all sources at `offset`; `text` is its own.
    pub(crate) fn read<'s>(&self, text: &'s str, offset: usize) -> Result<(KeyPath, Value<'s>), Finding> {
        let key = text[..self.value_start].trim_end().trim_end_matches('=').trim_end();
        let indent = key.len() - key.trim_start().len();
        let key_path = KeyPath::parse_at(key.trim_start(), offset + indent)
            .map_err(|error| Finding::new(&(offset..offset + key.len()), error.to_string()))?;
        let value = read_value(text, self.value_start, offset)?;
        Ok((key_path, value))
    }

    /// Adds this text to all sources.
    pub(crate) fn add_to(&self, sources: &mut Sources) {
        sources.add(NAME, &self.text);
    }
}

fn read_value(text: &str, start: usize, offset: usize) -> Result<Value<'_>, Finding> {
    let written = text[start..].trim_end();
    let span = offset + start..offset + start + written.len();
    match DeValue::parse(written) {
        Ok(value) => {
            let value = shifted(value, offset + start);
            check_depth(&value).map(|()| value)
        }
        // What opens like a TOML value was meant as one.
        Err(error) if written.starts_with(['"', '\'', '[', '{']) => {
            let inside = error.span().unwrap_or(written.len()..written.len());
            let inside = span.start + inside.start..span.start + inside.end;
            Err(syntax(&error, &inside, ""))
        }
        Err(_) => Ok(Spanned::new(span, DeValue::String(DeString::Borrowed(written)))),
    }
}

impl FromStr for Override {
    type Err = ScenarioError;

    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        let refuse = |finding: Finding| {
            let mut sources = Sources::default();
            sources.add(NAME, text);
            ScenarioError::from_findings(vec![finding], &sources)
        };
        let example = "such as client.keepalive.idle=2s";
        let Some(equals) = text.find('=') else {
            return Err(refuse(Finding::new(&(0..text.len()), "expected key=value").help(example)));
        };
        if text[..equals].trim().is_empty() {
            return Err(refuse(Finding::new(&(0..equals), "there is no key before `=`").help(example)));
        }
        let after = &text[equals + 1..];
        let value_start = equals + 1 + (after.len() - after.trim_start().len());
        if value_start == text.len() {
            return Err(refuse(Finding::new(&(0..text.len()), "there is no value after `=`").help(example)));
        }
        let parsed = Self { text: text.to_owned(), value_start };
        parsed.read(text, 0).map_err(refuse)?;
        Ok(parsed)
    }
}

/// As written on the command line.
impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
