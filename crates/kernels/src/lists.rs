//! Whose package lists are asked for a kernel: the machine's own, or private ones.

use std::fs;
use std::path::PathBuf;

use crate::apt::{Apt, Listing, PrivateState};
use crate::cache::{Cache, Lock};
use crate::error::KernelError;
use crate::spec::DebianSpec;
use crate::step::Step;

/// How old private lists may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// A day.
    Day,
    /// They are fetched anew.
    Anew,
}

/// apt in one of its states, and the kernels it sees there.
pub(crate) struct Lists {
    pub apt: Apt,
    pub listing: Listing,
    /// Whether these are the machine's own lists, which only its owner updates.
    pub are_of_machine: bool,
}

impl Cache {
    /// The lists of `suite`, fetched where they are not there or too old; for `None` those that the
    /// machine has, or where it has none or outdated ones, private lists of the same suites.
    pub(crate) fn lists(
        &self,
        suite: Option<&str>,
        age: Age,
        tell: &mut dyn FnMut(&Step),
    ) -> Result<Lists, KernelError> {
        let of_machine = match suite {
            None => self.lists_of_machine(|| tell(&Step::Asking { suite: None }))?,
            Some(_) => None,
        };
        of_machine.map_or_else(|| self.private_lists(suite, age, tell), Ok)
    }

    /// The lists that the machine has; `None` where it has none, or outdated ones. Nothing is fetched.
    pub(crate) fn lists_of_machine(&self, before: impl FnOnce()) -> Result<Option<Lists>, KernelError> {
        let apt = Apt::of_machine();
        Ok(match apt.listing(&self.memory_of_machine(), before)? {
            Some(listing) if !listing.kernels.is_empty() || apt.places()?.have_lists() => {
                Some(Lists { apt, listing, are_of_machine: true })
            }
            _ => None,
        })
    }

    /// What [`lists`](Self::lists) gives when the machine's own turned out to be outdated.
    pub(crate) fn newer_lists(&self, tell: &mut dyn FnMut(&Step)) -> Result<Lists, KernelError> {
        let lists = self.private_lists(None, Age::Anew, tell)?;
        Apt::mark_outdated(&self.memory_of_machine())?;
        Ok(lists)
    }

    fn private_lists(
        &self,
        suite: Option<&str>,
        age: Age,
        tell: &mut dyn FnMut(&Step),
    ) -> Result<Lists, KernelError> {
        let asked = suite.map(str::to_owned);
        let (state, memory) = self.private_state(suite);
        if age == Age::Anew || !state.is_fresh() {
            let _lock = Lock::take(self, tell)?;
            if age == Age::Anew || !state.is_fresh() {
                tell(&Step::Updating { suite: asked.clone() });
                match Apt::of_machine().places().and_then(|places| state.update(&places)) {
                    Err(error) if age == Age::Day && state.exists() => {
                        tell(&Step::OldLists { suite: asked.clone(), why: error.to_string() });
                    }
                    result => result?,
                }
            }
        }
        let apt = state.apt();
        let listing = apt.listing(&memory, || tell(&Step::Asking { suite: asked }))?.unwrap_or_default();
        Ok(Lists { apt, listing, are_of_machine: false })
    }

    /// The suites, of those whose lists are here, that have a kernel that matches.
    pub(crate) fn elsewhere(&self, spec: &DebianSpec) -> Vec<DebianSpec> {
        let folders = fs::read_dir(self.apt()).into_iter().flatten().flatten();
        let mut specs: Vec<_> = folders
            .filter_map(|folder| folder.file_name().into_string().ok()?.strip_prefix('@').map(str::to_owned))
            .filter(|suite| spec.suite.as_ref() != Some(suite))
            .filter(|suite| {
                let (state, memory) = self.private_state(Some(suite));
                let listing = state.apt().listing(&memory, || ()).ok().flatten().unwrap_or_default();
                listing.kernels.iter().any(|kernel| spec.prefix.names(&kernel.release, &kernel.version))
            })
            .map(|suite| DebianSpec { prefix: spec.prefix.clone(), suite: Some(suite) })
            .collect();
        specs.sort_by(|a, b| a.suite.cmp(&b.suite));
        specs
    }

    /// The private state of a suite, and the file where apt's answer about it is kept. `None`: the
    /// machine's own suites.
    fn private_state(&self, suite: Option<&str>) -> (PrivateState, PathBuf) {
        let name = suite.map_or_else(|| "own".into(), |suite| format!("@{suite}"));
        let folder = self.apt().join(name);
        let memory = folder.join("kernels.json");
        (PrivateState::new(folder, suite.map(str::to_owned)), memory)
    }

    /// The file where the answer of the machine's own apt is kept.
    fn memory_of_machine(&self) -> PathBuf {
        self.apt().join("machine.json")
    }
}
