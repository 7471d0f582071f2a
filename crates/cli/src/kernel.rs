//! The kernel this program runs on.

use keepalive_lab_results::metadata::Kernel;

/// Asks `uname(2)`, and the clock for the tick rate.
pub(crate) fn running() -> Kernel {
    let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
    let hz = keepalive_lab_clock::ticks_per_second();
    match nix::sys::utsname::uname() {
        Ok(uname) => Kernel {
            release: text(uname.release()),
            version: text(uname.version()),
            machine: text(uname.machine()),
            hz,
        },
        // uname(2) fails only for a bad address (EFAULT).
        Err(_) => Kernel { release: String::new(), version: String::new(), machine: String::new(), hz },
    }
}
