//! The same program as another process: to be killed, to run at the same time, or on a machine that
//! is made to look different by its environment.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use keepalive_lab_kernels::{Cache, KernelSpec};

/// The first argument of the other process; then follow the cache's folder and the kernel.
pub(crate) const OBTAIN: &str = "--as-a-child-obtain";

/// What the other process does.
pub(crate) fn obtain() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    let cache = Cache::at(Path::new(&arguments[0])).expect("the folder has a name");
    let spec: KernelSpec = arguments[1].parse().expect("the parent wrote it");
    let told = cache.obtain(&spec, None, &mut |step| {
        println!("{step}");
        std::io::stdout().flush().expect("the parent reads");
    });
    match told {
        Ok(kernel) => println!("{}", kernel.image.display()),
        Err(error) => println!("{error:?}"),
    }
    ExitCode::SUCCESS
}

/// Starts the other process, changed by `change`.
pub(crate) fn start(cache: &Cache, spec: &str, change: impl FnOnce(&mut Command)) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command.arg(OBTAIN).arg(cache.folder()).arg(spec).stdout(Stdio::piped());
    change(&mut command);
    command.spawn().expect("this program can be started")
}

/// The lines that it prints until its end: the steps, and the image or the error.
pub(crate) fn lines(child: Child) -> Vec<String> {
    let output = child.wait_with_output().expect("it was started");
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// Reads its lines until one begins so.
pub(crate) fn wait_for(child: &mut Child, start: &str) -> String {
    let stdout = child.stdout.as_mut().expect("it is a pipe");
    let found = BufReader::new(stdout).lines().map_while(Result::ok).find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("it ended without `{start}`"))
}
