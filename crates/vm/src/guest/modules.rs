//! Inserting the modules that the host has packed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};

use super::GuestError;
use crate::initramfs::OPTIONAL;

/// Inserts those of a folder in the order of their names, which is the order they depend on one another.
pub(super) fn load_all(folder: &str) -> Result<(), GuestError> {
    let failed = |source| GuestError::File { doing: "list", path: folder.into(), source };
    let entries = fs::read_dir(folder).map_err(failed)?.collect::<io::Result<Vec<_>>>();
    let mut paths: Vec<PathBuf> = entries.map_err(failed)?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().try_for_each(|path| load(path))
}

fn load(path: &Path) -> Result<(), GuestError> {
    let file = File::open(path).map_err(|source| GuestError::File {
        doing: "open",
        path: path.display().to_string(),
        source,
    })?;
    match finit_module(&file, c"", ModuleInitFlags::empty()) {
        // Built in, or brought in by another: it is there.
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(_) if path.extension().is_some_and(|end| end == OPTIONAL) => Ok(()),
        Err(errno) => {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let name = stem.split_once('-').map_or(&*stem, |(_, name)| name).to_owned();
            Err(GuestError::Module { name, errno })
        }
    }
}
