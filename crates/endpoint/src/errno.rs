//! Error numbers by name.

use std::io;

use nix::errno::Errno;

/// The name of an error number, such as `ETIMEDOUT` for 110; see `errno(3)`.
///
/// A number without a name (the kernel has internal ones from 512 on) reads `errno 524`.
pub fn errno_name(number: i32) -> String {
    match Errno::from_raw(number) {
        Errno::UnknownErrno => format!("errno {number}"),
        errno => format!("{errno:?}"),
    }
}

/// The error number behind an I/O error of a system call.
pub(crate) fn errno_of(error: &io::Error) -> Errno {
    // Errors without a number come from the Rust side only (the runtime is shutting down, say).
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// `ETIMEDOUT (Connection timed out)`.
pub(crate) fn described(errno: Errno) -> String {
    format!("{} ({})", errno_name(errno as i32), errno.desc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers_have_names_and_unknown_ones_stay_readable() {
        assert_eq!(errno_name(110), "ETIMEDOUT");
        assert_eq!(errno_name(104), "ECONNRESET");
        assert_eq!(errno_name(524), "errno 524");
        assert_eq!(described(Errno::ECONNREFUSED), "ECONNREFUSED (Connection refused)");
    }
}
