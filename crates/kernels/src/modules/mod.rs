//! A kernel's modules: which there are, and what they need.

mod modinfo;
mod resolve;
mod tree;

use std::path::{Path, PathBuf};
use std::{fs, io};

pub use self::tree::ModuleTree;
use crate::codec::Codec;

/// A module's file, to be inserted into the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name, with `_` for every `-`, as `/proc/modules` shows it.
    pub name: String,
    /// Its file: `.ko`, `.ko.gz`, `.ko.xz` or `.ko.zst`.
    pub path: PathBuf,
    /// Whether another module can do without it (a softdep): the kernel may refuse to insert it, for
    /// instance where the processor lacks what it drives (`ENODEV`).
    pub optional: bool,
}

/// Why modules could not be found or read.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The folder of modules, or a file in it, could not be read.
    #[error("could not read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that should hold a module does not.
    #[error("{} is no module of a kernel", path.display())]
    NotAModule {
        /// Which.
        path: PathBuf,
    },
    /// The kernel neither has such a module nor has it built in.
    #[error("kernel {release} has no module `{name}`{}", needed_by(by.as_deref()))]
    Missing {
        /// The module's name.
        name: String,
        /// The kernel's release.
        release: String,
        /// The module that depends on it, where it was not asked for by name.
        by: Option<String>,
    },
}

fn needed_by(by: Option<&str>) -> String {
    by.map(|by| format!(", which `{by}` needs")).unwrap_or_default()
}

impl Module {
    /// The module's bytes, unpacked.
    pub fn read(&self) -> Result<Vec<u8>, ModuleError> {
        read(&self.path)
    }
}

/// The bytes of a module's file, unpacked. The compression is told by its first bytes.
fn read(path: &Path) -> Result<Vec<u8>, ModuleError> {
    let fail = |source| ModuleError::Read { path: path.to_owned(), source };
    let bytes = fs::read(path).map_err(fail)?;
    match Codec::of(&bytes) {
        Some(codec) => codec.decode(&bytes).map_err(fail),
        None if bytes.starts_with(b"\x7fELF") => Ok(bytes),
        None => Err(ModuleError::NotAModule { path: path.to_owned() }),
    }
}

/// A module's name as the kernel has it: `-` and `_` are the same to it.
/// Source: kmod's `libkmod/libkmod-module.c`, `modname_normalize()`.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::modinfo::tests::a_module;
}
