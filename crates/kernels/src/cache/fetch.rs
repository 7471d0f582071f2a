//! Fetching a kernel's packages into the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::entry::{
    Entry, FORMAT, KeptFile, KeptTree, PackageFile, PackageOrigin, RECORD, Record, VMLINUX, VMLINUZ, modules_in,
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
    let release = &kernel.release;
    let package = &kernel.debs[0].package;
    let wrong = |why: String| KernelError::Package { package: package.clone(), why };
    let vmlinuz = kept.join(VMLINUZ);
    move_first(&tree, &[format!("boot/vmlinuz-{release}"), format!("modules/{release}/vmlinuz")], &vmlinuz)?
        .then_some(())
        .ok_or_else(|| wrong(format!("it holds no vmlinuz of {release}")))?;
    let config = kept.join("config");
    move_first(&tree, &[format!("boot/config-{release}"), format!("modules/{release}/config")], &config)?;
    let modules = modules_in(&kept, release);
    let parent = modules.parent().expect("it is lib/modules/RELEASE");
    fs::create_dir_all(parent).map_err(KernelError::file("create", parent))?;
    move_first(&tree, &[format!("modules/{release}")], &modules)?
        .then_some(())
        .ok_or_else(|| wrong(format!("it holds no modules of {release}")))?;

    let image = Image::look(&vmlinuz).map_err(KernelError::file("read", &vmlinuz))?;
    let image = image.ok_or_else(|| wrong("its vmlinuz is no image of a kernel for x86-64".into()))?;
    if image.release != *release {
        return Err(wrong(format!("its image is of kernel {}", image.release)));
    }
    tell(&Step::Unpacking { release: release.clone() });
    let vmlinux = kept.join(VMLINUX);
    let unpacked = match image.unpack(&vmlinuz) {
        Ok(bytes) => {
            fs::write(&vmlinux, bytes).map_err(KernelError::file("write", &vmlinux))?;
            true
        }
        Err(why) => {
            let image = Entry::folder(cache, kernel).join(VMLINUZ);
            tell(&Step::StaysPacked { image, why: why.to_string() });
            false
        }
    };
    let keep = |path: &Path| KeptFile::of(path).map_err(KernelError::file("read", path));
    let record = Record {
        format: FORMAT,
        package: origin(kernel),
        release: release.clone(),
        vmlinuz: keep(&vmlinuz)?,
        vmlinux: unpacked.then(|| keep(&vmlinux)).transpose()?,
        modules: KeptTree::of(&modules).map_err(KernelError::file("read", &modules))?,
    };
    let json = serde_json::to_vec_pretty(&record).expect("names and numbers are JSON");
    super::write_whole(&kept.join(RECORD), &json)?;
    let folder = Entry::folder(cache, kernel);
    put(&kept, &folder, &partial)?;
    Ok(Entry { folder, record })
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
/// for `lib/modules/` and for `usr/lib/modules/`: packages before Linux 6.15 have the former.
fn move_first(tree: &Path, names: &[String], to: &Path) -> Result<bool, KernelError> {
    let places = names.iter().flat_map(|name| match name.strip_prefix("modules/") {
        Some(rest) => vec![format!("usr/lib/modules/{rest}"), format!("lib/modules/{rest}")],
        None => vec![name.clone()],
    });
    for from in places.map(|place| tree.join(place)).filter(|from| from.exists()) {
        fs::rename(&from, to).map_err(KernelError::file("move", &from))?;
        return Ok(true);
    }
    Ok(false)
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
