//! Values in the spanned TOML tree, found and replaced by key path.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::document::key_path::{KeyPath, Segment, takes_the_rest};
use crate::document::wording::{nearest_help, type_name};
use crate::error::Finding;

/// A TOML value with the range it is written in.
pub(crate) type Value<'s> = Spanned<DeValue<'s>>;

/// Tables and lists inside each other: far more than any scenario needs, far less than the stack bears.
const MAX_DEPTH: usize = 40;

/// Moves all ranges of a value by `offset` bytes: from its own text to its place among all sources.
pub(crate) fn shifted(value: Value<'_>, offset: usize) -> Value<'_> {
    let shift = |span: Range<usize>| span.start + offset..span.end + offset;
    let span = shift(value.span());
    let inner = match value.into_inner() {
        DeValue::Array(items) => {
            DeValue::Array(items.into_iter().map(|item| shifted(item, offset)).collect())
        }
        DeValue::Table(table) => DeValue::Table(
            table
                .into_iter()
                .map(|(key, value)| {
                    (Spanned::new(shift(key.span()), key.into_inner()), shifted(value, offset))
                })
                .collect(),
        ),
        scalar => scalar,
    };
    Spanned::new(span, inner)
}

/// Refuses trees so deep that walking them could exhaust the stack.
pub(crate) fn check_depth(value: &Value<'_>) -> Result<(), Finding> {
    fn walk(value: &Value<'_>, room: usize) -> Result<(), Finding> {
        if room == 0 {
            return Err(Finding::new(&value.span(), format!("nested deeper than {MAX_DEPTH} levels")));
        }
        match value.get_ref() {
            DeValue::Array(items) => items.iter().try_for_each(|item| walk(item, room - 1)),
            DeValue::Table(table) => table.values().try_for_each(|item| walk(item, room - 1)),
            _ => Ok(()),
        }
    }
    walk(value, MAX_DEPTH)
}

/// A value as inline TOML; a string stands there without quotes where it is the whole value.
pub(crate) fn written(value: &Value<'_>) -> String {
    match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        _ => inline(value),
    }
}

