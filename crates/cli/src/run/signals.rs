//! SIGINT and SIGTERM end a run in order: what has ended is kept.

use keepalive_lab_experiment::interrupt::Interrupt;
use nix::sys::signal::{SigSet, Signal};

use crate::exit::Exit;

/// Blocks both signals in this thread and all it starts from now on, so that only [`forward`] takes
/// them. Call it before any thread is started.
pub(crate) fn block() -> nix::Result<()> {
    signals().thread_block()
}

/// Waits for the signals on a thread of its own: the first ends the run in order, the second at once.
pub(crate) fn forward(interrupt: Interrupt) -> std::io::Result<()> {
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for wait in 0.. {
            match signals().wait() {
                Ok(_) if wait == 0 => interrupt.interrupt(),
                // Namespaces and rules go with the process; the next run sweeps the tracefs instance.
                _ => std::process::exit(Exit::Interrupted.code().into()),
            }
        }
    })?;
    Ok(())
}

fn signals() -> SigSet {
    [Signal::SIGINT, Signal::SIGTERM].into_iter().collect()
}
