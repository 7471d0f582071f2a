//! Kernels that the machine has as files: the running one, or one given by its path.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Kernel;
use crate::cache::{Cache, unpacked};
use crate::error::KernelError;
use crate::image::Image;
use crate::modules::ModuleTree;
use crate::step::Step;

/// The running kernel, from where Debian and others install it.
pub(crate) fn host(
    cache: &Cache,
    modules: Option<&Path>,
    tell: &mut dyn FnMut(&Step),
) -> Result<Kernel, KernelError> {
    let system = nix::sys::utsname::uname()
        .map_err(|errno| KernelError::HostImage { path: "/boot".into(), source: errno.into() })?;
    let release = system.release().to_string_lossy();
    let path = Path::new("/boot").join(format!("vmlinuz-{release}"));
    fs::File::open(&path).map_err(|source| KernelError::HostImage { path: path.clone(), source })?;
    of_path(cache, "host".into(), &path, modules, tell)
}

/// The kernel in the image at `path`.
pub(crate) fn of_path(
    cache: &Cache,
    spec: String,
    path: &Path,
    modules: Option<&Path>,
    tell: &mut dyn FnMut(&Step),
) -> Result<Kernel, KernelError> {
    let path = fs::canonicalize(path).map_err(KernelError::file("open", path))?;
    let image = Image::look(&path).map_err(KernelError::file("read", &path))?;
    let image = image.ok_or_else(|| KernelError::NotAKernel(path.clone()))?;
    let modules = match modules {
        Some(folder) => Some(given_modules(folder, &image.release)?),
        None => modules_beside(&path, &image.release),
    };
    let plain = unpacked(cache, &path, &image, tell)?;
    Ok(Kernel { spec, release: image.release, image: plain, modules, package: None })
}

/// The folder `lib/modules/RELEASE` that the user means by `folder`: itself, or in it.
pub(crate) fn given_modules(folder: &Path, release: &str) -> Result<PathBuf, KernelError> {
    let folder = std::path::absolute(folder).map_err(KernelError::file("find", folder))?;
    fs::read_dir(&folder).map_err(KernelError::file("read", &folder))?;
    let inner = ["lib/modules", "usr/lib/modules", ""].map(|place| folder.join(place).join(release));
    for folder in inner.into_iter().chain([folder.clone()]) {
        if !is_a_tree(&folder).map_err(KernelError::file("read", &folder))? {
            continue;
        }
        let tree = ModuleTree::open(&folder)?;
        return match tree.built_for()? {
            Some(theirs) if theirs != release => {
                Err(KernelError::OtherModules { folder, theirs, release: release.to_owned() })
            }
            Some(_) => Ok(folder),
            None => continue,
        };
    }
    Err(KernelError::NoModules { folder, release: release.to_owned() })
}

