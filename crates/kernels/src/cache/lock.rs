//! One process at a time changes the cache.

use std::fs::{self, File, OpenOptions, TryLockError};

use super::Cache;
use crate::error::KernelError;
use crate::step::Step;

/// The right to change the cache, given back when dropped, also by a kill: a lock of `flock(2)`.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Waits until no other process has it, and then removes what a killed one left.
    pub(crate) fn take(cache: &Cache, tell: &mut dyn FnMut(&Step)) -> Result<Self, KernelError> {
        let path = cache.folder().join("lock");
        fs::create_dir_all(cache.folder()).map_err(KernelError::file("create", cache.folder()))?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(KernelError::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                tell(&Step::Waiting);
                file.lock().map_err(KernelError::file("lock", &path))?;
            }
            Err(TryLockError::Error(source)) => return Err(KernelError::file("lock", &path)(source)),
        }
        let partial = cache.partial();
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(KernelError::file("remove", &partial))?;
        }
        Ok(Self(file))
    }
}
