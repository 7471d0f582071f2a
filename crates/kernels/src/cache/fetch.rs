//! Fetching a kernel's packages into the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::entry::{
    Entry, FORMAT, KeptFile, KeptTree, PackageFile, PackageOrigin, RECORD, Record, VMLINUX, VMLINUZ,
    modules_in,
};
use super::{Cache, Lock};
use crate::apt::{self, Apt, AvailableKernel, Deb};
use crate::checksum;
use crate::error::KernelError;
use crate::image::Image;
use crate::step::Step;

/// Fetches the packages, takes out of them what is needed, and puts it into the cache in one step.
/// What is kept of the same kernel is replaced.
pub(crate) fn fetch(
    cache: &Cache,
    _lock: &Lock,
    apt: &Apt,
    kernel: &AvailableKernel,
    asked_suite: Option<&str>,
    tell: &mut dyn FnMut(&Step),
) -> Result<Entry, KernelError> {
    let partial = Partial::new(cache)?;
    let (debs, tree, kept) = (partial.folder("debs")?, partial.folder("tree")?, partial.folder("kernel")?);
    for deb in &kernel.debs {
        tell(&Step::Downloading { package: deb.package.clone(), bytes: deb.bytes });
    }
    apt.download(&kernel.debs, &debs)?;
    for deb in &kernel.debs {
        let file = file_of(deb, &debs)?;
        unpack(&file, &tree)?;
        fs::remove_file(&file).map_err(KernelError::file("remove", &file))?;
    }
    take(&tree, &kept, kernel)?;
    let folder = Entry::folder(cache, kernel);
    tell(&Step::Unpacking { release: kernel.release.clone() });
    let packed = kept.join(VMLINUZ);
    let image = look(&packed, kernel)?;
    let unpacked = match image.unpack(&packed) {
        Ok(bytes) => {
            let plain = kept.join(VMLINUX);
            fs::write(&plain, bytes).map_err(KernelError::file("write", &plain))?;
            true
        }
        Err(why) => {
            tell(&Step::StaysPacked { image: folder.join(VMLINUZ), why: why.to_string() });
            false
        }
    };
    let record = record(&kept, kernel, asked_suite, unpacked)?;
    let json = serde_json::to_vec_pretty(&record).expect("names and numbers are JSON");
    super::write_whole(&kept.join(RECORD), &json)?;
    put(&kept, &folder, &partial)?;
    Ok(Entry { folder, record })
}

/// Moves out of the unpacked packages what is kept: the image, the modules and the configuration.
fn take(tree: &Path, kept: &Path, kernel: &AvailableKernel) -> Result<(), KernelError> {
    let release = &kernel.release;
    let image = [format!("boot/vmlinuz-{release}"), format!("modules/{release}/vmlinuz")];
    if !move_first(tree, &image, &kept.join(VMLINUZ))? {
        return Err(wrong(kernel, format!("it holds no vmlinuz of {release}")));
    }
    let config = [format!("boot/config-{release}"), format!("modules/{release}/config")];
    move_first(tree, &config, &kept.join("config"))?;
    let modules = modules_in(kept, release);
    let parent = modules.parent().expect("it is lib/modules/RELEASE");
    fs::create_dir_all(parent).map_err(KernelError::file("create", parent))?;
    if !move_first(tree, &[format!("modules/{release}")], &modules)? {
        return Err(wrong(kernel, format!("it holds no modules of {release}")));
    }
    Ok(())
}

/// The image, which must be that of the promised kernel.
fn look(packed: &Path, kernel: &AvailableKernel) -> Result<Image, KernelError> {
    match Image::look(packed).map_err(KernelError::file("read", packed))? {
        Some(image) if image.release == kernel.release => Ok(image),
        Some(image) => Err(wrong(kernel, format!("its image is of kernel {}", image.release))),
        None => Err(wrong(kernel, "its vmlinuz is no image of a kernel for x86-64".into())),
    }
}

fn wrong(kernel: &AvailableKernel, why: String) -> KernelError {
    KernelError::Package { package: kernel.debs[0].package.clone(), why }
}

