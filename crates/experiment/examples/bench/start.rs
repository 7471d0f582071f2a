//! How long the binary takes to start.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::figure::{Figure, Limit};
use crate::{Failure, Part};

const STARTS: usize = 200;

/// Starts `keepalive-lab --version`, and the program that does nothing, by turns.
pub(crate) fn measure() -> Part {
    let binary = binary()?;
    let (mut own, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        own.push(time(Command::new(&binary).arg("--version"))?);
        bare.push(time(&mut Command::new("true"))?);
    }
    Ok(vec![
        Figure::distribution("keepalive-lab --version", own).within(Limit::MedianMs(10.0)),
        Figure::distribution("  bare program beside it: true", bare),
    ])
}

/// The binary, which was built together with this.
pub(crate) fn binary() -> Result<PathBuf, Failure> {
    let here = std::env::current_exe()?;
    // target/release/examples/bench
    let folder = here.parent().and_then(Path::parent).ok_or("no folder for binaries")?;
    Ok(folder.join("keepalive-lab"))
}

fn time(command: &mut Command) -> Result<Duration, Failure> {
    let started = Instant::now();
    let status = command.stdout(Stdio::null()).status();
    let took = started.elapsed();
    match status {
        Ok(status) if status.success() => Ok(took),
        Ok(status) => Err(format!("{command:?} ended with {status}").into()),
        Err(error) => Err(format!("{command:?}: {error}").into()),
    }
}
