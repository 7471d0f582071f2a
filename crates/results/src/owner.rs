//! Whose the written files are.

use std::io;
use std::path::Path;

use nix::unistd::{Gid, Uid};

/// Who owns what a run writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The user who runs the program: nothing to do.
    Caller,
    /// The user who called `sudo`: files made as root are handed over.
    SudoUser {
        /// `SUDO_UID`.
        uid: u32,
        /// `SUDO_GID`.
        gid: u32,
    },
}

impl Owner {
    /// Reads `SUDO_UID` and `SUDO_GID` (see `sudo(8)`, ENVIRONMENT), which only count for root.
    pub fn of_this_process() -> Self {
        let number = |name| std::env::var(name).ok()?.parse().ok();
        match (number("SUDO_UID"), number("SUDO_GID")) {
            (Some(uid), Some(gid)) if Uid::effective().is_root() => Self::SudoUser { uid, gid },
            _ => Self::Caller,
        }
    }

    /// Hands `path` over to the owner.
    pub fn give(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Caller => Ok(()),
            Self::SudoUser { uid, gid } => {
                Ok(nix::unistd::chown(path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?)
            }
        }
    }
}
