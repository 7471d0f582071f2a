//! All that is found wrong while values are checked, and the checks of single values.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use crate::document::wording::nearest;
use crate::error::Finding;
use crate::raw::duration::Bounds;
use crate::raw::value::{Choice, DurationText, Located, Named, Whole, alternatives};

/// What is wrong so far. A check that fails notes why here and yields `None`.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn push(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    /// The value, if nothing was found wrong; all findings in the order of the text otherwise.
    pub(crate) fn into_result<T>(mut self, value: T) -> Result<T, Vec<Finding>> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.0.sort_by_key(|finding| finding.span.start);
        Err(self.0)
    }

    fn keep<T>(&mut self, result: Result<T, Finding>) -> Option<T> {
        result.map_err(|finding| self.push(finding)).ok()
    }

    /// A duration within bounds; `None` where there is none or a wrong one.
    pub(crate) fn duration(
        &mut self,
        name: &str,
        raw: Option<&Located<DurationText>>,
        bounds: &Bounds,
    ) -> Option<Duration> {
        let Located { value: DurationText(text), span } = raw?;
        self.keep(bounds.read(name, text, span))
    }

    /// A duration as [`Self::duration`], written at `span`.
    pub(crate) fn duration_text(
        &mut self,
        name: &str,
        text: &str,
        span: &Range<usize>,
        bounds: &Bounds,
    ) -> Option<Duration> {
        self.keep(bounds.read(name, text, span))
    }

    /// A whole number in a range; `None` where there is none or a wrong one.
    pub(crate) fn whole<T: TryFrom<i64>>(
        &mut self,
        name: &str,
        raw: Option<&Located<Whole>>,
        range: &RangeInclusive<i64>,
        because: &str,
    ) -> Option<T> {
        let Located { value: Whole(number), span } = raw?;
        let value = T::try_from(*number).ok().filter(|_| range.contains(number));
        if value.is_none() {
            let message = format!("`{name}` must be from {} to {}", range.start(), range.end());
            self.push(Finding::new(span, message).label(because));
        }
        value
    }

    /// One of the words of `T`; `None` where there is none or a wrong one.
    pub(crate) fn choice<T: Named>(&mut self, raw: Option<&Located<Choice<T>>>) -> Option<T> {
        let Located { value: Choice { word, .. }, span } = raw?;
        let known = T::NAMES.iter().find(|(name, _)| name == word).map(|(_, value)| *value);
        if known.is_none() {
            let finding = Finding::new(span, format!("expected {}, found \"{word}\"", alternatives::<T>()));
            self.push(match nearest(word, T::NAMES.iter().map(|(name, _)| *name)) {
                Some(name) => finding.help(format!("did you mean \"{name}\"?")),
                None => finding,
            });
        }
        known
    }
}
