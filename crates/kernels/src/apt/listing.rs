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

/// A kernel of which a mirror has but a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Incomplete {
    pub version: String,
    pub release: String,
    /// The package that is no longer there.
    pub lacks: String,
}

/// What apt sees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listing {
    /// Newest first, one for each package.
    pub kernels: Vec<AvailableKernel>,
    pub incomplete: Vec<Incomplete>,
}

impl Listing {
    /// Reads what `apt-cache show` printed for [`NAMES`], and `apt-cache madison` for [`images`].
    pub(super) fn parse(show: &str, madison: &str) -> Self {
        let stanzas = Stanza::parse(show);
        let suites = suites(madison);
        let debs =
            stanzas.iter().filter_map(deb).map(|deb| ((deb.package.clone(), deb.version.clone()), deb));
        let debs: Debs = debs.collect();
        let mut listing = Self::default();
        for stanza in &stanzas {
            match kernel(stanza, &debs, &suites) {
                Some(Ok(kernel)) => listing.kernels.push(kernel),
                Some(Err(incomplete)) => listing.incomplete.push(incomplete),
                None => {}
            }
        }
        // At the same version the signed image, whose name is the shorter, goes before the unsigned.
        listing.kernels.sort_by(|a, b| {
            compare_versions(&b.version, &a.version)
                .then_with(|| compare_versions(&b.release, &a.release))
                .then_with(|| a.package.len().cmp(&b.package.len()))
        });
        listing.incomplete.sort_by(|a, b| compare_versions(&b.version, &a.version));
        let (mut packages, mut images) = (HashSet::new(), HashSet::new());
        listing.kernels.retain(|kernel| {
            packages.insert(kernel.package.clone())
                && images.insert((kernel.release.clone(), kernel.version.clone()))
        });
        listing
    }
}

/// The package files, by package and version.
type Debs = HashMap<(String, String), Deb>;

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
fn deb(stanza: &Stanza) -> Option<Deb> {
    stanza.get("Filename")?;
    if stanza.get("Architecture")? != "amd64" {
        return None;
    }
    Some(Deb {
        package: stanza.get("Package")?.to_owned(),
        version: stanza.get("Version")?.to_owned(),
        bytes: stanza.get("Size")?.parse().ok()?,
        sha256: stanza.get("SHA256")?.to_ascii_lowercase(),
    })
}

/// The release of the kernel that a package of this name installs; `None` for packages that only
/// follow the newest kernel, as `linux-image-cloud-amd64`, and for others.
fn release(package: &str) -> Option<&str> {
    let release = package.strip_prefix("linux-image-")?;
    let release = release.strip_suffix("-unsigned").unwrap_or(release);
    release.starts_with(|first: char| first.is_ascii_digit()).then_some(release)
}

