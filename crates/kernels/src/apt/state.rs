//! A state of apt's of our own, for suites that the machine's sources do not name.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Apt, Places, run, source};
use crate::cache::write_whole;
use crate::error::KernelError;

/// How long fetched lists count as fresh.
const FRESH: Duration = Duration::from_hours(24);

/// Settings that are read after the machine's own.
///
/// Hooks of the machine's apt (`APT::Update::Post-Invoke` and others) would touch its own files, and
/// a release that the machine's settings prefer need not be here.
const SETTINGS: &str = r#"#clear APT::Update;
#clear APT::Default-Release;
#clear APT::Architectures;
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
"#;

/// Private sources and lists in a folder of the cache, made from the machine's own sources.
#[derive(Clone, Debug)]
pub(crate) struct PrivateState {
    folder: PathBuf,
    /// The suite; `None`: the machine's own suites.
    suite: Option<String>,
}

impl PrivateState {
    /// The state in `folder`, which need not be there yet.
    pub(crate) fn new(folder: PathBuf, suite: Option<String>) -> Self {
        Self { folder, suite }
    }

    /// Whether the lists were fetched less than a day ago.
    pub(crate) fn is_fresh(&self) -> bool {
        let age = fs::metadata(self.stamp()).and_then(|status| status.modified()).map(|time| time.elapsed());
        matches!(age, Ok(Ok(age)) if age < FRESH)
    }

    /// Whether lists were ever fetched.
    pub(crate) fn exists(&self) -> bool {
        self.stamp().exists() && self.sources().exists()
    }

    /// apt, led to this state.
    pub(crate) fn apt(&self) -> Apt {
        self.apt_with(&self.sources())
    }

    fn apt_with(&self, sources: &Path) -> Apt {
        let mut options: Vec<OsString> = vec!["-c".into(), self.settings().into()];
        let lists = self.folder.join("lists");
        let none = Path::new("/dev/null");
        let cache = self.folder.join("cache");
        let places = [
            ("Dir::State", self.folder.as_path()),
            ("Dir::State::lists", &lists),
            ("Dir::State::status", none),
            ("Dir::Cache", &cache),
            ("Dir::Etc::sourcelist", sources),
            ("Dir::Etc::sourceparts", none),
            ("Dir::Etc::preferences", none),
            ("Dir::Etc::preferencesparts", none),
        ];
        for (key, path) in places {
            let mut option = OsString::from(format!("{key}="));
            option.push(path);
            options.extend(["-o".into(), option]);
        }
        Apt { options, watched: Some(vec![lists, sources.to_owned()]) }
    }

    /// Fetches the lists from the first mirror that has the suite. apt checks the signatures.
    pub(crate) fn update(&self, machine: &Places) -> Result<(), KernelError> {
        for folder in ["lists/partial", "cache/archives/partial"] {
            let folder = self.folder.join(folder);
            fs::create_dir_all(&folder).map_err(KernelError::file("create", &folder))?;
        }
        write_whole(&self.settings(), SETTINGS.as_bytes())?;
        let sources = source::of_machine(machine)?;
        let candidates = match &self.suite {
            Some(suite) => source::for_suite(&sources, suite),
            None if sources.is_empty() => Vec::new(),
            None => vec![source::for_own_suites(&sources)],
        };
        let mut worst = KernelError::NoMirror;
        for candidate in candidates {
            match self.try_source(&candidate) {
                Ok(()) => return Ok(()),
                Err(error) if weight(&error) > weight(&worst) => worst = error,
                Err(_) => {}
            }
        }
        Err(worst)
    }

    /// Fetches the lists with this text as the sources, and keeps it if that succeeds.
    fn try_source(&self, text: &str) -> Result<(), KernelError> {
        let trial = self.folder.join("trial.sources");
        write_whole(&trial, text.as_bytes())?;
        let mut command = self.apt_with(&trial).command("apt-get");
        command.args(["update", "-q"]);
        run(command, "apt-get", "apt-get update").map_err(|error| self.classify(error))?;
        let sources = self.sources();
        fs::rename(&trial, &sources).map_err(KernelError::file("rename", &trial))?;
        write_whole(&self.stamp(), b"")
    }

    /// What apt's words mean.
    fn classify(&self, error: KernelError) -> KernelError {
        let KernelError::Program { said, .. } = &error else { return error };
        let (said, suite) = (said.clone(), self.suite.clone());
        // gpgv's word, and that of sqv, which Debian has since trixie.
        let lacks_key = ["NO_PUBKEY", "Missing key"].iter().any(|mark| said.contains(mark));
        let lacks_suite = said.contains("does not have a Release file");
        match suite {
            suite if lacks_key => KernelError::NoKey { suite, said },
            // The same is said where the mirror cannot be reached at all.
            Some(suite) if lacks_suite && said.contains("404") => KernelError::NoSuite { suite, said },
            _ => error,
        }
    }

    fn sources(&self) -> PathBuf {
        self.folder.join("mirror.sources")
    }

    fn settings(&self) -> PathBuf {
        self.folder.join("settings")
    }

    /// A file as old as the lists.
    fn stamp(&self) -> PathBuf {
        self.folder.join("updated")
    }
}

/// Which of two errors tells more.
fn weight(error: &KernelError) -> u8 {
    match error {
        KernelError::NoMirror => 0,
        KernelError::NoSuite { .. } => 1,
        KernelError::NoKey { .. } => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified(suite: Option<&str>, said: &str) -> KernelError {
        let state = PrivateState::new("/nowhere".into(), suite.map(str::to_owned));
        state.classify(KernelError::Program { program: "apt-get update".into(), said: said.into() })
    }

    #[test]
    fn what_apt_says_is_told_apart() {
        let no_file = "The repository 'http://deb.debian.org/debian x Release' does not have a Release file.";
        let cases = [
            (Some("x"), format!("{no_file}; 404  Not Found [IP: 203.0.113.80 80]")),
            (Some("x"), format!("{no_file}; Could not connect to 127.0.0.1:9")),
            (
                Some("x"),
                "GPG error: The following signatures couldn't be verified: NO_PUBKEY 648ACFD622F3D138".into(),
            ),
            (None, "OpenPGP signature verification failed: Missing key 4CB50190207B4758A3F73A79".into()),
        ];
        let told = cases.map(|(suite, said)| {
            let error = classified(suite, &said);
            format!("{error}\n  = {}", error.help().unwrap_or_default())
        });
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn a_missing_key_tells_more_than_a_missing_suite() {
        let key = classified(Some("x"), "NO_PUBKEY 1");
        let suite = classified(Some("x"), "does not have a Release file; 404");
        let network = classified(Some("x"), "Could not resolve");
        assert!(weight(&key) > weight(&network) && weight(&network) > weight(&suite));
    }

    #[test]
    fn a_state_without_lists_is_neither_fresh_nor_there() {
        let folder = tempfile::tempdir().unwrap();
        let state = PrivateState::new(folder.path().to_owned(), None);
        assert!(!state.is_fresh() && !state.exists());
        for file in [state.sources(), state.stamp()] {
            fs::write(file, "").unwrap();
        }
        assert!(state.is_fresh() && state.exists());
        let stamp = fs::File::options().write(true).open(state.stamp()).unwrap();
        stamp.set_modified(std::time::SystemTime::now() - FRESH).unwrap();
        assert!(!state.is_fresh() && state.exists());
    }
}
