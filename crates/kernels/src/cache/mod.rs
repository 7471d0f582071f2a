//! The folder where kernels are kept.

mod entry;
mod fetch;
mod lock;
mod unpacked;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub use self::entry::{CachedKernel, PackageFile, PackageOrigin};
pub(crate) use self::entry::{Entry, Soundness};
pub(crate) use self::fetch::fetch;
pub(crate) use self::lock::Lock;
pub(crate) use self::unpacked::unpacked;
use crate::error::KernelError;

/// The user's kept kernels, in one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `$KEEPALIVE_LAB_CACHE`, or else `$XDG_CACHE_HOME/keepalive-lab`, or else
    /// `$HOME/.cache/keepalive-lab`. The folder need not be there yet.
    pub fn of_user() -> Result<Self, KernelError> {
        let given = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(folder) = given("KEEPALIVE_LAB_CACHE") {
            return Self::at(&folder);
        }
        // "If an implementation encounters a relative path it should consider the path invalid":
        // XDG Base Directory Specification.
        let base = given("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let base =
            base.or_else(|| given("HOME").map(|home| home.join(".cache"))).ok_or(KernelError::NoCache)?;
        Self::at(&base.join("keepalive-lab"))
    }

    /// The cache in this folder, which need not be there yet.
    pub fn at(folder: &Path) -> Result<Self, KernelError> {
        let root = std::path::absolute(folder).map_err(KernelError::file("find", folder))?;
        Ok(Self { root })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.root
    }

    /// Whole kernels out of packages, a folder each.
    pub(crate) fn kernels(&self) -> PathBuf {
        self.root.join("kernels")
    }

    /// Unpacked images of kernels that the user gave by path, a folder each.
    pub(crate) fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Private states of apt, and its remembered answers.
    pub(crate) fn apt(&self) -> PathBuf {
        self.root.join("apt")
    }

    /// Work that is under way; whoever holds the lock may remove what is left of others.
    pub(crate) fn partial(&self) -> PathBuf {
        self.root.join("partial")
    }
}

/// Writes a file so that others see the old one or the new one, whole.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), KernelError> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().expect("all files of the cache are in folders");
    fs::create_dir_all(folder).map_err(KernelError::file("create", folder))?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let aside = path.with_extension(format!("{}-{number}.new", std::process::id()));
    let written = fs::write(&aside, bytes).and_then(|()| fs::rename(&aside, path));
    written.map_err(|source| {
        let _ = fs::remove_file(&aside);
        KernelError::file("write", path)(source)
    })
}
