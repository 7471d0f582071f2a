//! Kept unpacked images of kernels that the user has as files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::entry::{KeptFile, RECORD, Soundness, VMLINUX};
use super::{Cache, Lock, write_whole};
use crate::checksum;
use crate::error::KernelError;
use crate::image::Image;
use crate::step::Step;

/// What is written beside the unpacked image.
#[derive(Serialize, Deserialize)]
struct Record {
    /// The image it was unpacked from.
    from: PathBuf,
    vmlinux: KeptFile,
}

/// The plain ELF of the image at `path`: unpacked at the first time, later taken from the cache. The
/// image itself where that is not possible, or not needed.
pub(crate) fn unpacked(
    cache: &Cache,
    path: &Path,
    image: &Image,
    tell: &mut dyn FnMut(&Step),
) -> Result<PathBuf, KernelError> {
    if !image.is_packed() {
        return Ok(path.to_owned());
    }
    let folder = cache.images().join(key(path)?);
    if let Some(vmlinux) = kept(&folder) {
        return Ok(vmlinux);
    }
    match make(cache, path, image, &folder, tell) {
        Ok(vmlinux) => Ok(vmlinux),
        // The image can be booted all the same.
        Err(why) => {
            tell(&Step::StaysPacked { image: path.to_owned(), why });
            Ok(path.to_owned())
        }
    }
}

/// Which image this is: its place, size and time.
fn key(path: &Path) -> Result<String, KernelError> {
    let status = fs::metadata(path).map_err(KernelError::file("look at", path))?;
    let (size, seconds, nanoseconds) = (status.len(), status.mtime(), status.mtime_nsec());
    let text = format!("{}\n{size} {seconds}.{nanoseconds}", path.display());
    let mut key = checksum::of_bytes(text.as_bytes());
    key.truncate(32);
    Ok(key)
}

/// The kept vmlinux, if it is there and sound.
fn kept(folder: &Path) -> Option<PathBuf> {
    let record: Record = serde_json::from_slice(&fs::read(folder.join(RECORD)).ok()?).ok()?;
    let vmlinux = folder.join(VMLINUX);
    record.vmlinux.damage(&vmlinux, Soundness::Quick).is_none().then_some(vmlinux)
}

fn make(
    cache: &Cache,
    path: &Path,
    image: &Image,
    folder: &Path,
    tell: &mut dyn FnMut(&Step),
) -> Result<PathBuf, String> {
    let lock = Lock::take(cache, tell).map_err(|error| error.to_string())?;
    if let Some(vmlinux) = kept(folder) {
        return Ok(vmlinux);
    }
    tell(&Step::Unpacking { release: image.release.clone() });
    let bytes = image.unpack(path).map_err(|error| error.to_string())?;
    forget_others(cache, path);
    let vmlinux = folder.join(VMLINUX);
    write_whole(&vmlinux, &bytes).map_err(|error| error.to_string())?;
    let kept = KeptFile::of(&vmlinux).map_err(|error| error.to_string())?;
    let record = Record { from: path.to_owned(), vmlinux: kept };
    let json = serde_json::to_vec_pretty(&record).map_err(|error| error.to_string())?;
    write_whole(&folder.join(RECORD), &json).map_err(|error| error.to_string())?;
    drop(lock);
    Ok(vmlinux)
}

/// Removes what was unpacked from earlier images at this place, which nobody can ask for again.
fn forget_others(cache: &Cache, path: &Path) {
    let folders = fs::read_dir(cache.images()).into_iter().flatten().flatten().map(|entry| entry.path());
    for folder in folders {
        let record = fs::read(folder.join(RECORD)).ok();
        let record = record.and_then(|text| serde_json::from_slice::<Record>(&text).ok());
        if record.is_none_or(|record| record.from == path) {
            let _ = fs::remove_dir_all(folder);
        }
    }
}
