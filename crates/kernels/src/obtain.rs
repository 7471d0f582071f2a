//! From what the user wrote to a kernel that is ready to boot.

use std::path::{Path, PathBuf};

use crate::apt::{Apt, AvailableKernel, PrivateState};
use crate::cache::{Cache, CachedKernel, Entry, Lock, PackageOrigin, Soundness, fetch};
use crate::error::KernelError;
use crate::local;
use crate::spec::{DebianSpec, KernelSpec};
use crate::step::Step;
use crate::version::{VersionPrefix, compare_versions, series};

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

/// Whose lists are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lists {
    /// As they are; fetched only where there are none, or private ones are older than a day.
    AsTheyAre,
    /// Fetched anew, into a private state.
    Anew,
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

    /// Fetches the newest kernel that matches: asks the mirrors anew, and looks at the checksums of
    /// what is kept.
    pub fn fetch(&self, spec: &DebianSpec, tell: &mut dyn FnMut(&Step)) -> Result<Kernel, KernelError> {
        require_x86_64()?;
        let entry = self.newest(spec, Lists::Anew, Soundness::Full, tell)?;
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
        Ok(self.lists(suite, Lists::AsTheyAre, &mut |_| ())?.1)
    }

    fn debian(&self, spec: &DebianSpec, tell: &mut dyn FnMut(&Step)) -> Result<Entry, KernelError> {
        match self.newest(spec, Lists::AsTheyAre, Soundness::Quick, tell) {
            Ok(entry) => Ok(entry),
            Err(error) => match self.kept(spec)? {
                Some(entry) => {
                    let package = &entry.record.package;
                    let kernel = format!("{} ({} of {})", entry.record.release, package.version, package.suite);
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
        lists: Lists,
        soundness: Soundness,
        tell: &mut dyn FnMut(&Step),
    ) -> Result<Entry, KernelError> {
        let suite = spec.suite.as_deref();
        let (apt, kernels) = self.lists(suite, lists, tell)?;
        let wanted = self.choose(&kernels, spec)?;
        if let Ok(entry) = self.sound(wanted, soundness) {
            return Ok(entry);
        }
        match self.fetch_from(&apt, wanted, soundness, tell) {
            // Old lists promise packages that the mirrors have dropped.
            Err(KernelError::Program { .. }) if suite.is_none() && lists == Lists::AsTheyAre => {
                let (apt, kernels) = self.lists(suite, Lists::Anew, tell)?;
                self.fetch_from(&apt, self.choose(&kernels, spec)?, soundness, tell)
            }
            result => result,
        }
    }

    fn fetch_from(
        &self,
        apt: &Apt,
        wanted: &AvailableKernel,
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
                fetch(self, &lock, apt, wanted, tell)
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

    /// The newest kept kernel that matches and is sound.
    fn kept(&self, spec: &DebianSpec) -> Result<Option<Entry>, KernelError> {
        let mut entries = Entry::all(self)?;
        entries.retain(|Entry { record, .. }| {
            let is_of_suite = spec.suite.as_ref().is_none_or(|suite| *suite == record.package.suite);
            is_of_suite && matches(&spec.prefix, &record.release, &record.package.version)
        });
        entries.sort_by(|a, b| compare_versions(&b.record.package.version, &a.record.package.version));
        Ok(entries.into_iter().find(|entry| entry.damage(Soundness::Quick).is_none()))
    }

    fn choose<'a>(
        &self,
        kernels: &'a [AvailableKernel],
        spec: &DebianSpec,
    ) -> Result<&'a AvailableKernel, KernelError> {
        let newest = |kernels: &'a [AvailableKernel]| {
            kernels.iter().find(|kernel| matches(&spec.prefix, &kernel.release, &kernel.version))
        };
        newest(kernels).ok_or_else(|| {
            let mut numbers: Vec<_> = kernels.iter().map(|kernel| series(&kernel.version)).collect();
            numbers.dedup();
            KernelError::NoMatch { spec: spec.clone(), series: numbers, elsewhere: self.elsewhere(spec) }
        })
    }

    /// The suites, of those asked before, that have a kernel that matches.
    fn elsewhere(&self, spec: &DebianSpec) -> Vec<DebianSpec> {
        let folders = std::fs::read_dir(self.apt()).into_iter().flatten().flatten();
        let mut specs: Vec<_> = folders
            .filter_map(|folder| folder.file_name().into_string().ok()?.strip_prefix('@').map(str::to_owned))
            .filter(|suite| spec.suite.as_ref() != Some(suite))
            .filter(|suite| {
                let state = self.private_state(Some(suite));
                let kernels = state.apt().kernels(&self.memory(Some(suite)), || ()).unwrap_or_default();
                kernels.iter().any(|kernel| matches(&spec.prefix, &kernel.release, &kernel.version))
            })
            .map(|suite| DebianSpec { prefix: spec.prefix.clone(), suite: Some(suite) })
            .collect();
        specs.sort_by(|a, b| a.suite.cmp(&b.suite));
        specs
    }

    /// apt, in the state to be used, and the kernels it sees.
    fn lists(
        &self,
        suite: Option<&str>,
        lists: Lists,
        tell: &mut dyn FnMut(&Step),
    ) -> Result<(Apt, Vec<AvailableKernel>), KernelError> {
        let asked = suite.map(str::to_owned);
        let machine = Apt::of_machine();
        if suite.is_none() && lists == Lists::AsTheyAre {
            let kernels = machine.kernels(&self.memory_of_machine(), || tell(&Step::Asking { suite: None }))?;
            if !kernels.is_empty() || machine.places()?.have_lists() {
                return Ok((machine, kernels));
            }
        }
        let state = self.private_state(suite);
        if lists == Lists::Anew || !state.is_fresh() {
            let _lock = Lock::take(self, tell)?;
            if lists == Lists::Anew || !state.is_fresh() {
                tell(&Step::Updating { suite: asked.clone() });
                match machine.places().and_then(|places| state.update(&places)) {
                    Err(error) if lists == Lists::AsTheyAre && state.exists() => {
                        tell(&Step::OldLists { suite: asked.clone(), why: error.to_string() });
                    }
                    result => result?,
                }
            }
        }
        let apt = state.apt();
        let kernels = apt.kernels(&self.memory(suite), || tell(&Step::Asking { suite: asked }))?;
        Ok((apt, kernels))
    }

    fn private_state(&self, suite: Option<&str>) -> PrivateState {
        let name = suite.map_or_else(|| "own".into(), |suite| format!("@{suite}"));
        PrivateState::new(self.apt().join(name), suite.map(str::to_owned))
    }

    /// Where the answer about a private state is kept.
    fn memory(&self, suite: Option<&str>) -> PathBuf {
        let name = suite.map_or_else(|| "own".into(), |suite| format!("@{suite}"));
        self.apt().join(name).join("kernels.json")
    }

    fn memory_of_machine(&self) -> PathBuf {
        self.apt().join("machine.json")
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

fn matches(prefix: &VersionPrefix, release: &str, version: &str) -> bool {
    prefix.matches(release) || prefix.matches(version)
}

fn require_x86_64() -> Result<(), KernelError> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(()),
        other => Err(KernelError::Architecture(other)),
    }
}
