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
    let system = nix::sys::utsname::uname().map_err(|errno| KernelError::HostImage {
        path: "/boot".into(),
        source: errno.into(),
    })?;
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
