//! A kept kernel out of packages.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Cache;
use crate::apt::AvailableKernel;
use crate::checksum;
use crate::error::KernelError;

/// Where a kernel came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageOrigin {
    /// The package that would install it: `linux-image-...`.
    pub name: String,
    /// That package's version.
    pub version: String,
    /// The suite it was fetched from.
    pub suite: String,
    /// SHA-256 of the package's file (`.deb`) that the image was in.
    pub sha256: String,
    /// All package files that were fetched for it, that with the image first.
    pub files: Vec<PackageFile>,
}

/// A package's file that was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFile {
    /// The package.
    pub name: String,
    /// SHA-256 of its file.
    pub sha256: String,
}

/// A kernel in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedKernel {
    /// Where it came from.
    pub package: PackageOrigin,
    /// What `uname -r` says under it.
    pub release: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The image to boot, in that folder.
    pub image: PathBuf,
    /// What it takes on the disk, in bytes.
    pub bytes: u64,
    /// What is wrong with it, if something is; it is then fetched anew when it is asked for.
    pub damage: Option<String>,
}

/// What is written beside the kept files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub format: u32,
    pub package: PackageOrigin,
    /// The suite that the user named; `None`: the machine's own.
    pub asked_suite: Option<String>,
    pub release: String,
    /// The image as it came.
    pub vmlinuz: KeptFile,
    /// The unpacked image, where it could be unpacked.
    pub vmlinux: Option<KeptFile>,
    pub modules: KeptTree,
}

/// A kept file as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptFile {
    pub bytes: u64,
    pub sha256: String,
    /// Time of the last change, in nanoseconds since 1970.
    modified_ns: i64,
}

/// The modules as they were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptTree {
    pub files: u64,
    pub bytes: u64,
}

/// How closely a kept kernel is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Soundness {
    /// Sizes and times; checksums only where a time changed. Some milliseconds.
    Quick,
    /// Checksums of all images.
    Full,
}

/// Raised when the meaning of the record or the layout of the folder changes.
pub(super) const FORMAT: u32 = 1;
pub(super) const RECORD: &str = "kernel.json";
pub(super) const VMLINUZ: &str = "vmlinuz";
pub(super) const VMLINUX: &str = "vmlinux";

/// The folder of a kept kernel, and its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub folder: PathBuf,
    pub record: Record,
}

impl Entry {
    /// The folder in which this kernel is kept, or will be.
    pub(crate) fn folder(cache: &Cache, kernel: &AvailableKernel) -> PathBuf {
        // As in the names of package files: an epoch's colon is written so.
        cache.kernels().join(format!("{}_{}", kernel.package, kernel.version.replace(':', "%3a")))
    }

    /// Reads the record in `folder`; `None` where nothing is kept there, an error in words where
    /// what is kept has no readable record.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, String> {
        let text = match fs::read(folder.join(RECORD)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => return Ok(None),
            Err(error) => return Err(format!("{RECORD}: {error}")),
        };
        match serde_json::from_slice::<Record>(&text) {
            Ok(record) if record.format == FORMAT => Ok(Some(Self { folder: folder.to_owned(), record })),
            Ok(_) => Err(format!("{RECORD} is of another version of this program")),
            Err(error) => Err(format!("{RECORD}: {error}")),
        }
    }

    /// All kept kernels with a readable record, in no order.
    pub(crate) fn all(cache: &Cache) -> Result<Vec<Self>, KernelError> {
        let folder = cache.kernels();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(KernelError::file("read", &folder)(source)),
        };
        Ok(entries.flatten().filter_map(|entry| Self::read(&entry.path()).ok().flatten()).collect())
    }

    /// The image to boot.
    pub(crate) fn image(&self) -> PathBuf {
        self.folder.join(if self.record.vmlinux.is_some() { VMLINUX } else { VMLINUZ })
    }

    /// The folder of the modules.
    pub(crate) fn modules(&self) -> PathBuf {
        modules_in(&self.folder, &self.record.release)
    }

    /// What is wrong with the kept files, if something is.
    pub(crate) fn damage(&self, soundness: Soundness) -> Option<String> {
        let images = [(VMLINUZ, Some(&self.record.vmlinuz)), (VMLINUX, self.record.vmlinux.as_ref())];
        for (name, kept) in images {
            if let Some(why) = kept.and_then(|kept| kept.damage(&self.folder.join(name), soundness)) {
                return Some(format!("{name} {why}"));
            }
        }
        match KeptTree::of(&self.modules()) {
            Ok(tree) if tree == self.record.modules => None,
            Ok(tree) => Some(format!(
                "of its {} module files with {} bytes there are {} with {}",
                self.record.modules.files, self.record.modules.bytes, tree.files, tree.bytes
            )),
            Err(error) => Some(format!("its modules: {error}")),
        }
    }

    /// For the user's list.
    pub(crate) fn told(self) -> CachedKernel {
        let Record { vmlinuz, vmlinux, modules, .. } = &self.record;
        CachedKernel {
            bytes: vmlinuz.bytes + vmlinux.as_ref().map_or(0, |file| file.bytes) + modules.bytes,
            damage: self.damage(Soundness::Quick),
            image: self.image(),
            package: self.record.package,
            release: self.record.release,
            folder: self.folder,
        }
    }
}

/// Where in a kernel's folder its modules are, as in a root file system.
pub(super) fn modules_in(folder: &Path, release: &str) -> PathBuf {
    folder.join("lib/modules").join(release)
}

