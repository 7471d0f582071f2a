//! apt's answer, remembered as long as what it was made from is unchanged.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::listing::Listing;
use crate::checksum;
use crate::error::KernelError;

/// Raised when the meaning of a kept answer changes.
const FORMAT: u32 = 1;

/// What apt saw when `watched` was as the fingerprint tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    format: u32,
    watched: Vec<PathBuf>,
    /// The value of the environment variable by which apt can be given other settings.
    apt_config: Option<String>,
    fingerprint: String,
    /// Whether the lists turned out to promise packages that are gone.
    outdated: bool,
    listing: Listing,
}

impl Answer {
    /// The kept answer, if it still holds; `watched` where the caller knows what to watch.
    pub(super) fn recall(memory: &Path, watched: Option<&[PathBuf]>) -> Option<Self> {
        let answer: Self = serde_json::from_slice(&fs::read(memory).ok()?).ok()?;
        let holds = answer.format == FORMAT
            && answer.apt_config == apt_config()
            && watched.is_none_or(|watched| watched == answer.watched)
            && answer.fingerprint == fingerprint(&answer.watched);
        holds.then_some(answer)
    }

    /// An answer, still empty, about the state as it is now.
    pub(super) fn about(watched: Vec<PathBuf>) -> Self {
        let fingerprint = fingerprint(&watched);
        Self {
            format: FORMAT,
            watched,
            apt_config: apt_config(),
            fingerprint,
            outdated: false,
            listing: Listing::default(),
        }
    }

    pub(super) fn with(self, listing: Listing) -> Self {
        Self { listing, ..self }
    }

    /// What apt saw; `None` where its lists are known to be outdated.
    pub(super) fn listing(self) -> Option<Listing> {
        (!self.outdated).then_some(self.listing)
    }

    /// Writes down that the lists, as they are, are outdated.
    pub(super) fn mark_outdated(memory: &Path) -> Result<(), KernelError> {
        match Self::recall(memory, None) {
            Some(answer) => Self { outdated: true, ..answer }.keep(memory),
            None => Ok(()),
        }
    }

    /// Writes the answer; two processes that do so at once do not mix.
    pub(super) fn keep(&self, memory: &Path) -> Result<(), KernelError> {
        let json = serde_json::to_vec(self).expect("names and numbers are JSON");
        crate::cache::write_whole(memory, &json)
    }
}

fn apt_config() -> Option<String> {
    std::env::var_os("APT_CONFIG").map(|value| value.to_string_lossy().into_owned())
}

/// Names, sizes and times of the files, and of those directly in the folders.
fn fingerprint(watched: &[PathBuf]) -> String {
    let mut text = String::new();
    for path in watched {
        let _ = writeln!(text, "{}", path.display());
        let mut files: Vec<PathBuf> = match fs::read_dir(path) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(_) => vec![path.clone()],
        };
        files.sort();
        for file in files {
            // apt takes its lock anew each time, which changes nothing.
            let status = fs::metadata(&file).ok().filter(fs::Metadata::is_file);
            if let Some(status) = status.filter(|_| !file.ends_with("lock")) {
                let (size, seconds, nanoseconds) = (status.len(), status.mtime(), status.mtime_nsec());
                let _ = writeln!(text, "{} {size} {seconds}.{nanoseconds}", file.display());
            }
        }
    }
    checksum::of_bytes(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_until_something_that_it_was_made_from_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (memory, lists) = (folder.path().join("memory/answer.json"), folder.path().join("lists"));
        fs::create_dir(&lists).unwrap();
        fs::write(lists.join("a_Packages"), "one").unwrap();
        let watched = vec![lists.clone(), folder.path().join("sources.list")];
        let ask = || Answer::about(watched.clone()).with(Listing::default()).keep(&memory).unwrap();
        let holds = || Answer::recall(&memory, Some(&watched)).is_some();
        assert!(!holds());
        ask();
        assert!(holds());
        fs::write(lists.join("lock"), "").unwrap();
        assert!(holds(), "a lock changes nothing");
        let changes: [&dyn Fn(); 4] = [
            &|| fs::write(lists.join("a_Packages"), "longer").unwrap(),
            &|| fs::write(lists.join("b_Packages"), "").unwrap(),
            &|| fs::remove_file(lists.join("a_Packages")).unwrap(),
            &|| fs::write(&watched[1], "deb").unwrap(),
        ];
        for (number, change) in changes.iter().enumerate() {
            change();
            assert!(!holds(), "change {number}");
            ask();
            assert!(holds());
        }
        assert!(Answer::recall(&memory, Some(&watched[..1])).is_none(), "another state is another answer");
        fs::write(&memory, "{").unwrap();
        assert!(!holds(), "a damaged answer is none");
    }

    #[test]
    fn outdated_lists_are_known_as_such_until_they_change() {
        let folder = tempfile::tempdir().unwrap();
        let (memory, list) = (folder.path().join("answer.json"), folder.path().join("list"));
        let watched = vec![list.clone()];
        Answer::about(watched.clone()).keep(&memory).unwrap();
        assert_eq!(Answer::recall(&memory, None).unwrap().listing(), Some(Listing::default()));
        Answer::mark_outdated(&memory).unwrap();
        assert_eq!(Answer::recall(&memory, None).unwrap().listing(), None);
        fs::write(list, "new").unwrap();
        assert!(Answer::recall(&memory, None).is_none());
    }
}
