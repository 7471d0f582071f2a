//! The folder of a kernel's modules.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::modinfo::ModInfo;
use super::{Module, ModuleError, normal, read, resolve};

/// The modules of one kernel: the files, and what is built into the kernel.
#[derive(Clone, Debug)]
pub struct ModuleTree {
    root: PathBuf,
    release: String,
    files: HashMap<String, PathBuf>,
    builtin: HashSet<String>,
}

/// The end of a module's file name, before the end that tells the compression.
const SUFFIX: &str = ".ko";

/// The ends that tell a compression; source: kmod's `libkmod/libkmod-util.c`, `kmod_exts`.
const COMPRESSED: [&str; 3] = [".xz", ".zst", ".gz"];

impl ModuleTree {
    /// Lists the modules in `folder`, which is `lib/modules/RELEASE`. No module is read yet.
    pub fn open(folder: &Path) -> Result<Self, ModuleError> {
        let mut files = HashMap::new();
        collect(folder, &mut files)?;
        let release = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut tree = Self { root: folder.to_owned(), release, files, builtin: HashSet::new() };
        let builtin = tree.text("modules.builtin")?;
        tree.builtin = builtin.lines().filter_map(|line| module_name(line.rsplit('/').next()?)).collect();
        Ok(tree)
    }

    /// The modules to insert so that all of `names` are there, in the order of inserting: what a
    /// module depends on comes before it.
    ///
    /// What is built into the kernel is left out. Modules that others wish for (softdeps) are taken
    /// in where they exist and marked [`optional`](Module::optional).
    pub fn resolve(&self, names: &[&str]) -> Result<Vec<Module>, ModuleError> {
        resolve::resolve(self, names)
    }

    /// Whether the kernel has this module, as a file or built in.
    pub fn has(&self, name: &str) -> bool {
        let name = normal(name);
        self.files.contains_key(&name) || self.builtin.contains(&name)
    }

    /// The kernel's release: the name of the folder.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The file of a module; `name` is normal.
    pub(super) fn file(&self, name: &str) -> Option<&Path> {
        self.files.get(name).map(PathBuf::as_path)
    }

    /// Whether the module is built in; `name` is normal.
    pub(super) fn is_builtin(&self, name: &str) -> bool {
        self.builtin.contains(name)
    }

    /// Modules in the folders where those with other names for algorithms are: the kernel's
    /// `crypto/`, `lib/` and `arch/x86/crypto/`, and `arch/x86/lib/`.
    pub(super) fn algorithms(&self) -> impl Iterator<Item = &str> {
        const FOLDERS: [&str; 4] = ["crypto", "lib", "arch/x86/crypto", "arch/x86/lib"];
        self.files.iter().filter_map(|(name, path)| {
            let inside = path.strip_prefix(&self.root).ok()?.strip_prefix("kernel").ok()?;
            FOLDERS.iter().any(|folder| inside.starts_with(folder)).then_some(name.as_str())
        })
    }

    /// Reads what the module says of itself; `name` is normal and the file is there.
    pub(super) fn info(&self, name: &str) -> Result<ModInfo, ModuleError> {
        let path = &self.files[name];
        ModInfo::of(&read(path)?).ok_or_else(|| ModuleError::NotAModule { path: path.clone() })
    }

    /// Whether a builtin module has this alias, which is normal.
    pub(super) fn builtin_alias(&self, alias: &str) -> Result<bool, ModuleError> {
        // NAME.KEY=VALUE texts that end in NUL.
        let text = self.text("modules.builtin.modinfo")?;
        Ok(text
            .split('\0')
            .filter_map(|text| text.split_once('.')?.1.strip_prefix("alias="))
            .any(|name| normal(name) == alias))
    }

    /// The release that the modules were built for, as one of them says; `None` where there are none.
    pub(crate) fn built_for(&self) -> Result<Option<String>, ModuleError> {
        let Some(name) = self.files.keys().min() else { return Ok(None) };
        Ok(self.info(name)?.release)
    }

    /// A text file of the tree; empty where it is not there.
    fn text(&self, name: &str) -> Result<String, ModuleError> {
        let path = self.root.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(source) => Err(ModuleError::Read { path, source }),
        }
    }
}

/// The normal name of the module in a file of this name; `None` where it holds none.
fn module_name(file: &str) -> Option<String> {
    let plain = COMPRESSED.iter().find_map(|end| file.strip_suffix(end)).unwrap_or(file);
    plain.strip_suffix(SUFFIX).map(normal)
}

/// Takes in the modules below `folder`. Links to folders (`build`, `source`) are not followed.
fn collect(folder: &Path, files: &mut HashMap<String, PathBuf>) -> Result<(), ModuleError> {
    let fail = |source| ModuleError::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if entry.file_type().map_err(fail)?.is_dir() {
            collect(&entry.path(), files)?;
        } else if let Some(name) = entry.file_name().to_str().and_then(module_name) {
            let path = entry.path();
            match files.get(&name) {
                Some(other) if rank(other) >= rank(&path) => {}
                _ => {
                    files.insert(name, path);
                }
            }
        }
    }
    Ok(())
}

/// Of two modules with one name, those in `updates/` go before the kernel's own.
/// Source: `depmod.d(5)`, `search`.
fn rank(path: &Path) -> bool {
    path.components().any(|component| component.as_os_str() == "updates")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modules_name_is_its_files_without_the_ends() {
        for file in ["nft-ct.ko", "nft_ct.ko.xz", "nft-ct.ko.zst", "nft_ct.ko.gz"] {
            assert_eq!(module_name(file).as_deref(), Some("nft_ct"), "{file}");
        }
        for file in ["modules.dep", "nft_ct.c", "nft_ct.ko.bak", "ko"] {
            assert_eq!(module_name(file), None, "{file}");
        }
    }

    #[test]
    fn updates_go_before_the_kernels_own_modules() {
        let folder = tempfile::tempdir().unwrap();
        for sub in ["kernel/net", "updates/dkms"] {
            fs::create_dir_all(folder.path().join(sub)).unwrap();
            fs::write(folder.path().join(sub).join("veth.ko"), "").unwrap();
        }
        let tree = ModuleTree::open(folder.path()).unwrap();
        assert_eq!(tree.file("veth"), Some(folder.path().join("updates/dkms/veth.ko").as_path()));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = ModuleTree::open(Path::new("/nowhere/6.1")).unwrap_err();
        assert_eq!(error.to_string(), "could not read /nowhere/6.1: No such file or directory (os error 2)");
    }
}
