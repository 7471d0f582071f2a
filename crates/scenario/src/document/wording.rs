//! What serde says, in people's words.

use std::ops::Range;

use toml::de::DeValue;

use crate::error::Finding;

/// Turns an error of the TOML reader or of serde into a finding. `written` is what stands at its place.
pub(crate) fn explain(error: &toml::de::Error, span: &Range<usize>, written: &str) -> Finding {
    let message = error.message();
    unknown_key(message, span).or_else(|| wrong_type(message, span, written)).unwrap_or_else(|| match message
    {
        "integer number overflowed" => Finding::new(span, "this number is too large"),
        _ => Finding::new(span, message),
    })
}

/// Turns a syntax error of the TOML reader into a finding. `written` is what stands at its place.
pub(crate) fn syntax(error: &toml::de::Error, span: &Range<usize>, written: &str) -> Finding {
    let message = error.message();
    if message == "duplicate key" {
        return Finding::new(span, format!("`{written}` stands here twice"));
    }
    if message.starts_with("string values must be quoted") && !written.trim().is_empty() {
        return Finding::new(span, "a text needs quotes").help(format!("write it as {:?}", written.trim()));
    }
    Finding::new(span, "this is not TOML").label(message)
}

fn unknown_key(message: &str, span: &Range<usize>) -> Option<Finding> {
    let (key, known) = message.strip_prefix("unknown field `")?.rsplit_once("`, expected ")?;
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let help = nearest_help(key, known.iter().copied(), "known here");
    Some(Finding::new(span, format!("unknown key `{key}`")).help(help))
}

fn wrong_type(message: &str, span: &Range<usize>, written: &str) -> Option<Finding> {
    let (found, expected) = message.strip_prefix("invalid type: ")?.rsplit_once(", expected ")?;
    let expected = match expected {
        "a boolean" => "true or false",
        "a sequence" => "a list",
        expected if expected.starts_with("struct ") => "a table",
        expected => expected,
    };
    let found = in_words(found, written);
    let finding = Finding::new(span, format!("expected {expected}, found {found}"));
    let help = match found {
        "an integer" | "a fraction" if expected.starts_with("a duration") => {
            Some(format!("write {written} as \"{written}s\""))
        }
        "a string" if matches!(expected, "true or false" | "a whole number") => {
            let inner = written.trim_matches(['"', '\'']);
            let fits = inner.parse::<i64>().is_ok() || inner.parse::<bool>().is_ok();
            fits.then(|| format!("write {inner} without the quotes"))
        }
        "an integer" | "a fraction" | "a date or time" if expected == "a string" => {
            Some(format!("write it in quotes: \"{written}\""))
        }
        _ => None,
    };
    Some(match help {
        Some(help) => finding.help(help),
        None => finding,
    })
}

/// serde's word for a value (`serde::de::Unexpected`) in TOML's terms.
fn in_words(found: &str, written: &str) -> &'static str {
    match found.split_whitespace().next().unwrap_or_default() {
        "integer" => "an integer",
        "floating" => "a fraction",
        "string" => "a string",
        "boolean" => "true or false",
        "sequence" => "a list",
        // The reader hands dates to serde as maps; only a date starts with a digit.
        "map" if written.starts_with(|first: char| first.is_ascii_digit()) => "a date or time",
        "map" => "a table",
        _ => "something else",
    }
}

/// The type of a TOML value, with its article.
pub(crate) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(true) => "`true`",
        DeValue::Boolean(false) => "`false`",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The known word that `word` was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance =
        |candidate: &str| strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase());
    let (distance, nearest) =
        known.into_iter().map(|known| (distance(known), known)).min_by_key(|(distance, _)| *distance)?;
    // One slip in three letters still shows what was meant; more is a guess.
    let longer = word.chars().count().max(nearest.chars().count());
    (distance * 3 <= longer.max(3)).then_some(nearest)
}

/// The nearest known word as a question, and all of them.
pub(crate) fn nearest_help<'a>(
    word: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    introduction: &str,
) -> String {
    let list = known.clone().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
    match nearest(word, known) {
        Some(nearest) => format!("did you mean `{nearest}`? {introduction}: {list}"),
        None => format!("{introduction}: {list}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let known = ["idle", "interval", "count"];
        assert_eq!(nearest("idel", known), Some("idle"));
        assert_eq!(nearest("intervall", known), Some("interval"));
        assert_eq!(nearest("Count", known), Some("count"));
        assert_eq!(nearest("firewall", known), None);
        assert_eq!(nearest("x", []), None);
    }
}
