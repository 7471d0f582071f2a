//! Mirrors of Debian in apt's sources, and the same for another suite.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use super::Places;
use super::stanza::Stanza;
use crate::error::KernelError;

/// Mirrors of Debian, as a source of apt's names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    uris: Vec<String>,
    pub suites: Vec<String>,
    /// The fields that say how to fetch and to check, as `Signed-By`.
    kept: Vec<(String, String)>,
}

/// Fields that a source for another suite takes over; all others are about what to fetch, or would
/// weaken the check of signatures. Source: `sources.list(5)`.
const KEPT: [&str; 7] = [
    "Signed-By",
    "Check-Valid-Until",
    "Valid-Until-Min",
    "Valid-Until-Max",
    "Check-Date",
    "Date-Max-Future",
    "By-Hash",
];

/// Where Debian's mirrors have its archives.
const ARCHIVES: [&str; 2] = ["debian", "debian-security"];

/// Suites of Debian that may stand in sources of mirrors with other paths.
const SUITES: [&str; 11] = [
    "stable", "oldstable", "oldoldstable", "testing", "unstable", "bullseye", "bookworm", "trixie", "forky", "duke",
    "sid",
];

/// The mirrors of Debian among the machine's sources.
pub(super) fn of_machine(places: &Places) -> Result<Vec<Source>, KernelError> {
    let mut files = vec![places.source_list.clone()];
    match fs::read_dir(&places.source_parts) {
        Ok(entries) => {
            let mut parts: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            parts.sort();
            files.extend(parts);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(KernelError::file("read", &places.source_parts)(source)),
    }
    let mut sources = Vec::new();
    for file in files {
        let parse = match file.extension().and_then(|end| end.to_str()) {
            Some("list") => of_lines,
            Some("sources") => of_stanzas,
            _ => continue,
        };
        sources.extend(parse(&read(&file)?));
    }
    Ok(sources)
}

fn read(file: &Path) -> Result<String, KernelError> {
    match fs::read(file) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(KernelError::file("read", file)(source)),
    }
}

/// Reads a `.sources` file; see `sources.list(5)`, "DEB822-STYLE FORMAT".
fn of_stanzas(text: &str) -> Vec<Source> {
    Stanza::parse(text).iter().filter_map(of_stanza).collect()
}

fn of_stanza(stanza: &Stanza) -> Option<Source> {
    let is_off = stanza.get("Enabled").is_some_and(|value| ["no", "false", "0", "off"].contains(&value));
    let is_binary = stanza.words("Types").any(|word| word == "deb");
    let is_for_us = stanza.get("Architectures").is_none_or(|all| all.split_whitespace().any(|one| one == "amd64"));
    let has_main = stanza.words("Components").any(|word| word == "main");
    if is_off || !is_binary || !is_for_us || !has_main {
        return None;
    }
    let words = |name| stanza.words(name).map(str::to_owned).collect::<Vec<_>>();
    let kept = KEPT.iter().filter_map(|&name| Some((name.to_owned(), stanza.get(name)?.to_owned())));
    let uris = words("URIs").into_iter().filter(|uri| !uri.starts_with("cdrom:")).collect();
    let source = Source { uris, suites: words("Suites"), kept: kept.collect() };
    source.is_of_debian().then_some(source)
}

/// Reads a `.list` file; see `sources.list(5)`, "ONE-LINE-STYLE FORMAT".
fn of_lines(text: &str) -> Vec<Source> {
    text.lines().filter_map(of_line).collect()
}

fn of_line(line: &str) -> Option<Source> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line.strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let mut text = format!("Types: deb\nURIs: {}\nSuites: {}\n", words.next()?, words.next()?);
    let _ = writeln!(text, "Components: {}", words.collect::<Vec<_>>().join(" "));
    for (name, value) in options.split_whitespace().filter_map(|option| option.split_once('=')) {
        let name = if name == "arch" { "Architectures" } else { name };
        let _ = writeln!(text, "{name}: {}", value.replace(',', " "));
    }
    of_stanzas(&text).pop()
}

impl Source {
    /// Whether these mirrors are Debian's own archive rather than another vendor's.
    fn is_of_debian(&self) -> bool {
        let is_archive = |uri: &String| {
            let last = uri.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            ARCHIVES.contains(&last) || uri.contains("debian.org/")
        };
        let has_its_key =
            self.kept.iter().any(|(name, value)| name == "Signed-By" && value.contains("debian-archive"));
        let has_its_suites = self.suites.iter().any(|suite| {
            let name = suite.split(['-', '/']).next().unwrap_or_default();
            SUITES.contains(&name)
        });
        !self.uris.is_empty() && (has_its_key || self.uris.iter().any(is_archive)) && has_its_suites
            || has_its_key && !self.uris.is_empty()
    }

    /// Whether these mirrors have the suites of security updates, which are an archive of their own.
    fn is_of_security(&self) -> bool {
        self.uris.iter().chain(&self.suites).any(|text| text.contains("security"))
    }

    /// The text of a `.sources` file with these mirrors and the given suites.
    pub(super) fn with_suites(&self, suites: &[String]) -> String {
        let mut text = format!("Types: deb\nURIs: {}\nSuites: {}\n", self.uris.join(" "), suites.join(" "));
        // Nothing but the lists of packages is fetched.
        text.push_str("Components: main\nArchitectures: amd64\nTargets: Packages\nLanguages: none\nPDiffs: no\n");
        for (name, value) in &self.kept {
            let _ = writeln!(text, "{name}: {value}");
        }
        text
    }
}

/// The texts of `.sources` files that may give the suite, the likeliest first, each once.
pub(super) fn for_suite(sources: &[Source], suite: &str) -> Vec<String> {
    let is_security = suite.contains("security");
    let (likely, others): (Vec<_>, Vec<_>) =
        sources.iter().partition(|source| source.is_of_security() == is_security);
    let mut texts: Vec<String> = Vec::new();
    for source in likely.into_iter().chain(others) {
        let text = source.with_suites(&[suite.to_owned()]);
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// The text of a `.sources` file with the machine's own suites.
pub(super) fn for_own_suites(sources: &[Source]) -> String {
    let texts: Vec<_> = sources.iter().map(|source| source.with_suites(&source.suites)).collect();
    texts.join("\n")
}
