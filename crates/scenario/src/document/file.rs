//! Reading a scenario file.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::document::source::Place;
use crate::error::{Problem, ScenarioError};
use crate::scenario::Scenario;
use crate::set_option::Options;

/// The largest scenario file: 1 MiB.
const MAX_BYTES: u64 = 1024 * 1024;

impl Scenario {
    /// Reads a scenario file; its name without `.toml` names the scenario.
    pub fn load(path: &Path, options: &Options) -> Result<Self, ScenarioError> {
        let text = read(path)?;
        let name = name_of(path)?;
        Self::read(&name, &path.to_string_lossy(), &text, options)
    }
}

fn name_of(path: &Path) -> Result<String, ScenarioError> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // It becomes a folder's name below results/ and a word in the CSV.
    if name.is_empty() || name.starts_with('.') || name.chars().any(char::is_control) {
        let message = format!("{} does not name a scenario file", path.display());
        return Err(Problem::without_place(message).help("such as scenarios/quick.toml").into());
    }
    Ok(name)
}

fn read(path: &Path) -> Result<String, ScenarioError> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        Problem::without_place(format!("could not read the scenario {shown}: {error}"))
    };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        let problem = Problem::without_place(format!("{shown} is a directory, not a scenario file"));
        return Err(problem.help("name the files in it, such as DIRECTORY/*.toml").into());
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        let message = format!("{shown} is larger than 1 MiB: this is no scenario file");
        return Err(Problem::without_place(message).into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let start = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        let range = start..start + char::REPLACEMENT_CHARACTER.len_utf8();
        Problem {
            message: "this is not UTF-8 text".to_owned(),
            place: Some(Place { name: shown.to_string().into(), text: Arc::from(text), range }),
            label: Some("no character in UTF-8".to_owned()),
            help: Some("scenario files are TOML, which is UTF-8".to_owned()),
        }
        .into()
    })
}
