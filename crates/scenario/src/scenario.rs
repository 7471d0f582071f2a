//! A scenario: a file's text into cells.

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cell::{Cell, Experiment};
use crate::check::check;
use crate::document::key_path::KeyPath;
use crate::document::source::{Place, Sources};
use crate::document::tree::{Value, canonical, check_depth, get, set};
use crate::document::wording::{explain, syntax};
use crate::error::{Finding, ScenarioError};
use crate::raw::RawScenario;
use crate::set_option::{Options, Override};
use crate::sweep::{Count, Counts, Sweep};

/// Problems shown at most; in a sweep one mistake can show in every combination.
const MAX_PROBLEMS: usize = 10;

/// Combinations that may fail before the rest is left unchecked.
const MAX_FAILED_COMBINATIONS: usize = 1000;

/// A checked scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its file's name without `.toml`.
    pub name: String,
    /// What it is about, in one line.
    pub title: Option<String>,
    /// What to do: every combination of the swept values, the first key changing slowest, the repeats of each one
    /// after another, and the phases of each repeat.
    pub cells: Vec<Cell>,
    /// The swept keys as written, in the order of the file: the last columns of the CSV.
    pub swept: Vec<String>,
    /// The file's text and the overrides', to find places in later.
    sources: Sources,
    options: Options,
}

impl Scenario {
    /// Reads a scenario from its text. `file` is what messages call it, `name` names the scenario.
    pub(crate) fn read(name: &str, file: &str, text: &str, options: &Options) -> Result<Self, ScenarioError> {
        let mut sources = Sources::default();
        sources.add(file, text);
        for set in &options.overrides {
            set.add_to(&mut sources);
        }
        let mut argument = |name: &str, number: Option<u32>| {
            let text = number?.to_string();
            let start = sources.add(name, &text);
            Some(Count { number: number?, span: start..start + text.len() })
        };
        let counts = Counts {
            repeat: argument("--repeat", options.repeat),
            phases: argument("--phases", options.phases),
        };
        let read = Document::read(&sources, &options.overrides, counts)
            .and_then(|document| Ok((document.cells(name, &sources)?, document.swept())));
        match read {
            Ok(((title, cells), swept)) => {
                Ok(Self { name: name.to_owned(), title, cells, swept, sources, options: options.clone() })
            }
            Err(findings) => Err(ScenarioError::from_findings(findings, &sources)),
        }
    }

    /// Reads a scenario named `name` from its text.
    pub fn parse(name: &str, text: &str, options: &Options) -> Result<Self, ScenarioError> {
        Self::read(name, &format!("{name}.toml"), text, options)
    }

    /// The text of the file, as read.
    pub fn source(&self) -> &str {
        self.sources.file()
    }

    /// What the command line added.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Where the value of a key is written: in the file, or in the argument that overrides it. A key of
    /// `client.sysctl` or `server.sysctl` is also found in `[sysctl]`. `None` where it is not written.
    ///
    /// For a swept key this is the value that the sweep replaces; see [`Self::locate_in`].
    pub fn locate(&self, key: &KeyPath) -> Option<Place> {
        self.find(key, None)
    }

    /// As [`Self::locate`], but for a swept key its value in this cell, in `[sweep]`.
    pub fn locate_in(&self, cell: &Cell, key: &KeyPath) -> Option<Place> {
        let number: usize = cell.id.parse().ok()?;
        self.find(key, Some(number.checked_sub(1)?))
    }

    fn find(&self, key: &KeyPath, combination: Option<usize>) -> Option<Place> {
        // Errors to be shown are rare: reading the text again is cheaper than keeping the tree.
        let count = |number: u32| Count { number, span: 0..0 };
        let counts =
            Counts { repeat: self.options.repeat.map(count), phases: self.options.phases.map(count) };
        let document = Document::read(&self.sources, &self.options.overrides, counts).ok()?;
        let root = match combination {
            Some(number) if number < document.sweep.combinations() => {
                document.sweep.apply(&document.root, number).ok()?
            }
            Some(_) => return None,
            None => document.root,
        };
        let path = canonical(&root, key).ok()?;
        let value = get(&root, &path).or_else(|| match path.segments() {
            [_, sysctl, name] if sysctl.key == "sysctl" => {
                get(&root, &KeyPath::from_parts(&[sysctl.clone(), name.clone()]).ok()?)
            }
            _ => None,
        })?;
        self.sources.place(&value.span())
    }
}

/// The tree of all that is written, the sweep apart.
struct Document<'s> {
    root: Value<'s>,
    sweep: Sweep<'s>,
}

