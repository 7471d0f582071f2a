//! What makes two rows comparable: the same end of the same question.

use keepalive_lab_scenario::end::End;
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::record::Record;

/// One end of one cell: repeats and phases of it are samples of the same thing. The `cell` column is no part
/// of it, for it only counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndKey {
    /// The scenario's name.
    pub scenario: String,
    /// Swept parameters, key and value as written, sorted by key.
    pub parameters: Vec<(String, String)>,
    /// The end.
    pub endpoint: End,
}

impl EndKey {
    /// The key of a row.
    pub fn of(record: &Record) -> Self {
        Self {
            scenario: record.scenario.clone(),
            parameters: record.parameters.clone(),
            endpoint: record.endpoint,
        }
    }

    /// The cell's name for people: `sweep client.keepalive.idle=2s`.
    pub fn cell(&self) -> String {
        let parameters = self.parameters.iter().map(|(key, value)| format!("{key}={value}"));
        std::iter::once(self.scenario.clone()).chain(parameters).collect::<Vec<_>>().join(" ")
    }
}

impl std::fmt::Display for EndKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.cell(), self.endpoint)
    }
}

impl Serialize for EndKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parameters: std::collections::BTreeMap<_, _> = self.parameters.iter().cloned().collect();
        let mut key = serializer.serialize_struct("EndKey", 3)?;
        key.serialize_field("scenario", &self.scenario)?;
        key.serialize_field("parameters", &parameters)?;
        key.serialize_field("endpoint", &self.endpoint)?;
        key.end()
    }
}