fn inline(value: &Value<'_>) -> String {
    match value.get_ref() {
        DeValue::String(text) => toml::Value::String(text.to_string()).to_string(),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(datetime) => datetime.to_string(),
        DeValue::Array(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        DeValue::Table(table) if table.is_empty() => "{}".to_owned(),
        DeValue::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| key.span().start);
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("{} = {}", bare_or_quoted(key.get_ref()), inline(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

fn bare_or_quoted(key: &str) -> String {
    let bare =
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if bare { key.to_owned() } else { toml::Value::String(key.to_owned()).to_string() }
}

/// Replaces the name of a fault in a path by its place, so that each value has one path.
pub(crate) fn canonical(root: &Value<'_>, path: &KeyPath) -> Result<KeyPath, Finding> {
    let mut path = path.clone();
    if let [first, which, ..] = path.segments_mut()
        && first.key == "fault"
    {
        which.key = fault_index(root, which)?.to_string();
    }
    Ok(path)
}

fn fault_index(root: &Value<'_>, which: &Segment) -> Result<usize, Finding> {
    let Segment { key, span } = which;
    let faults = root.get_ref().get("fault").and_then(|faults| faults.get_ref().as_array());
    let faults = faults.map_or(&[][..], |faults| faults.as_ref());
    if let Ok(index) = key.parse::<usize>() {
        if index < faults.len() {
            return Ok(index);
        }
        let last = match faults.len() {
            0 => "there is no `[[fault]]` in this scenario".to_owned(),
            1 => "there is one fault, number 0".to_owned(),
            count => format!("there are {count} faults, numbered from 0 to {}", count - 1),
        };
        return Err(Finding::new(span, format!("there is no fault number {key}")).help(last));
    }
    let names: Vec<String> = faults
        .iter()
        .enumerate()
        .map(|(index, fault)| {
            let name = fault.get_ref().get("name").and_then(|name| name.get_ref().as_str());
            name.map_or_else(|| default_fault_name(index), str::to_owned)
        })
        .collect();
    names.iter().position(|name| name == key).ok_or_else(|| {
        let finding = Finding::new(span, format!("no fault is named `{key}`"));
        if names.is_empty() {
            return finding.help("there is no `[[fault]]` in this scenario");
        }
        finding.help(nearest_help(key, names.iter().map(String::as_str), "the faults are"))
    })
}

/// The name of the fault at `index` (from 0) where the scenario gives none.
pub(crate) fn default_fault_name(index: usize) -> String {
    format!("fault-{}", index + 1)
}

/// The value at a canonical path.
pub(crate) fn get<'t, 's>(root: &'t Value<'s>, path: &KeyPath) -> Option<&'t Value<'s>> {
    let mut value = root;
    for (index, segment) in path.segments().iter().enumerate() {
        value = match value.get_ref() {
            DeValue::Table(table) if takes_the_rest(path.keys().take(index)) => {
                find_dotted(table, &segment.key)?
            }
            DeValue::Table(table) => table.get(segment.key.as_str())?,
            DeValue::Array(items) => items.get(segment.key.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

/// Puts a value at a canonical path; tables that are missing on the way are made.
pub(crate) fn set<'s>(root: &mut Value<'s>, path: &KeyPath, value: Value<'s>) -> Result<(), Finding> {
    let mut place = root;
    let segments = path.segments();
    for (index, segment) in segments.iter().enumerate() {
        if matches!(place.get_ref(), DeValue::Boolean(true)) {
            // `keepalive = true` is on with the kernel's values, so `keepalive.idle` adds one.
            *place.get_mut() = DeValue::Table(DeTable::new());
        }
        let found = type_name(place.get_ref());
        place = match place.get_mut() {
            DeValue::Table(table) => {
                if takes_the_rest(path.keys().take(index)) {
                    remove_dotted(table, &segment.key);
                }
                let key = Spanned::new(segment.span.clone(), DeString::Owned(segment.key.clone()));
                table
                    .entry(key)
                    .or_insert_with(|| Spanned::new(segment.span.clone(), DeValue::Table(DeTable::new())))
            }
            DeValue::Array(items) => {
                let count = items.len();
                let item = segment.key.parse::<usize>().ok().and_then(|number| items.get_mut(number));
                item.ok_or_else(|| not_in_list(path, index, count))?
            }
            _ => return Err(not_in_scalar(path, index, found)),
        };
    }
    *place = value;
    Ok(())
}

fn written_so_far(path: &KeyPath, index: usize) -> String {
    path.keys().take(index).collect::<Vec<_>>().join(".")
}

fn not_in_list(path: &KeyPath, index: usize, count: usize) -> Finding {
    let Segment { key, span } = &path.segments()[index];
    let list = written_so_far(path, index);
    Finding::new(span, format!("`{list}` is a list of {count}, and `{key}` is not the number of one"))
        .help("entries are numbered from 0")
}

fn not_in_scalar(path: &KeyPath, index: usize, found: &str) -> Finding {
    let Segment { key, span } = &path.segments()[index];
    let holder = written_so_far(path, index);
    Finding::new(span, format!("`{holder}` is {found} in this scenario, so it has no `{key}`"))
}

/// Finds `a.b.c` written as one key or, without quotes, as nested tables.
fn find_dotted<'t, 's>(table: &'t DeTable<'s>, name: &str) -> Option<&'t Value<'s>> {
    if let Some(value) = table.get(name) {
        return Some(value);
    }
    dots(name).find_map(|(first, rest)| find_dotted(table.get(first)?.get_ref().as_table()?, rest))
}

/// Removes all spellings of `a.b.c`.
fn remove_dotted(table: &mut DeTable<'_>, name: &str) {
    table.remove(name);
    for (first, rest) in dots(name) {
        if let Some(DeValue::Table(inner)) = table.get_mut(first).map(Spanned::get_mut) {
            remove_dotted(inner, rest);
        }
    }
}

/// The ways to split a dotted name in two.
fn dots(name: &str) -> impl Iterator<Item = (&str, &str)> {
    name.match_indices('.').map(|(dot, _)| (&name[..dot], &name[dot + 1..]))
}
