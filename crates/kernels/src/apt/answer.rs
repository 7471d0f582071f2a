//! apt's answer, remembered as long as what it was made from is unchanged.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::AvailableKernel;
use crate::checksum;
use crate::error::KernelError;

/// Raised when the meaning of a kept answer changes.
const FORMAT: u32 = 1;

/// The kernels that apt saw when `watched` was as the fingerprint tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    format: u32,
    watched: Vec<PathBuf>,
    /// The value of the environment variable by which apt can be given other settings.
    apt_config: Option<String>,
    fingerprint: String,
    pub kernels: Vec<AvailableKernel>,
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
        Self { format: FORMAT, watched, apt_config: apt_config(), fingerprint, kernels: Vec::new() }
    }

    pub(super) fn with(self, kernels: Vec<AvailableKernel>) -> Self {
        Self { kernels, ..self }
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