/// The kernel that a package installs; `None` where it installs none.
fn kernel(
    stanza: &Stanza,
    debs: &Debs,
    suites: &HashMap<(&str, &str), &str>,
) -> Option<Result<AvailableKernel, Incomplete>> {
    let own = deb(stanza)?;
    let release = release(&own.package)?.to_owned();
    let depends = stanza.get("Depends").unwrap_or_default();
    let on: Vec<_> = depends.split(',').filter_map(|one| one.split_whitespace().next()).collect();
    // A package that follows the newest of a series (linux-image-6.12-cloud-amd64) is no kernel.
    if on.iter().any(|name| name.starts_with("linux-image-")) {
        return None;
    }
    let (package, version) = (own.package.clone(), own.version.clone());
    // Since 6.19 the files are in packages of their own, named after the release, on which this one
    // depends: the image in linux-binary-, the modules in linux-modules-, the configuration and the
    // lists of what is built in in linux-base-. Before, this one has all (6.18 too, though it depends
    // on its linux-base-, for documents).
    let is_split = on.iter().any(|name| name.starts_with("linux-modules-"));
    let mut files = vec![own];
    if is_split {
        files.clear();
        for name in on.iter().filter(|name| name.starts_with("linux-") && name.ends_with(&release)) {
            match debs.get(&((*name).to_owned(), version.clone())) {
                Some(deb) => files.push(deb.clone()),
                None => return Some(Err(Incomplete { version, release, lacks: (*name).to_owned() })),
            }
        }
        files.sort_by_key(|deb| !deb.package.starts_with("linux-binary-"));
    }
    let suite = suites.get(&(package.as_str(), version.as_str())).copied().unwrap_or_default().to_owned();
    let bytes = files.iter().map(|deb| deb.bytes).sum();
    Some(Ok(AvailableKernel { package, version, release, suite, bytes, debs: files }))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A stanza as `apt-cache show` prints it, with the fields that count.
    fn stanza(package: &str, version: &str, depends: &str) -> String {
        format!(
            "Package: {package}\nSource: linux-signed-amd64 ({version})\nVersion: {version}\nArchitecture: amd64\n\
             Depends: {depends}\nDescription-en: Linux for x86-64\n The kernel.\nFilename: pool/{package}.deb\n\
             Size: 1000\nSHA256: AB12\n\n"
        )
    }

    fn told(listing: &Listing) -> Vec<String> {
        let debs = |kernel: &AvailableKernel| {
            kernel.debs.iter().map(|deb| deb.package.as_str()).collect::<Vec<_>>().join(" + ")
        };
        listing
            .kernels
            .iter()
            .map(|kernel| {
                let AvailableKernel { package, version, release, suite, bytes, .. } = kernel;
                format!("{package} {version} is {release} of {suite}: {bytes} bytes in {}", debs(kernel))
            })
            .chain(
                listing.incomplete.iter().map(|kernel| format!("{} lacks {}", kernel.release, kernel.lacks)),
            )
            .collect()
    }

    #[test]
    fn kernels_are_found_whole_and_split_and_nothing_else() {
        let split = |version: &str, release: &str| {
            let bound = |part: &str| format!("linux-{part}-{release} (= {version})");
            let depends = ["base", "binary", "modules"].map(bound).join(", ");
            stanza(
                &format!("linux-image-{release}"),
                version,
                &format!("dracut | initramfs-tools, {depends}"),
            )
        };
        let show = [
            stanza("linux-image-6.1.0-53-cloud-amd64-unsigned", "6.1.187-1", "kmod, linux-base (>= 4.3~)"),
            stanza("linux-image-6.1.0-53-cloud-amd64", "6.1.187-1", "kmod, linux-base (>= 4.3~)"),
            stanza("linux-image-6.1.0-9-cloud-amd64", "6.1.100-1", "kmod"),
            stanza("linux-image-6.1.0-9-cloud-amd64", "6.1.90-1", "kmod"),
            // Only the unsigned one has arrived yet.
            stanza("linux-image-6.1.0-54-cloud-amd64-unsigned", "6.1.190-1", "kmod"),
            stanza("linux-image-cloud-amd64", "6.1.187-1", "linux-image-6.1.0-53-cloud-amd64 (= 6.1.187-1)"),
            stanza("linux-image-6.12-cloud-amd64", "6.12.1-1", "linux-image-6.12.1+deb12-cloud-amd64 (= 6.12.1-1)"),
            stanza("linux-image-6.18.15+deb13-cloud-amd64", "6.18.15-1", "kmod, linux-base-6.18.15+deb13-cloud-amd64 (= 6.18.15-1)"),
            split("7.3.4-1~bpo13+1", "7.3.4+deb13-cloud-amd64"),
            stanza("linux-base-7.3.4+deb13-cloud-amd64", "7.3.4-1~bpo13+1", ""),
            stanza("linux-binary-7.3.4+deb13-cloud-amd64", "7.3.4-1~bpo13+1", ""),
            stanza("linux-modules-7.3.4+deb13-cloud-amd64", "7.3.4-1~bpo13+1", ""),
            split("7.0.4-1", "7.0.4+deb13-cloud-amd64"),
            stanza("linux-base-7.0.4+deb13-cloud-amd64", "7.0.4-1", ""),
            stanza("linux-binary-7.0.4+deb13-cloud-amd64", "7.0.4-1", ""),
            // Installed, but no longer on a mirror.
            "Package: linux-image-6.1.0-1-cloud-amd64\nStatus: install ok installed\nVersion: 6.1.4-1\nArchitecture: amd64\n\n".into(),
            stanza("linux-image-6.1.0-2-cloud-amd64", "6.1.9-1", "").replace("amd64\nDep", "i386\nDep"),
        ]
        .concat();
        let madison = "\
linux-image-6.1.0-53-cloud-amd64 | 6.1.187-1 | http://deb.debian.org/debian-security bookworm-security/main amd64 Packages
linux-image-6.1.0-53-cloud-amd64 | 6.1.187-1 | http://deb.debian.org/debian bookworm/main amd64 Packages
linux-image-7.3.4+deb13-cloud-amd64 | 7.3.4-1~bpo13+1 | http://deb.debian.org/debian trixie-backports/main amd64 Packages
linux-image-6.1.0-9-cloud-amd64 | 6.1.100-1 | http://old.example/debian buster/updates/main amd64 Packages
";
        insta::assert_snapshot!(told(&Listing::parse(&show, madison)).join("\n"));
        assert_eq!(images(&show).len(), 10, "all names but that of the package that follows the newest");
    }

    #[test]
    fn nothing_listed_is_no_kernel() {
        assert_eq!(Listing::parse("", ""), Listing::default());
    }

    proptest! {
        #[test]
        fn no_output_makes_the_parser_panic(show in "((Package|Version|Depends|Size|SHA256|Filename|Architecture): ?[a-z0-9|,() -]{0,20}\n{1,2}){0,12}", madison in "[a-z |/\n]{0,60}") {
            let _ = Listing::parse(&show, &madison);
        }

        #[test]
        fn the_newest_comes_first_and_each_package_once(numbers in prop::collection::vec((0u32..4, 0u32..300), 0..12)) {
            let show: String = numbers.iter()
                .map(|(abi, number)| stanza(&format!("linux-image-6.1.0-{abi}-cloud-amd64"), &format!("6.1.{number}-1"), "kmod"))
                .collect();
            let Listing { kernels, .. } = Listing::parse(&show, "");
            for pair in kernels.windows(2) {
                prop_assert!(compare_versions(&pair[0].version, &pair[1].version).is_ge());
            }
            let unique: HashSet<_> = kernels.iter().map(|kernel| &kernel.package).collect();
            prop_assert_eq!(unique.len(), kernels.len());
            let abis: HashSet<_> = numbers.iter().map(|(abi, _)| abi).collect();
            prop_assert_eq!(abis.len(), kernels.len());
        }
    }
}