fn record(
    kept: &Path,
    kernel: &AvailableKernel,
    asked_suite: Option<&str>,
    unpacked: bool,
) -> Result<Record, KernelError> {
    let keep = |name: &str| {
        let path = kept.join(name);
        KeptFile::of(&path).map_err(KernelError::file("read", &path))
    };
    let modules = modules_in(kept, &kernel.release);
    Ok(Record {
        format: FORMAT,
        package: origin(kernel),
        asked_suite: asked_suite.map(str::to_owned),
        release: kernel.release.clone(),
        vmlinuz: keep(VMLINUZ)?,
        vmlinux: unpacked.then(|| keep(VMLINUX)).transpose()?,
        modules: KeptTree::of(&modules).map_err(KernelError::file("read", &modules))?,
    })
}

/// Moves the finished folder to its place; what was there goes with the rest of the work.
fn put(made: &Path, place: &Path, partial: &Partial) -> Result<(), KernelError> {
    let parent = place.parent().expect("it is in the cache");
    fs::create_dir_all(parent).map_err(KernelError::file("create", parent))?;
    if place.exists() {
        fs::rename(place, partial.0.join("old")).map_err(KernelError::file("replace", place))?;
    }
    fs::rename(made, place).map_err(KernelError::file("create", place))
}

fn origin(kernel: &AvailableKernel) -> PackageOrigin {
    let file = |deb: &Deb| PackageFile { name: deb.package.clone(), sha256: deb.sha256.clone() };
    PackageOrigin {
        name: kernel.package.clone(),
        version: kernel.version.clone(),
        suite: kernel.suite.clone(),
        sha256: kernel.debs[0].sha256.clone(),
        files: kernel.debs.iter().map(file).collect(),
    }
}

/// The file that apt fetched for this package, its checksum looked at once more.
fn file_of(deb: &Deb, folder: &Path) -> Result<PathBuf, KernelError> {
    let wrong = |why: &str| KernelError::Package { package: deb.package.clone(), why: why.into() };
    let start = format!("{}_", deb.package);
    let entries = fs::read_dir(folder).map_err(KernelError::file("read", folder))?;
    let mut files = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&start));
    let file = files.next().ok_or_else(|| wrong("apt-get download left no file"))?.path();
    let sha256 = checksum::of_file(&file).map_err(KernelError::file("read", &file))?;
    if sha256 == deb.sha256 { Ok(file) } else { Err(wrong("its checksum differs from that in apt's lists")) }
}

/// Unpacks a package without installing it.
fn unpack(deb: &Path, into: &Path) -> Result<(), KernelError> {
    let mut command = Command::new("dpkg-deb");
    command.arg("--extract").arg(deb).arg(into);
    apt::run(command, "dpkg-deb", "dpkg-deb --extract").map(drop)
}

/// Moves the first of these that is there to `to`, and says whether there was one. `modules/` stands
/// for `usr/lib/modules/`, or as in older packages `lib/modules/`.
fn move_first(tree: &Path, names: &[String], to: &Path) -> Result<bool, KernelError> {
    let mut places = names.iter().flat_map(|name| match name.strip_prefix("modules/") {
        Some(rest) => vec![format!("usr/lib/modules/{rest}"), format!("lib/modules/{rest}")],
        None => vec![name.clone()],
    });
    let Some(from) = places.find(|place| tree.join(place).exists()) else { return Ok(false) };
    let from = tree.join(from);
    fs::rename(&from, to).map_err(KernelError::file("move", &from))?;
    Ok(true)
}

/// A folder for work under way, removed in the end.
struct Partial(PathBuf);

impl Partial {
    fn new(cache: &Cache) -> Result<Self, KernelError> {
        let folder = cache.partial();
        fs::create_dir_all(&folder).map_err(KernelError::file("create", &folder))?;
        Ok(Self(folder))
    }

    fn folder(&self, name: &str) -> Result<PathBuf, KernelError> {
        let folder = self.0.join(name);
        fs::create_dir(&folder).map_err(KernelError::file("create", &folder))?;
        Ok(folder)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // What cannot be removed now is swept by the next one who takes the lock.
        let _ = fs::remove_dir_all(&self.0);
    }
}
