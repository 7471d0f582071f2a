//! Values of a scenario file that may be written in more than one way.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::raw::value::{DurationText, Located};
use crate::raw::{RawKeepaliveTimers, RawSend};

/// `keepalive = true`, `false` or a table of timers.
#[derive(Debug)]
pub(crate) enum RawKeepalive {
    Switch(bool),
    Timers(RawKeepaliveTimers),
}

/// `send = {..}` or a list of such.
#[derive(Debug)]
pub(crate) enum RawSends {
    One(RawSend),
    Many(Vec<Located<RawSend>>),
}

/// `heal = "all"`, a name, or a list of names.
#[derive(Debug)]
pub(crate) enum RawHeal {
    Word(String),
    Names(Vec<Located<String>>),
}

/// `within = ["730s", "760s"]`, or a word.
#[derive(Debug)]
pub(crate) enum RawWithin {
    Word(String),
    Bounds(Vec<Located<DurationText>>),
}

/// The value of a sysctl, or a table of them: names without quotes are nested tables to TOML.
#[derive(Debug)]
pub(crate) enum RawSysctl {
    Value(String),
    Table(Vec<(Located<String>, RawSysctl)>),
}

struct KeepaliveVisitor;
struct SendsVisitor;
struct HealVisitor;
struct WithinVisitor;
struct SysctlVisitor;

impl<'de> Visitor<'de> for KeepaliveVisitor {
    type Value = RawKeepalive;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or a table such as { idle = \"60s\", interval = \"75s\", count = 9 }")
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<RawKeepalive, E> {
        Ok(RawKeepalive::Switch(on))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawKeepalive, A::Error> {
        RawKeepaliveTimers::deserialize(MapAccessDeserializer::new(map)).map(RawKeepalive::Timers)
    }
}

impl<'de> Visitor<'de> for SendsVisitor {
    type Value = RawSends;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table such as { every = \"500ms\", bytes = 13 } or a list of such tables")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawSends, A::Error> {
        RawSend::deserialize(MapAccessDeserializer::new(map)).map(RawSends::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<RawSends, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(RawSends::Many)
    }
}

impl<'de> Visitor<'de> for HealVisitor {
    type Value = RawHeal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"all\" or a list of names of faults")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<RawHeal, E> {
        Ok(RawHeal::Word(word.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<RawHeal, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(RawHeal::Names)
    }
}

impl<'de> Visitor<'de> for WithinVisitor {
    type Value = RawWithin;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("two durations such as [\"730s\", \"760s\"]")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<RawWithin, E> {
        Ok(RawWithin::Word(word.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<RawWithin, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(RawWithin::Bounds)
    }
}

impl<'de> Visitor<'de> for SysctlVisitor {
    type Value = RawSysctl;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a sysctl: a whole number, a string, true or false")
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<RawSysctl, E> {
        Ok(RawSysctl::Value(u8::from(on).to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<RawSysctl, E> {
        Ok(RawSysctl::Value(number.to_string()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<RawSysctl, E> {
        Ok(RawSysctl::Value(number.to_string()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RawSysctl, E> {
        Ok(RawSysctl::Value(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawSysctl, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(RawSysctl::Table(entries))
    }
}

/// Reads a type through the visitor that knows its ways of being written.
macro_rules! deserialize_with {
    ($($type:ty => $visitor:expr),* $(,)?) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($visitor)
            }
        }
    )*};
}

deserialize_with! {
    RawKeepalive => KeepaliveVisitor,
    RawSends => SendsVisitor,
    RawHeal => HealVisitor,
    RawWithin => WithinVisitor,
    RawSysctl => SysctlVisitor,
}
