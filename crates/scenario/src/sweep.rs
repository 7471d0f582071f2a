//! `[sweep]`: lists of values into all their combinations.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::cell::{Parameter, Phase};
use crate::document::key_path::{KeyPath, Segment};
use crate::document::tree::{Value, canonical, set, written};
use crate::document::wording::type_name;
use crate::error::Finding;

/// More cells than anyone waits for.
const MAX_CELLS: u128 = 1_000_000;

/// The swept keys with their values, and how often each combination is run.
#[derive(Clone, Debug)]
pub(crate) struct Sweep<'s> {
    axes: Vec<Axis<'s>>,
    repeat: u32,
    phases: Option<u32>,
}

/// How often each combination is run, as far as the command line says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) repeat: Option<Count>,
    pub(crate) phases: Option<Count>,
}

/// A number with its place.
#[derive(Clone, Debug)]
pub(crate) struct Count {
    pub(crate) number: u32,
    pub(crate) span: Range<usize>,
}

/// One swept key.
#[derive(Clone, Debug)]
struct Axis<'s> {
    /// As written, for the name of its column.
    key: String,
    /// By fault number, not name.
    path: KeyPath,
    values: Vec<Value<'s>>,
}

impl<'s> Sweep<'s> {
    /// Takes `[sweep]` out of the tree. `set_keys` were set on the command line: they are swept no more, but keep
    /// their column.
    pub(crate) fn take_from(
        root: &mut Value<'s>,
        set_keys: &[KeyPath],
        counts: Counts,
    ) -> Result<Self, Vec<Finding>> {
        let table = match root.get_mut() {
            DeValue::Table(table) => table.remove("sweep"),
            _ => None,
        };
        let mut entries = Vec::new();
        let section = table.as_ref().map_or(0..0, toml::Spanned::span);
        match table.map(toml::Spanned::into_inner) {
            Some(DeValue::Table(table)) => flatten(&mut entries, &[], table),
            Some(other) => {
                let message = format!("expected a table of keys and lists, found {}", type_name(&other));
                return Err(vec![Finding::new(&section, message)]);
            }
            None => {}
        }
        // The reader sorts keys by name; the file's order is that of their places.
        entries.sort_by_key(|(parts, _)| parts.first().map(|part| part.span.start));
        let mut findings = Vec::new();
        let mut axes: Vec<Axis<'s>> = Vec::new();
        let mut repeats = Ok(1);
        for (parts, value) in entries {
            if let [only] = parts.as_slice()
                && only.key == "repeat"
            {
                repeats = read_repeat(&value);
                continue;
            }
            let read = Axis::read(root, &parts, value, set_keys);
            match read.and_then(|read| read.apart_from(&axes, &parts).map(|()| read)) {
                Ok(read) => axes.push(read),
                Err(finding) => findings.push(finding),
            }
        }
        let repeats = match counts.repeat {
            Some(Count { number: 0, span }) => {
                Err(Finding::new(&span, "each combination is run at least once"))
            }
            Some(Count { number, .. }) => repeats.map(|_| number),
            None => repeats,
        };
        if let Some(Count { number: 0, span }) = &counts.phases {
            findings.push(Finding::new(span, "each cell is run at one phase at least"));
        }
        let phases = counts.phases.map(|phases| phases.number);
        match repeats {
            Ok(repeat) if findings.is_empty() => {
                let sweep = Self { axes, repeat, phases };
                sweep.check_size(&section).map(|()| sweep).map_err(|finding| vec![finding])
            }
            Ok(_) => Err(findings),
            Err(finding) => {
                findings.push(finding);
                Err(findings)
            }
        }
    }

    fn check_size(&self, section: &Range<usize>) -> Result<(), Finding> {
        let combinations =
            self.axes.iter().try_fold(1_u128, |all, axis| all.checked_mul(axis.values.len() as u128));
        let runs = u128::from(self.repeat) * u128::from(self.phases.unwrap_or(1));
        let cells = combinations.and_then(|all| all.checked_mul(runs));
        match cells {
            Some(cells) if cells <= MAX_CELLS => Ok(()),
            cells => {
                let mut factors: Vec<String> =
                    self.axes.iter().map(|axis| axis.values.len().to_string()).collect();
                factors.push(self.repeat.to_string());
                factors.extend(self.phases.map(|phases| phases.to_string()));
                let product = factors.join(" x ");
                let runs =
                    if self.phases.is_some() { ", the repeats and the phases" } else { " and the repeats" };
                let count = cells.map_or_else(|| "too many".to_owned(), |cells| cells.to_string());
                Err(Finding::new(section, format!("{count} cells are more than {MAX_CELLS}"))
                    .label(format!("{product}: the lists' lengths{runs}"))
                    .help("shorten the lists, or split the sweep into several files"))
            }
        }
    }

