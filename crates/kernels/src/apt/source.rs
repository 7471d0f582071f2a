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
    "stable",
    "oldstable",
    "oldoldstable",
    "testing",
    "unstable",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
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
    let is_for_us =
        stanza.get("Architectures").is_none_or(|all| all.split_whitespace().any(|one| one == "amd64"));
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
    /// Whether these mirrors are Debian's own archive rather than another vendor's, whose may have
    /// the same suites and component.
    fn is_of_debian(&self) -> bool {
        let signed_by = self.kept.iter().find(|(name, _)| name == "Signed-By").map(|(_, value)| value);
        let has_its_key = signed_by.is_some_and(|key| key.contains("debian-archive"));
        let has_other_key = signed_by.is_some_and(|key| key.starts_with('/')) && !has_its_key;
        let is_archive = self
            .uris
            .iter()
            .any(|uri| ARCHIVES.contains(&uri.trim_end_matches('/').rsplit('/').next().unwrap_or_default()));
        let has_its_suites =
            self.suites.iter().any(|suite| SUITES.contains(&suite.split('-').next().unwrap_or_default()));
        !self.uris.is_empty()
            && (has_its_key
                || self.uris.iter().any(|uri| uri.contains("debian.org/"))
                || is_archive && has_its_suites && !has_other_key)
    }

    /// Whether these mirrors have the suites of security updates, which are an archive of their own.
    fn is_of_security(&self) -> bool {
        self.uris.iter().chain(&self.suites).any(|text| text.contains("security"))
    }

    /// The text of a `.sources` file with these mirrors and the given suites.
    pub(super) fn with_suites(&self, suites: &[String]) -> String {
        let mut text = format!("Types: deb\nURIs: {}\nSuites: {}\n", self.uris.join(" "), suites.join(" "));
        // Nothing but the lists of packages is fetched.
        text.push_str(
            "Components: main\nArchitectures: amd64\nTargets: Packages\nLanguages: none\nPDiffs: no\n",
        );
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEBIAN: &str = "\
Types: deb deb-src
# http://snapshot.debian.org/archive/debian/20250520T000000Z
URIs: http://deb.debian.org/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
Trusted: yes
Allow-Insecure: yes

Types: deb
URIs: http://deb.debian.org/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
";

    #[test]
    fn another_suite_of_the_same_mirrors_is_checked_with_the_same_keys() {
        let sources = of_stanzas(DEBIAN);
        let told =
            ["trixie-backports", "bullseye-security"].map(|suite| for_suite(&sources, suite).join("--\n"));
        insta::assert_snapshot!(told.join("\n=====\n"));
    }

    #[test]
    fn the_machines_own_suites_stay_with_their_mirrors() {
        insta::assert_snapshot!(for_own_suites(&of_stanzas(DEBIAN)));
    }

    #[test]
    fn a_key_within_the_source_is_taken_over_whole() {
        let text = "Types: deb\nURIs: http://ftp.de.debian.org/debian/\nSuites: sid\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEY865UxYJKw\n -----END PGP PUBLIC KEY BLOCK-----\n";
        let sources = of_stanzas(text);
        let again = of_stanzas(&for_suite(&sources, "trixie")[0]);
        assert_eq!(again[0].kept, sources[0].kept);
        assert!(again[0].kept[0].1.contains("\n mDMEY865UxYJKw\n"), "{again:?}");
    }

    #[test]
    fn both_formats_say_the_same() {
        let line = "deb [arch=amd64,arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg trusted=yes check-valid-until=no] http://snapshot.debian.org/archive/debian/20250520T000000Z bookworm main # old";
        let stanza = "Types: deb\nURIs: http://snapshot.debian.org/archive/debian/20250520T000000Z\nSuites: bookworm\nComponents: main\nArchitectures: amd64 arm64\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\ncheck-valid-until: no\n";
        assert_eq!(of_lines(line), of_stanzas(stanza));
        assert_eq!(of_lines(line).len(), 1);
        let plain = of_lines("deb\thttp://mirror.local/debian  bookworm main");
        assert_eq!(plain[0].uris, ["http://mirror.local/debian"]);
    }

    #[test]
    fn other_vendors_and_what_is_off_are_left_out() {
        let lines = [
            "# deb http://deb.debian.org/debian bookworm main",
            "deb-src http://deb.debian.org/debian bookworm main",
            "deb http://deb.debian.org/debian bookworm contrib",
            "deb [arch=arm64] http://deb.debian.org/debian bookworm main",
            "deb cdrom:[Debian GNU/Linux 12]/ bookworm main",
            "deb http://archive.ubuntu.com/ubuntu noble main",
            "deb https://packages.cloud.google.com/apt cloud-sdk-bookworm main",
            "deb https://download.docker.com/linux/debian bookworm stable",
            "deb [signed-by=/usr/share/keyrings/tailscale.gpg] https://pkgs.tailscale.com/stable/debian bookworm main",
            "deb https://apt.postgresql.org/pub/repos/apt trixie-pgdg main",
            "deb",
        ];
        for line in lines {
            assert_eq!(of_lines(line), [], "{line}");
        }
        let off = DEBIAN.replace("Types:", "Enabled: no\nTypes:");
        assert_eq!(of_stanzas(&off), []);
    }

    #[test]
    fn of_the_machines_files_those_are_read_that_apt_reads() {
        let folder = tempfile::tempdir().unwrap();
        let parts = folder.path().join("parts");
        std::fs::create_dir(&parts).unwrap();
        let list = folder.path().join("sources.list");
        std::fs::write(&list, "deb http://a.example/debian sid main\n").unwrap();
        std::fs::write(parts.join("b.list"), "deb http://b.example/debian sid main\n").unwrap();
        std::fs::write(parts.join("c.sources"), DEBIAN).unwrap();
        std::fs::write(parts.join("d.list.save"), "deb http://d.example/debian sid main\n").unwrap();
        let none = Path::new("/nowhere").to_owned();
        let mut places = Places {
            lists: none.clone(),
            source_list: list,
            source_parts: parts,
            settings_parts: none.clone(),
            settings: none.clone(),
        };
        let uris: Vec<_> = of_machine(&places).unwrap().into_iter().flat_map(|source| source.uris).collect();
        let expected = [
            "http://a.example/debian",
            "http://b.example/debian",
            "http://deb.debian.org/debian",
            "http://deb.debian.org/debian-security",
        ];
        assert_eq!(uris, expected);
        (places.source_list, places.source_parts) = (none.clone(), none);
        assert_eq!(of_machine(&places).unwrap(), []);
    }

    proptest! {
        #[test]
        fn a_rewritten_source_reads_back_with_the_new_suite_alone(
            host in "[a-z]{1,8}\\.[a-z]{2,3}", archive in "debian(-security)?/?", own in "(bookworm|trixie|sid)(-[a-z]{1,9})?",
            key in "[a-z]{0,5}", suite in "[a-z]{1,8}(-[a-z]{1,9})?",
        ) {
            let text = format!("deb [signed-by=/{key}debian-archive.gpg,/other.gpg] https://{host}/{archive} {own} main non-free");
            let sources = of_lines(&text);
            prop_assert_eq!(sources.len(), 1, "{}", text);
            let again = of_stanzas(&for_suite(&sources, &suite)[0]);
            let expected = Source { suites: vec![suite], ..sources[0].clone() };
            prop_assert_eq!(again, [expected]);
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in "(deb )?[\\[\\]a-z:=/# .\n-]{0,60}") {
            let _ = (of_lines(&text), of_stanzas(&text));
        }
    }
}
