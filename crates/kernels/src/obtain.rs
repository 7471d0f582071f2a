//! From what the user wrote to a kernel that is ready to boot.

use std::path::{Path, PathBuf};

use crate::apt::{Apt, AvailableKernel, Listing};
use crate::cache::{Cache, CachedKernel, Entry, Lock, PackageOrigin, Soundness, fetch};
use crate::error::KernelError;
use crate::lists::{Age, Lists};
use crate::local;
use crate::spec::{DebianSpec, KernelSpec};
use crate::step::Step;
use crate::version::{compare_versions, series};

/// A kernel ready to boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// What the user wrote, in its canonical form.
    pub spec: String,
    /// What `uname -r` says under it.
    pub release: String,
    /// The image: a plain ELF vmlinux with the PVH entry where there is one, else as found.
    pub image: PathBuf,
    /// The folder of its modules, `.../lib/modules/RELEASE`, if one is known.
    pub modules: Option<PathBuf>,
    /// Where it came from, if from a package.
    pub package: Option<PackageOrigin>,
}

impl Cache {
    /// Finds the kernel, and fetches and unpacks it where that has not been done.
    ///
    /// `modules` is what the user gave as its folder of modules: `lib/modules/RELEASE` itself, or a
    /// folder that holds it. `tell` gets what takes time, and what is not as it should be.
    pub fn obtain(
        &self,
        spec: &KernelSpec,
        modules: Option<&Path>,
        tell: &mut dyn FnMut(&Step),
    ) -> Result<Kernel, KernelError> {
        require_x86_64()?;
        match spec {
            KernelSpec::Host => local::host(self, modules, tell),
            KernelSpec::Path(path) => local::of_path(self, spec.to_string(), path, modules, tell),
            KernelSpec::Debian(debian) => {
                let entry = self.debian(debian, tell)?;
                let folder = match modules {
                    Some(folder) => local::given_modules(folder, &entry.record.release)?,
                    None => entry.modules(),
                };
                Ok(kernel(&entry, spec.to_string(), folder))
            }
        }
    }

    /// Fetches the newest kernel that matches: the lists of a suite are fetched anew (those of the
    /// machine's own are its owner's to update), and the checksums of what is kept are looked at.
    pub fn fetch(&self, spec: &DebianSpec, tell: &mut dyn FnMut(&Step)) -> Result<Kernel, KernelError> {
        require_x86_64()?;
        let entry = self.newest(spec, Age::Anew, Soundness::Full, tell)?;
        let folder = entry.modules();
        Ok(kernel(&entry, KernelSpec::Debian(spec.clone()).to_string(), folder))
    }

    /// The kept kernels, newest first.
    pub fn cached(&self) -> Result<Vec<CachedKernel>, KernelError> {
        let mut kernels: Vec<_> = Entry::all(self)?.into_iter().map(Entry::told).collect();
        kernels.sort_by(|a, b| compare_versions(&b.package.version, &a.package.version));
        Ok(kernels)
    }

    /// The kernels that apt can fetch, newest first, one for each package: from the machine's own
    /// sources, or from another suite of the same mirrors, whose lists are fetched where they are not
    /// there or older than a day.
    pub fn available(&self, suite: Option<&str>) -> Result<Vec<AvailableKernel>, KernelError> {
        require_x86_64()?;
        Ok(self.lists(suite, Age::Day, &mut |_| ())?.listing.kernels)
    }

    /// The kernels that the machine's own lists promise, newest first, one for each package; `None` where it has no
    /// lists, or outdated ones. Nothing is fetched, so what is promised may be gone from the mirrors.
    pub fn promised(&self) -> Result<Option<Vec<AvailableKernel>>, KernelError> {
        require_x86_64()?;
        Ok(self.lists_of_machine(|| ())?.map(|lists| lists.listing.kernels))
    }

    /// The newest kernel that matches, or where that cannot be had, the newest kept one.
    fn debian(&self, spec: &DebianSpec, tell: &mut dyn FnMut(&Step)) -> Result<Entry, KernelError> {
        match self.newest(spec, Age::Day, Soundness::Quick, tell) {
            Ok(entry) => Ok(entry),
            Err(error) => match self.kept(spec, &error)? {
                Some(entry) => {
                    let package = &entry.record.package;
                    let kernel =
                        format!("{} ({} of {})", entry.record.release, package.version, package.suite);
                    tell(&Step::Kept { kernel, why: error.to_string() });
                    Ok(entry)
                }
                None => Err(error),
            },
        }
    }