    /// The swept keys as written, in the order of the file.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.axes.iter().map(|axis| axis.key.as_str())
    }

    /// How many combinations there are; 1 without a sweep.
    pub(crate) fn combinations(&self) -> usize {
        self.axes.iter().map(|axis| axis.values.len()).product()
    }

    /// The runs of each combination: which repeat, counted from 1, and at which phase.
    pub(crate) fn runs_of_each(&self) -> impl Iterator<Item = (u32, Option<Phase>)> {
        let of = self.phases;
        let phases = move || (0..of.unwrap_or(1)).map(move |index| of.map(|of| Phase { index, of }));
        (1..=self.repeat).flat_map(move |repeat| phases().map(move |phase| (repeat, phase)))
    }

    /// The values of one combination, counted from 0; the first key changes slowest.
    fn values(&self, mut combination: usize) -> Vec<(&Axis<'s>, &Value<'s>)> {
        let mut values: Vec<_> = self
            .axes
            .iter()
            .rev()
            .map(|axis| {
                let value = &axis.values[combination % axis.values.len()];
                combination /= axis.values.len();
                (axis, value)
            })
            .collect();
        values.reverse();
        values
    }

    /// The swept keys with their values in one combination.
    pub(crate) fn parameters(&self, combination: usize) -> Vec<Parameter> {
        let parameter =
            |(axis, value): (&Axis<'s>, _)| Parameter { key: axis.key.clone(), value: written(value) };
        self.values(combination).into_iter().map(parameter).collect()
    }

    /// Whether a range is in the name of a swept key.
    pub(crate) fn is_in_key(&self, span: &Range<usize>) -> bool {
        self.axes
            .iter()
            .map(|axis| axis.path.span())
            .any(|key| key.start <= span.start && span.end <= key.end)
    }

    /// The tree of one combination.
    pub(crate) fn apply(&self, root: &Value<'s>, combination: usize) -> Result<Value<'s>, Finding> {
        let mut root = root.clone();
        for (axis, value) in self.values(combination) {
            set(&mut root, &axis.path, value.clone())?;
        }
        Ok(root)
    }
}

impl<'s> Axis<'s> {
    fn read(
        root: &Value<'s>,
        parts: &[Segment],
        list: Value<'s>,
        set_keys: &[KeyPath],
    ) -> Result<Self, Finding> {
        let written_span =
            parts.first().map_or(0, |part| part.span.start)..parts.last().map_or(0, |part| part.span.end);
        let path =
            KeyPath::from_parts(parts).map_err(|error| Finding::new(&written_span, error.to_string()))?;
        let key = path.to_string();
        if let Some("title" | "sweep") = path.keys().next() {
            return Err(Finding::new(
                &path.span(),
                format!("`{key}` cannot be swept: it is the same for all cells"),
            ));
        }
        let path = canonical(root, &path)?;
        let span = list.span();
        let values: Vec<Value<'s>> = match list.into_inner() {
            DeValue::Array(values) => values.into_iter().collect(),
            other => {
                return Err(Finding::new(
                    &span,
                    format!("expected a list of values, found {}", type_name(&other)),
                )
                .help("such as [\"2s\", \"10s\", \"60s\"]"));
            }
        };
        if values.is_empty() {
            return Err(Finding::new(&span, "this list is empty: the sweep has 0 cells"));
        }
        let mut seen = std::collections::BTreeSet::new();
        if let Some(again) = values.iter().find(|value| !seen.insert(written(value))) {
            return Err(Finding::new(&again.span(), format!("`{}` stands here twice", written(again)))
                .help("write repeat = 2 to run each combination twice"));
        }
        let set = set_keys.iter().rev().find(|set| **set == path);
        let values = match set.and_then(|set| crate::document::tree::get(root, set)) {
            Some(set) => vec![set.clone()],
            None => values,
        };
        Ok(Self { key, path, values })
    }

    /// Checks that no other swept key is this one, or holds it, or is in it.
    fn apart_from(&self, others: &[Self], parts: &[Segment]) -> Result<(), Finding> {
        let Some(other) =
            others.iter().find(|other| other.path.holds(&self.path) || self.path.holds(&other.path))
        else {
            return Ok(());
        };
        let span = KeyPath::from_parts(parts).map_or(0..0, |path| path.span());
        let message = if other.path == self.path {
            format!("`{}` is swept twice", self.key)
        } else {
            format!("`{}` and `{}` cannot both be swept: one is a part of the other", other.key, self.key)
        };
        Err(Finding::new(&span, message))
    }
}

/// The entries of `[sweep]`, with the parts of keys that stand without quotes.
fn flatten<'s>(entries: &mut Vec<(Vec<Segment>, Value<'s>)>, above: &[Segment], table: DeTable<'s>) {
    for (key, value) in table {
        let mut parts = above.to_vec();
        parts.push(Segment { span: key.span(), key: key.into_inner().into_owned() });
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(inner) => flatten(entries, &parts, inner),
            value => entries.push((parts, toml::Spanned::new(span, value))),
        }
    }
}

fn read_repeat(value: &Value<'_>) -> Result<u32, Finding> {
    let DeValue::Integer(number) = value.get_ref() else {
        let message = format!("expected a whole number, found {}", type_name(value.get_ref()));
        return Err(Finding::new(&value.span(), message));
    };
    let repeat = u32::from_str_radix(number.as_str(), number.radix()).ok();
    let fits = repeat.filter(|repeat| (1..=1_000_000).contains(repeat));
    fits.ok_or_else(|| Finding::new(&value.span(), "`repeat` must be from 1 to 1000000"))
}
