//! One power of this machine, as it was found.

use serde::Serialize;

/// One power, tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What was tried.
    pub power: &'static str,
    /// Whether it worked.
    pub works: bool,
    /// Whether scenarios need it.
    pub weight: Weight,
    /// What was done, or what the system said.
    pub detail: String,
    /// What to do where it did not work.
    pub remedy: Option<String>,
}

/// Whether scenarios need a power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Weight {
    /// Nothing runs without it.
    Needed,
    /// Some scenarios, or some columns, need it.
    Optional,
}

impl Finding {
    /// It worked.
    pub(crate) fn works(weight: Weight, power: &'static str, detail: impl Into<String>) -> Self {
        Self { power, works: true, weight, detail: detail.into(), remedy: None }
    }

    /// It did not.
    pub(crate) fn missing(weight: Weight, power: &'static str, detail: impl Into<String>) -> Self {
        Self { works: false, ..Self::works(weight, power, detail) }
    }

    /// What to do about it.
    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}