impl KeptFile {
    /// The file as it is now.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let status = fs::metadata(path)?;
        Ok(Self { bytes: status.len(), sha256: checksum::of_file(path)?, modified_ns: modified_ns(&status) })
    }

    /// What is wrong with the file, in words that follow its name.
    pub(super) fn damage(&self, path: &Path, soundness: Soundness) -> Option<String> {
        let status = match fs::metadata(path) {
            Ok(status) => status,
            Err(error) => return Some(format!("could not be looked at: {error}")),
        };
        if status.len() != self.bytes {
            return Some(format!("has {} bytes instead of {}", status.len(), self.bytes));
        }
        if soundness == Soundness::Quick && modified_ns(&status) == self.modified_ns {
            return None;
        }
        match checksum::of_file(path) {
            Ok(sha256) if sha256 == self.sha256 => None,
            Ok(_) => Some("has another checksum than when it was written".into()),
            Err(error) => Some(format!("could not be read: {error}")),
        }
    }
}

fn modified_ns(status: &Metadata) -> i64 {
    status.mtime().saturating_mul(1_000_000_000).saturating_add(status.mtime_nsec())
}

impl KeptTree {
    /// Counts the files below `folder`.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let status = entry.metadata()?;
            if status.is_dir() {
                let below = Self::of(&entry.path())?;
                tree.files += below.files;
                tree.bytes += below.bytes;
            } else {
                tree.files += 1;
                tree.bytes += status.len();
            }
        }
        Ok(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn an_entry(cache: &Cache) -> Entry {
        let folder = cache.kernels().join("linux-image-6.1.0-53-cloud-amd64_6.1.187-1");
        let modules = modules_in(&folder, "6.1.0-53-cloud-amd64");
        fs::create_dir_all(modules.join("kernel")).unwrap();
        fs::write(modules.join("kernel/veth.ko"), "a module").unwrap();
        fs::write(folder.join(VMLINUZ), "packed").unwrap();
        fs::write(folder.join(VMLINUX), "plain").unwrap();
        let file = PackageFile { name: "linux-image-6.1.0-53-cloud-amd64".into(), sha256: "ab12".into() };
        let record = Record {
            format: FORMAT,
            package: PackageOrigin {
                name: file.name.clone(),
                version: "6.1.187-1".into(),
                suite: "bookworm-security".into(),
                sha256: file.sha256.clone(),
                files: vec![file],
            },
            asked_suite: None,
            release: "6.1.0-53-cloud-amd64".into(),
            vmlinuz: KeptFile::of(&folder.join(VMLINUZ)).unwrap(),
            vmlinux: Some(KeptFile::of(&folder.join(VMLINUX)).unwrap()),
            modules: KeptTree::of(&modules).unwrap(),
        };
        super::super::write_whole(&folder.join(RECORD), &serde_json::to_vec(&record).unwrap()).unwrap();
        Entry { folder, record }
    }

    fn a_cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        (folder, cache)
    }

    #[test]
    fn what_was_written_is_read_back_and_sound() {
        let (_folder, cache) = a_cache();
        let entry = an_entry(&cache);
        assert_eq!(Entry::read(&entry.folder), Ok(Some(entry.clone())));
        assert_eq!(entry.damage(Soundness::Full), None);
        let cached = cache.cached().unwrap();
        assert_eq!(cached.len(), 1);
        assert_eq!((cached[0].bytes, &cached[0].damage), (6 + 5 + 8, &None));
        assert_eq!(Entry::read(&cache.kernels().join("other")), Ok(None));
    }

    #[test]
    fn every_damage_is_noticed_and_named() {
        type Damage = (&'static str, fn(&Entry));
        let damages: [Damage; 5] = [
            ("vmlinux has another checksum than when it was written", |entry| {
                fs::write(entry.image(), "plaiN").unwrap();
            }),
            ("vmlinux has 3 bytes instead of 5", |entry| fs::write(entry.image(), "pla").unwrap()),
            ("vmlinuz could not be looked at: No such file or directory (os error 2)", |entry| {
                fs::remove_file(entry.folder.join(VMLINUZ)).unwrap();
            }),
            ("of its 1 module files with 8 bytes there are 0 with 0", |entry| {
                fs::remove_file(entry.modules().join("kernel/veth.ko")).unwrap();
            }),
            ("its modules: No such file or directory (os error 2)", |entry| {
                fs::remove_dir_all(entry.modules()).unwrap();
            }),
        ];
        for (told, damage) in damages {
            let (_folder, cache) = a_cache();
            let entry = an_entry(&cache);
            damage(&entry);
            assert_eq!(entry.damage(Soundness::Quick).as_deref(), Some(told));
        }
    }

    #[test]
    fn a_changed_time_alone_is_no_damage_and_an_unchanged_one_hides_none_from_the_full_look() {
        let (_folder, cache) = a_cache();
        let entry = an_entry(&cache);
        let time = fs::metadata(entry.image()).unwrap().modified().unwrap();
        let set_time =
            |time| fs::File::options().write(true).open(entry.image()).unwrap().set_modified(time).unwrap();
        set_time(std::time::UNIX_EPOCH);
        assert_eq!(entry.damage(Soundness::Quick), None);
        fs::write(entry.image(), "plaiN").unwrap();
        set_time(time);
        assert_eq!(entry.damage(Soundness::Quick), None);
        assert!(entry.damage(Soundness::Full).is_some());
    }

    #[test]
    fn a_kernel_without_a_readable_record_is_damaged() {
        let (_folder, cache) = a_cache();
        let entry = an_entry(&cache);
        let record = entry.folder.join(RECORD);
        for text in ["", "{}", "{\"format\": 1}"] {
            fs::write(&record, text).unwrap();
            assert!(Entry::read(&entry.folder).is_err(), "{text}");
        }
        fs::remove_file(record).unwrap();
        assert!(Entry::read(&entry.folder).is_err());
        assert_eq!(cache.cached().unwrap(), []);
    }
}
