//! The JSON Schema agrees with what the reader takes.

use keepalive_lab_scenario::schema;
use serde_json::{Value, json};

/// Follows a reference; the schema of a key may stand beside it (its description).
fn resolve<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).expect("a definition"),
        None => schema,
    }
}

/// The keys of `value` that no way of the schema knows. Types and ranges are not looked at.
fn unknown_keys(root: &Value, schema: &Value, value: &toml::Value, path: &str) -> Vec<String> {
    let schema = resolve(root, schema);
    if let Some(ways) = schema["anyOf"].as_array() {
        let tried = ways.iter().filter(|way| fits(resolve(root, way), value));
        let best = tried.map(|way| unknown_keys(root, way, value, path)).min_by_key(Vec::len);
        return best.unwrap_or_else(|| vec![format!("{path}: no way fits")]);
    }
    if !fits(schema, value) {
        return vec![format!("{path}: {value} is not {}", schema["type"])];
    }
    match value {
        toml::Value::Table(table) => table
            .iter()
            .flat_map(|(key, value)| {
                let path = format!("{path}.{key}");
                match (&schema["properties"][key], &schema["additionalProperties"]) {
                    (Value::Null, Value::Bool(false)) if schema["patternProperties"].is_null() => vec![path],
                    (Value::Null, _) => Vec::new(),
                    (known, _) => unknown_keys(root, known, value, &path),
                }
            })
            .collect(),
        toml::Value::Array(items) => {
            items.iter().flat_map(|item| unknown_keys(root, &schema["items"], item, path)).collect()
        }
        _ => Vec::new(),
    }
}

fn fits(schema: &Value, value: &toml::Value) -> bool {
    let of_type = match &schema["type"] {
        Value::String(name) => match value {
            toml::Value::Table(_) => name == "object",
            toml::Value::Array(_) => name == "array",
            other => name == other.type_str(),
        },
        _ => true,
    };
    let as_json = value.as_str().map(|text| json!(text));
    let listed =
        schema["enum"].as_array().is_none_or(|words| words.contains(&as_json.clone().unwrap_or_default()));
    of_type && listed && (schema["const"].is_null() || Some(&schema["const"]) == as_json.as_ref())
}

#[test]
fn scenarios_that_are_read_fit_the_schema() {
    let schema = schema();
    for text in [include_str!("scenarios/firewall.toml"), include_str!("scenarios/everything.toml")] {
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(unknown_keys(&schema, &schema, &toml::Value::Table(table), ""), Vec::<String>::new());
    }
}

#[test]
fn keys_that_are_refused_do_not_fit() {
    let schema = schema();
    for (text, unknown) in [
        ("[client]\nport = 1\n", ".client.port"),
        ("[server]\nsyn_count = 1\n", ".server.syn_count"),
        ("[client]\nkeepalive = { idel = \"2s\" }\n", ".client.keepalive.idel"),
        ("[[fault]]\nrule = \"x\"\n", ".fault.rule"),
        ("[network]\nip = \"ipv5\"\n", ".network.ip: \"ipv5\" is not null"),
    ] {
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(unknown_keys(&schema, &schema, &toml::Value::Table(table), ""), [unknown], "{text}");
    }
}

#[test]
fn every_key_is_described_and_nothing_may_be_null() {
    let schema = schema();
    let tables = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let mut keys = 0;
    for (key, property) in tables.filter_map(|table| table["properties"].as_object()).flatten() {
        assert!(property["description"].is_string(), "{key} has no description: {property}");
        keys += 1;
    }
    assert!(keys > 50, "{keys} keys");
    assert!(!schema.to_string().contains("null"));
}

#[test]
fn the_schema_is_as_reviewed() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema()).unwrap());
}