    /// The newest kernel that apt sees and that matches, fetched where it is not kept.
    fn newest(
        &self,
        spec: &DebianSpec,
        age: Age,
        soundness: Soundness,
        tell: &mut dyn FnMut(&Step),
    ) -> Result<Entry, KernelError> {
        let Lists { apt, listing, are_of_machine } = self.lists(spec.suite.as_deref(), age, tell)?;
        let wanted = self.choose(&listing, spec)?;
        if let Ok(entry) = self.sound(wanted, soundness) {
            return Ok(entry);
        }
        match self.fetch_from(&apt, wanted, spec, soundness, tell) {
            // Old lists promise packages that the mirrors have dropped.
            Err(KernelError::Program { .. }) if are_of_machine => {
                let Lists { apt, listing, .. } = self.newer_lists(tell)?;
                self.fetch_from(&apt, self.choose(&listing, spec)?, spec, soundness, tell)
            }
            result => result,
        }
    }

    fn fetch_from(
        &self,
        apt: &Apt,
        wanted: &AvailableKernel,
        spec: &DebianSpec,
        soundness: Soundness,
        tell: &mut dyn FnMut(&Step),
    ) -> Result<Entry, KernelError> {
        let lock = Lock::take(self, tell)?;
        // Another process may have fetched it while this one waited.
        match self.sound(wanted, soundness) {
            Ok(entry) => Ok(entry),
            Err(damage) => {
                if let Some(why) = damage {
                    tell(&Step::Damaged { release: wanted.release.clone(), why });
                }
                fetch(self, &lock, apt, wanted, spec.suite.as_deref(), tell)
            }
        }
    }

    /// The kept kernel, if it is sound; else what is wrong with it, if it is there.
    fn sound(&self, wanted: &AvailableKernel, soundness: Soundness) -> Result<Entry, Option<String>> {
        let entry = Entry::read(&Entry::folder(self, wanted)).map_err(Some)?.ok_or(None)?;
        match entry.damage(soundness) {
            None => Ok(entry),
            damage => Err(damage),
        }
    }

    /// The newest kept kernel that matches and is sound, and may stand in after this error.
    fn kept(&self, spec: &DebianSpec, error: &KernelError) -> Result<Option<Entry>, KernelError> {
        let suite = spec.suite.as_ref();
        let mut entries = Entry::all(self)?;
        entries.retain(|Entry { record, .. }| {
            let may_stand_in = match (suite, error) {
                // Where apt's lists are there but lack it, it may be an old one that they once had; one
                // that another suite had would be there or not by chance.
                (None, KernelError::NoMatch { .. }) => record.asked_suite.is_none(),
                (None, _) => true,
                (Some(suite), _) => {
                    record.package.suite == *suite || record.asked_suite.as_ref() == Some(suite)
                }
            };
            may_stand_in && spec.prefix.names(&record.release, &record.package.version)
        });
        entries.sort_by(|a, b| compare_versions(&b.record.package.version, &a.record.package.version));
        Ok(entries.into_iter().find(|entry| entry.damage(Soundness::Quick).is_none()))
    }

    fn choose<'a>(
        &self,
        listing: &'a Listing,
        spec: &DebianSpec,
    ) -> Result<&'a AvailableKernel, KernelError> {
        let Listing { kernels, incomplete } = listing;
        kernels.iter().find(|kernel| spec.prefix.names(&kernel.release, &kernel.version)).ok_or_else(|| {
            let mut numbers: Vec<_> = kernels.iter().map(|kernel| series(&kernel.version)).collect();
            numbers.dedup();
            let lacks = incomplete.iter().find(|kernel| spec.prefix.names(&kernel.release, &kernel.version));
            KernelError::NoMatch {
                spec: spec.clone(),
                series: numbers,
                elsewhere: self.elsewhere(spec),
                lacks: lacks.map(|kernel| kernel.lacks.clone()),
            }
        })
    }
}

fn kernel(entry: &Entry, spec: String, modules: PathBuf) -> Kernel {
    Kernel {
        spec,
        release: entry.record.release.clone(),
        image: entry.image(),
        modules: Some(modules),
        package: Some(entry.record.package.clone()),
    }
}

fn require_x86_64() -> Result<(), KernelError> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(()),
        other => Err(KernelError::Architecture(other)),
    }
}