/// Whether the folder is there and has what `make modules_install` puts into it.
fn is_a_tree(folder: &Path) -> io::Result<bool> {
    for name in ["kernel", "modules.builtin", "modules.order"] {
        if folder.join(name).try_exists()? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The modules of an image in `/boot`, or of one in its modules' own folder.
fn modules_beside(image: &Path, release: &str) -> Option<PathBuf> {
    let folder = image.parent()?;
    let root = folder.parent().unwrap_or(folder);
    let places = [root.join("lib/modules").join(release), root.join("usr/lib/modules").join(release)];
    let own = (folder.file_name()? == release).then(|| folder.to_owned());
    places.into_iter().chain(own).find(|place| is_a_tree(place).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::{a_bzimage, an_elf_with_entry};
    use crate::modules::tests::a_module;

    const RELEASE: &str = "6.1.0-53-cloud-amd64";

    fn modules_for(release: &str, folder: &Path) {
        fs::create_dir_all(folder.join("kernel")).unwrap();
        let vermagic = format!("vermagic={release} SMP preempt");
        fs::write(folder.join("kernel/veth.ko"), a_module(&[&vermagic])).unwrap();
    }

    #[test]
    fn the_folder_of_modules_may_be_given_in_each_of_its_forms() {
        for place in ["lib/modules/R", "usr/lib/modules/R", "R", ""] {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join(place.replace('R', RELEASE));
            modules_for(RELEASE, &folder);
            let found = given_modules(root.path(), RELEASE).unwrap();
            assert_eq!(
                found.components().collect::<PathBuf>(),
                folder.components().collect::<PathBuf>(),
                "{place}"
            );
            assert_eq!(given_modules(&folder, RELEASE).unwrap(), folder);
        }
    }

    #[test]
    fn modules_that_are_not_there_or_not_for_this_kernel_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let none = given_modules(root.path(), RELEASE).unwrap_err();
        assert!(matches!(&none, KernelError::NoModules { release, .. } if release == RELEASE), "{none}");
        modules_for("6.12.1", root.path());
        let other = given_modules(root.path(), RELEASE).unwrap_err();
        assert!(matches!(&other, KernelError::OtherModules { theirs, .. } if theirs == "6.12.1"), "{other}");
        let nowhere = given_modules(&root.path().join("x"), RELEASE).unwrap_err();
        assert!(matches!(nowhere, KernelError::File { doing: "read", .. }), "{nowhere}");
    }

    /// A root file system with a kernel in `/boot`.
    fn a_root() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("boot")).unwrap();
        let image = root.path().join("boot").join(format!("vmlinuz-{RELEASE}"));
        fs::write(&image, a_bzimage(RELEASE, &an_elf_with_entry(b"one"))).unwrap();
        (root, image)
    }

    fn obtained(cache: &Cache, image: &Path) -> (Kernel, Vec<String>) {
        let mut steps = Vec::new();
        let kernel =
            of_path(cache, "x".into(), image, None, &mut |step| steps.push(step.to_string())).unwrap();
        (kernel, steps)
    }

    #[test]
    fn an_image_is_unpacked_once_and_again_when_it_or_the_kept_one_changes() {
        let (root, image) = a_root();
        let cache = Cache::at(&root.path().join("cache")).unwrap();
        let unpacking = [format!("unpacking kernel {RELEASE}")];
        let (kernel, steps) = obtained(&cache, &image);
        assert_eq!(steps, unpacking);
        assert_eq!(kernel.modules, None);
        assert_eq!(fs::read(&kernel.image).unwrap(), an_elf_with_entry(b"one"));
        modules_for(RELEASE, &root.path().join("lib/modules").join(RELEASE));
        let (again, steps) = obtained(&cache, &image);
        assert_eq!((&again.image, steps), (&kernel.image, vec![]));
        assert_eq!(
            again.modules.unwrap(),
            fs::canonicalize(root.path()).unwrap().join("lib/modules").join(RELEASE)
        );

        fs::write(&kernel.image, "damaged").unwrap();
        assert_eq!(obtained(&cache, &image).1, unpacking);
        assert_eq!(fs::read(&kernel.image).unwrap(), an_elf_with_entry(b"one"));

        fs::write(&image, a_bzimage(RELEASE, &an_elf_with_entry(b"another"))).unwrap();
        let (kernel, steps) = obtained(&cache, &image);
        assert_eq!(steps, unpacking);
        assert_eq!(fs::read(&kernel.image).unwrap(), an_elf_with_entry(b"another"));
        assert_eq!(fs::read_dir(cache.images()).unwrap().count(), 1, "what was unpacked before is gone");
    }

    #[test]
    fn an_image_that_cannot_be_unpacked_or_kept_is_taken_as_it_is() {
        let (root, image) = a_root();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        let (kernel, steps) = obtained(&Cache::at(&file).unwrap(), &image);
        assert_eq!(kernel.image, fs::canonicalize(&image).unwrap());
        assert!(steps[0].contains("stays packed: could not create"), "{steps:?}");

        fs::write(&image, a_bzimage(RELEASE, b"BZh9")).unwrap();
        let (kernel, steps) = obtained(&Cache::at(&root.path().join("cache")).unwrap(), &image);
        assert_eq!(kernel.image, fs::canonicalize(&image).unwrap());
        assert!(steps[1].contains("the compression of the kernel in it is not known"), "{steps:?}");
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::at(root.path()).unwrap();
        let file = root.path().join("script");
        fs::write(&file, "#!/bin/sh").unwrap();
        let error = of_path(&cache, "x".into(), &file, None, &mut |_| ()).unwrap_err();
        assert!(matches!(error, KernelError::NotAKernel(_)), "{error}");
        let error = of_path(&cache, "x".into(), &root.path().join("none"), None, &mut |_| ()).unwrap_err();
        assert!(matches!(error, KernelError::File { doing: "open", .. }), "{error}");
    }
}