impl<'s> Document<'s> {
    fn read(sources: &'s Sources, overrides: &[Override], counts: Counts) -> Result<Self, Vec<Finding>> {
        let mut root = parse(sources.file()).map_err(|finding| vec![finding])?;
        let mut set_keys = Vec::new();
        for (index, argument) in overrides.iter().enumerate() {
            let (text, offset) = sources.get(index + 1);
            let key = argument
                .read(text, offset)
                .and_then(|(key, value)| {
                    let key = canonical(&root, &key)?;
                    set(&mut root, &key, value).map(|()| key)
                })
                .map_err(|finding| vec![finding])?;
            set_keys.push(key);
        }
        let sweep = Sweep::take_from(&mut root, &set_keys, counts)?;
        Ok(Self { root, sweep })
    }

    fn swept(&self) -> Vec<String> {
        self.sweep.keys().map(str::to_owned).collect()
    }

    /// The title and all cells.
    fn cells(&self, scenario: &str, sources: &Sources) -> Result<(Option<String>, Vec<Cell>), Vec<Finding>> {
        let combinations = self.sweep.combinations();
        let width = combinations.to_string().len();
        let mut cells = Vec::with_capacity(combinations * self.sweep.runs_of_each().count());
        let mut failures = Failures::default();
        let mut title = None;
        for combination in 0..combinations {
            let experiment = self
                .sweep
                .apply(&self.root, combination)
                .map_err(|finding| vec![finding])
                .and_then(|root| experiment(root, sources));
            let experiment = match experiment {
                Ok(read) => {
                    title = read.0;
                    read.1
                }
                Err(findings) => {
                    failures.add(combination, findings);
                    if failures.enough() {
                        break;
                    }
                    continue;
                }
            };
            let parameters = self.sweep.parameters(combination);
            let id = format!("{:0width$}", combination + 1);
            cells.extend(self.sweep.runs_of_each().map(|(repeat, phase)| Cell {
                scenario: scenario.to_owned(),
                id: id.clone(),
                repeat,
                phase,
                parameters: parameters.clone(),
                experiment: experiment.clone(),
            }));
        }
        if failures.found.is_empty() { Ok((title, cells)) } else { Err(self.labelled(failures, sources)) }
    }

    /// Adds the swept values to what is only wrong with them; a wrong key is wrong with any.
    fn labelled(&self, failures: Failures, sources: &Sources) -> Vec<Finding> {
        let always = match experiment(self.root.clone(), sources) {
            Err(findings) => findings,
            Ok(_) => Vec::new(),
        };
        let label = |(combination, finding): (usize, Finding)| {
            let parameters: Vec<String> = self
                .sweep
                .parameters(combination)
                .iter()
                .map(|parameter| format!("{} = {}", parameter.key, parameter.value))
                .collect();
            if parameters.is_empty() || always.contains(&finding) || self.sweep.is_in_key(&finding.span) {
                return finding;
            }
            let with = format!("with {}", parameters.join(", "));
            let label =
                finding.label.as_ref().map_or_else(|| with.clone(), |label| format!("{label}; {with}"));
            finding.label(label)
        };
        failures.found.into_iter().map(label).collect()
    }
}

/// What is wrong in any combination, each thing once, with the first combination that shows it.
#[derive(Default)]
struct Failures {
    found: Vec<(usize, Finding)>,
    combinations: usize,
}

impl Failures {
    fn add(&mut self, combination: usize, findings: Vec<Finding>) {
        self.combinations += 1;
        for finding in findings {
            if self.found.len() < MAX_PROBLEMS && !self.found.iter().any(|(_, known)| *known == finding) {
                self.found.push((combination, finding));
            }
        }
    }

    fn enough(&self) -> bool {
        self.found.len() >= MAX_PROBLEMS || self.combinations >= MAX_FAILED_COMBINATIONS
    }
}

fn parse(text: &str) -> Result<Value<'_>, Finding> {
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or(text.len()..text.len());
        syntax(&error, &span, text.get(span.clone()).unwrap_or_default())
    })?;
    let span = table.span();
    let root = Spanned::new(span, DeValue::Table(table.into_inner()));
    check_depth(&root)?;
    if root.get_ref().as_table().is_some_and(DeTable::is_empty) {
        return Err(Finding::new(&(0..0), "this scenario is empty: there is nothing to do").help(
            "usual are [server] and [client] (what each end sends, its socket options), [[fault]] (what breaks, when), \
             [stop] and [expect]",
        ));
    }
    Ok(root)
}

/// The title and the experiment of one combination.
fn experiment(root: Value<'_>, sources: &Sources) -> Result<(Option<String>, Experiment), Vec<Finding>> {
    let raw = RawScenario::deserialize(toml::de::ValueDeserializer::from(root)).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        vec![explain(&error, &span, sources.text(&span))]
    })?;
    let experiment = check(&raw)?;
    Ok((raw.title, experiment))
}
