//! The kernels among what apt lists.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::stanza::Stanza;
use crate::version::compare_versions;

/// The names of the packages that hold cloud kernels for x86-64, whole or in parts, as an extended
/// regular expression for `apt-cache show`.
pub(super) const NAMES: &str = "^linux-(image|binary|modules|base)-.*cloud-amd64(-unsigned)?$";

/// A kernel of Debian's that apt can fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvailableKernel {
    /// The package that installs it: `linux-image-...`.
    pub package: String,
    /// That package's version.
    pub version: String,
    /// What `uname -r` says under it.
    pub release: String,
    /// The suite it comes from.
    pub suite: String,
    /// What is to be downloaded, in bytes.
    pub bytes: u64,
    /// The packages that hold its files, that with the image first.
    pub(crate) debs: Vec<Deb>,
}

/// A package's file, as apt's lists promise it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deb {
    pub package: String,
    pub version: String,
    pub bytes: u64,
    pub sha256: String,
}

/// The kernels in what `apt-cache show` printed for [`NAMES`], newest first, one for each package;
/// the suites out of what `apt-cache madison` printed.
pub(super) fn kernels(show: &str, madison: &str) -> Vec<AvailableKernel> {
    let stanzas = Stanza::parse(show);
    let suites = suites(madison);
    let debs: HashMap<(&str, &str), Deb> = stanzas
        .iter()
        .filter_map(deb)
        .map(|(package, version, deb)| ((package, version), deb))
        .collect();
    let mut kernels: Vec<_> = stanzas.iter().filter_map(|stanza| kernel(stanza, &debs, &suites)).collect();
    // At the same version the signed image, whose name is the shorter, goes before the unsigned.
    kernels.sort_by(|a, b| {
        compare_versions(&b.version, &a.version)
            .then_with(|| compare_versions(&b.release, &a.release))
            .then_with(|| a.package.len().cmp(&b.package.len()))
    });
    let (mut packages, mut images) = (HashSet::new(), HashSet::new());
    kernels.retain(|kernel| {
        packages.insert(kernel.package.clone()) && images.insert((kernel.release.clone(), kernel.version.clone()))
    });
    kernels
}

/// The names of the packages in what `apt-cache show` printed that may be kernels.
pub(super) fn images(show: &str) -> Vec<String> {
    let stanzas = Stanza::parse(show);
    let mut names: Vec<_> = stanzas
        .iter()
        .filter_map(|stanza| stanza.get("Package"))
        .filter(|name| release(name).is_some())
        .map(str::to_owned)
        .collect();
    names.sort_by_key(|name| Reverse(name.clone()));
    names.dedup();
    names
}

/// The package's file; `None` where it is installed but can no longer be fetched, or is for another
/// machine.
fn deb(stanza: &Stanza) -> Option<(&str, &str, Deb)> {
    stanza.get("Filename")?;
    if stanza.get("Architecture")? != "amd64" {
        return None;
    }
    let (package, version) = (stanza.get("Package")?, stanza.get("Version")?);
    let deb = Deb {
        package: package.to_owned(),
        version: version.to_owned(),
        bytes: stanza.get("Size")?.parse().ok()?,
        sha256: stanza.get("SHA256")?.to_ascii_lowercase(),
    };
    Some((package, version, deb))
}

/// The release of the kernel that a package of this name installs; `None` for packages that only
/// follow the newest kernel, as `linux-image-cloud-amd64`, and for others.
fn release(package: &str) -> Option<&str> {
    let release = package.strip_prefix("linux-image-")?;
    let release = release.strip_suffix("-unsigned").unwrap_or(release);
    release.starts_with(|first: char| first.is_ascii_digit()).then_some(release)
}

fn kernel(
    stanza: &Stanza,
    debs: &HashMap<(&str, &str), Deb>,
    suites: &HashMap<(&str, &str), &str>,
) -> Option<AvailableKernel> {
    let (package, version, own) = deb(stanza)?;
    let release = release(package)?;
    let depends = stanza.get("Depends").unwrap_or_default();
    let on: Vec<_> = depends.split(',').filter_map(|one| one.split_whitespace().next()).collect();
    // A package that follows the newest of a series (linux-image-6.12-cloud-amd64) is no kernel.
    if on.iter().any(|name| name.starts_with("linux-image-")) {
        return None;
    }
    // Since 6.19 the files are in packages of their own, named after the release, on which this one
    // depends: the image in linux-binary-, the modules in linux-modules-, the lists of what is built
    // in and the configuration in linux-base-.
    let parts = on.iter().filter(|name| name.starts_with("linux-") && name.ends_with(release));
    let mut files: Vec<Deb> = parts.map(|&name| debs.get(&(name, version)).cloned()).collect::<Option<_>>()?;
    files.sort_by_key(|deb| !deb.package.starts_with("linux-binary-"));
    if files.is_empty() {
        files.push(own);
    }
    Some(AvailableKernel {
        package: package.to_owned(),
        version: version.to_owned(),
        release: release.to_owned(),
        suite: suites.get(&(package, version)).copied().unwrap_or_default().to_owned(),
        bytes: files.iter().map(|deb| deb.bytes).sum(),
        debs: files,
    })
}

/// The suite of each package and version: lines of
/// `PACKAGE | VERSION | URI SUITE/COMPONENT ARCHITECTURE Packages`. The first line counts.
fn suites(madison: &str) -> HashMap<(&str, &str), &str> {
    let mut suites = HashMap::new();
    for line in madison.lines() {
        let mut columns = line.split('|').map(str::trim);
        if let (Some(package), Some(version), Some(place)) = (columns.next(), columns.next(), columns.next())
            && let Some((suite, _component)) =
                place.split_whitespace().nth(1).and_then(|word| word.rsplit_once('/'))
        {
            suites.entry((package, version)).or_insert(suite);
        }
    }
    suites
}
