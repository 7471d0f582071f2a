//! Debian's apt: asked and made to fetch, without a change to its own state.

mod answer;
mod listing;
mod source;
mod stanza;
mod state;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use self::answer::Answer;
pub use self::listing::AvailableKernel;
pub(crate) use self::listing::{Deb, Listing};
pub(crate) use self::state::PrivateState;
use crate::error::KernelError;

/// One state of apt's (its sources and lists): the machine's own, or a private one.
#[derive(Clone, Debug)]
pub(crate) struct Apt {
    /// Options of the command line that lead apt to this state.
    options: Vec<OsString>,
    /// What, when it changes, changes what apt sees; `None` until it is asked.
    watched: Option<Vec<PathBuf>>,
}

/// Where apt's files are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The folder with the package lists.
    pub lists: PathBuf,
    /// The file with sources, which need not be there.
    pub source_list: PathBuf,
    /// The folder with more sources.
    pub source_parts: PathBuf,
    /// The folder with settings.
    settings_parts: PathBuf,
    /// The file with settings.
    settings: PathBuf,
}

impl Apt {
    /// The machine's own.
    pub(crate) fn of_machine() -> Self {
        Self { options: Vec::new(), watched: None }
    }

    /// The kernels that apt sees; `None` where its lists are [known](Self::mark_outdated) to be
    /// outdated. The answer is kept in the file `memory`, and apt is only asked (`before` is called,
    /// and a second passes) when its lists or settings changed.
    pub(crate) fn listing(
        &self,
        memory: &Path,
        before: impl FnOnce(),
    ) -> Result<Option<Listing>, KernelError> {
        if let Some(answer) = Answer::recall(memory, self.watched.as_deref()) {
            return Ok(answer.listing());
        }
        before();
        let watched = match &self.watched {
            Some(watched) => watched.clone(),
            None => self.places()?.watched(),
        };
        // Looked at before apt is asked: a change in between makes the answer old, not wrong.
        let answer = Answer::about(watched);
        let show = self.show(listing::NAMES)?;
        let names = listing::images(&show);
        let madison = if names.is_empty() { String::new() } else { self.cache("madison", &names)? };
        let answer = answer.with(Listing::parse(&show, &madison));
        answer.keep(memory)?;
        Ok(answer.listing())
    }

    /// Remembers that the lists promise packages that are gone, as long as they do not change.
    pub(crate) fn mark_outdated(memory: &Path) -> Result<(), KernelError> {
        Answer::mark_outdated(memory)
    }

    /// Fetches the files of packages into `folder`. apt checks their checksums.
    pub(crate) fn download(&self, debs: &[Deb], folder: &Path) -> Result<(), KernelError> {
        let mut command = self.command("apt-get");
        command.args(["download", "-q"]).current_dir(folder);
        command.args(debs.iter().map(|deb| format!("{}={}", deb.package, deb.version)));
        run(command, "apt-get", "apt-get download").map(drop)
    }

    /// Where this machine's apt has its files.
    pub(crate) fn places(&self) -> Result<Places, KernelError> {
        const VARIABLES: [(&str, &str); 5] = [
            ("lists", "Dir::State::lists/d"),
            ("source_list", "Dir::Etc::sourcelist/f"),
            ("source_parts", "Dir::Etc::sourceparts/d"),
            ("settings_parts", "Dir::Etc::parts/d"),
            ("settings", "Dir::Etc::main/f"),
        ];
        let mut command = self.command("apt-config");
        command.arg("shell").args(VARIABLES.iter().flat_map(|(name, key)| [name, key]));
        let output = run(command, "apt-config", "apt-config shell")?;
        let place = |wanted: &str| {
            let path = output.lines().find_map(|line| {
                let (name, value) = line.split_once('=')?;
                // Quoted for a shell; the paths that apt is given hold no quotes.
                (name == wanted).then(|| PathBuf::from(value.trim_matches('\'')))
            });
            path.unwrap_or_else(|| PathBuf::from("/dev/null"))
        };
        Ok(Places {
            lists: place("lists"),
            source_list: place("source_list"),
            source_parts: place("source_parts"),
            settings_parts: place("settings_parts"),
            settings: place("settings"),
        })
    }

    /// What `apt-cache show` prints; nothing where no package has such a name.
    fn show(&self, names: &str) -> Result<String, KernelError> {
        match self.cache("show", &[names]) {
            Err(KernelError::Program { said, .. }) if said.contains("No packages found") => Ok(String::new()),
            result => result,
        }
    }

    fn cache(&self, verb: &str, names: &[impl AsRef<OsStr>]) -> Result<String, KernelError> {
        let mut command = self.command("apt-cache");
        command.arg(verb).args(names);
        run(command, "apt-cache", &format!("apt-cache {verb}"))
    }

    /// The program, made to leave apt's own files as they are.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // apt would write its caches when they are out of date and it may.
        command.args(["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]);
        if nix::unistd::geteuid().is_root() {
            // As root, apt fetches as the user _apt, who may not enter the caller's folders.
            command.args(["-o", "APT::Sandbox::User=root"]);
        }
        command.args(&self.options);
        command
    }
}

impl Places {
    fn watched(&self) -> Vec<PathBuf> {
        let own = [&self.lists, &self.source_list, &self.source_parts, &self.settings_parts, &self.settings];
        let given = std::env::var_os("APT_CONFIG").map(PathBuf::from);
        own.into_iter().cloned().chain(given).collect()
    }

    /// Whether there are lists of packages at all; a fresh container has none.
    pub(crate) fn have_lists(&self) -> bool {
        let entries = fs::read_dir(&self.lists).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
    }
}

/// Runs a program of Debian's to its end and returns what it printed.
pub(crate) fn run(mut command: Command, program: &'static str, called: &str) -> Result<String, KernelError> {
    command.stdin(Stdio::null()).env("LC_ALL", "C");
    let Output { status, stdout, stderr } = command.output().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => KernelError::ProgramMissing { program },
        _ => KernelError::Program { program: called.to_owned(), said: source.to_string() },
    })?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = complaints(&String::from_utf8_lossy(&stdout), &String::from_utf8_lossy(&stderr));
    let said = if said.is_empty() { status.to_string() } else { said };
    Err(KernelError::Program { program: called.to_owned(), said })
}

/// What a program of Debian's complained of: apt's errors and warnings, or all it said; and what
/// apt-get prints of a failed transfer (`Err:` and a line of its own).
fn complaints(stdout: &str, stderr: &str) -> String {
    let lines: Vec<_> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let marked = |mark| lines.iter().filter_map(move |line| line.strip_prefix(mark));
    let mut said: Vec<&str> = marked("E: ").chain(marked("W: ")).collect();
    if said.is_empty() {
        said = lines;
    }
    let mut transfers = stdout.lines();
    while let Some(line) = transfers.next() {
        if line.starts_with("Err:") {
            said.extend(transfers.next().map(str::trim));
        }
    }
    said.dedup();
    said.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_apt_prints_the_errors_are_told_first_and_once() {
        let stdout = "Hit:1 http://a x InRelease\nErr:2 http://a y Release\n  404  Not Found [IP: 1 80]\n";
        let stderr = "W: a warning\nE: an error\nE: an error\nN: a note\n";
        assert_eq!(complaints(stdout, stderr), "an error; a warning; 404  Not Found [IP: 1 80]");
        assert_eq!(complaints("", "dpkg-deb: error: no\n"), "dpkg-deb: error: no");
        assert_eq!(complaints("", ""), "");
    }
}
