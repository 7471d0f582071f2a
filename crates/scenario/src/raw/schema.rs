//! The JSON Schema of scenario files, for editors.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::check::end::{CLIENT_ONLY, SERVER_ONLY};
use crate::raw::union::{RawHeal, RawKeepalive, RawSends, RawSysctl, RawWithin};
use crate::raw::value::DurationText;
use crate::raw::{RawKeepaliveTimers, RawScenario, RawSend};

/// The JSON Schema (draft 2020-12) of scenario files: keys, types and what they mean.
///
/// Ranges, and what keys demand of each other, are checked by [`crate::Scenario::parse`] alone.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<RawScenario>().to_value();
    without_null(&mut schema);
    split_ends(&mut schema);
    schema["title"] = json!("keepalive-lab scenario");
    schema
}

/// TOML has no null: an optional key is left out.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.remove("default");
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(ways)) = object.get_mut("anyOf") {
                ways.retain(|way| *way != json!({ "type": "null" }));
                if let [Value::Object(only)] = ways.as_slice() {
                    let only = only.clone();
                    object.remove("anyOf");
                    object.extend(only);
                }
            }
            if let Some(Value::Array(words)) = object.get_mut("enum") {
                words.retain(|word| !word.is_null());
            }
            object.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// Gives each end the keys that are its own.
fn split_ends(schema: &mut Value) {
    let end = schema["$defs"]["End"].take();
    let without = |keys: &[&str]| {
        let mut end = end.clone();
        if let Some(properties) = end["properties"].as_object_mut() {
            properties.retain(|key, _| !keys.contains(&key.as_str()));
        }
        end
    };
    schema["$defs"]["Server"] = without(&CLIENT_ONLY);
    schema["$defs"]["Client"] = without(&SERVER_ONLY);
    schema["properties"]["server"]["$ref"] = json!("#/$defs/Server");
    schema["properties"]["client"]["$ref"] = json!("#/$defs/Client");
    if let Some(definitions) = schema["$defs"].as_object_mut() {
        definitions.remove("End");
    }
}

/// The `[sweep]` table, which is taken out of the tree before serde reads it.
pub(crate) struct SweepSchema;

/// Implements `JsonSchema` for a type that is written in several ways.
macro_rules! inline_schema {
    ($type:ty, $name:literal, |$generator:ident| $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

inline_schema!(RawKeepalive, "KeepaliveOrSwitch", |generator| {
    "anyOf": [{ "type": "boolean" }, generator.subschema_for::<RawKeepaliveTimers>()],
});
inline_schema!(RawSends, "Sends", |generator| {
    "anyOf": [generator.subschema_for::<RawSend>(), generator.subschema_for::<Vec<RawSend>>()],
});
inline_schema!(RawHeal, "Heal", |_generator| {
    "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }],
});
inline_schema!(RawWithin, "Within", |generator| {
    "type": "array", "items": generator.subschema_for::<DurationText>(), "minItems": 2, "maxItems": 2,
});
inline_schema!(RawSysctl, "Sysctls", |_generator| {
    // With or without quotes around the name: without, TOML nests it.
    "type": "object", "patternProperties": { "^net(\\.|$)": { "type": ["integer", "string", "boolean", "object"] } },
    "additionalProperties": false,
});
inline_schema!(SweepSchema, "Sweep", |_generator| {
    "type": "object",
    "properties": {
        "repeat": {
            "description": "How often each combination is run; default 1.",
            "type": "integer", "minimum": 1, "maximum": 1_000_000,
        },
    },
    "additionalProperties": { "type": ["array", "object"] },
});
