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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn one_at_a_time_has_it_and_the_other_says_that_it_waits() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let (inside, waited) = (AtomicU32::new(0), AtomicU32::new(0));
        let first = Lock::take(&cache, &mut |_| panic!("nobody has it")).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let lock = Lock::take(&cache, &mut |step| {
                        assert_eq!(*step, Step::Waiting);
                        waited.fetch_add(1, Ordering::SeqCst);
                    });
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(lock.unwrap());
                });
            }
            while waited.load(Ordering::SeqCst) < 4 {
                thread::yield_now();
            }
            assert_eq!(inside.load(Ordering::SeqCst), 0);
            drop(first);
        });
    }

    #[test]
    fn what_a_killed_process_left_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        fs::create_dir_all(cache.partial().join("debs/partial")).unwrap();
        fs::write(cache.partial().join("debs/half.deb"), "").unwrap();
        let _lock = Lock::take(&cache, &mut |_| ()).unwrap();
        assert!(!cache.partial().exists());
    }
}
