//! Single values of a scenario file: as written, with their place, not yet checked.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::raw::duration::DURATION_PATTERN;

/// A value and the range it is written in, over all sources.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = toml::Spanned::<T>::deserialize(deserializer)?;
        Ok(Self { span: spanned.span(), value: spanned.into_inner() })
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A duration as written, such as `75s`.
#[derive(Clone, Debug)]
pub(crate) struct DurationText(pub(crate) String);

/// A duration as written, or the word `start`.
#[derive(Clone, Debug)]
pub(crate) struct Moment(pub(crate) String);

/// A whole number; one beyond 64 bits stands as the nearest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole(pub(crate) i64);

/// A word that must be one of `T`'s, as written.
#[derive(Clone, Debug)]
pub(crate) struct Choice<T> {
    pub(crate) word: String,
    of: PhantomData<T>,
}

/// A type whose values have a word each in scenario files.
pub(crate) trait Named: Copy + 'static {
    /// The words and their values.
    const NAMES: &'static [(&'static str, Self)];
}

/// Reads a string and nothing else, and tells what was expected in people's words.
struct Text<'e>(&'e str);

impl Visitor<'_> for Text<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text("a duration such as \"75s\"")).map(Self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text("a duration such as \"75s\", or \"start\"")).map(Self)
    }
}

impl<'de, T: Named> Deserialize<'de> for Choice<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = deserializer.deserialize_any(Text(&alternatives::<T>()))?;
        Ok(Self { word, of: PhantomData })
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeVisitor;

        impl Visitor<'_> for WholeVisitor {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Whole, E> {
                Ok(Whole(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
                Ok(Whole(i64::try_from(number).unwrap_or(i64::MAX)))
            }

            fn visit_i128<E: de::Error>(self, number: i128) -> Result<Whole, E> {
                let nearest = if number < 0 { i64::MIN } else { i64::MAX };
                Ok(Whole(i64::try_from(number).unwrap_or(nearest)))
            }

            fn visit_u128<E: de::Error>(self, number: u128) -> Result<Whole, E> {
                Ok(Whole(i64::try_from(number).unwrap_or(i64::MAX)))
            }
        }

        deserializer.deserialize_any(WholeVisitor)
    }
}

/// All words of `T`: `"up" or "down"`.
pub(crate) fn alternatives<T: Named>() -> String {
    let words: Vec<String> = T::NAMES.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration: numbers with units, such as \"500ms\", \"75s\", \"1m 30s\", \"2h\".",
            "type": "string",
            "pattern": DURATION_PATTERN,
            "examples": ["500ms", "75s", "1m 30s", "2h"],
        })
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration after the connection is up, or \"start\": before the client connects.",
            "anyOf": [{ "const": "start" }, generator.subschema_for::<DurationText>()],
        })
    }
}

impl JsonSchema for Whole {
    fn schema_name() -> Cow<'static, str> {
        "Whole".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer" })
    }
}

impl<T: Named> JsonSchema for Choice<T> {
    fn schema_name() -> Cow<'static, str> {
        "Choice".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = T::NAMES.iter().map(|(word, _)| *word).collect();
        json_schema!({ "enum": words })
    }
}
