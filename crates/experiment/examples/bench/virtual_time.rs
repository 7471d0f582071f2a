//! What scenarios cost that wait for minutes and hours of virtual time: the binary, from command to CSV.

use std::fs;
use std::hint;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, available_parallelism};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use crate::figure::{Figure, Limit};
use crate::start::binary;
use crate::{Failure, Part};

/// What is run where nothing else is asked for.
pub(crate) const KERNEL: &str = "debian:6.12";

const SAMPLES: usize = 5;
const LONG_SAMPLES: usize = 3;

const TEST1: &str = "scenarios/test1.toml";
const SECOND: &str = "scenarios/test1-as-asked.toml";

/// The kernel's own keepalive: 2 h, then 9 probes, 75 s apart, and what the timer wheel adds to them.
const DEFAULT_KEEPALIVE: &str = r#"
[client]
keepalive = {}
[[fault]]
at = "5s"
on = "client"
iptables = "-A INPUT -p tcp --sport 7654 -j DROP"
[stop]
when = "client-closed"
limit = "3h"
[expect]
client = { errno = "ETIMEDOUT" }
"#;

/// Keepalives that die after 555 to 645 s of silence, and more with the timer wheel's rounding.
const SWEEP: &str = r#"
[client]
keepalive = { idle = "60s", interval = "60s", count = 9 }
[[fault]]
at = "5s"
on = "client"
iptables = "-A INPUT -p tcp --sport 7654 -j DROP"
[stop]
when = "client-closed"
[sweep]
"client.keepalive.idle" = ["60s", "61s", "62s", "63s", "64s", "65s", "66s", "67s", "68s", "69s"]
"client.keepalive.interval" = ["55s", "56s", "57s", "58s", "59s", "60s", "61s", "62s", "63s", "64s"]
[expect]
client = { errno = "ETIMEDOUT" }
"#;

/// Runs all of it with this kernel; where `fetches`, also with a cache that has no kernel yet.
pub(crate) fn measure(kernel: &str, fetches: bool) -> Part {
    let bench = Bench { folder: Folder::new()?, binary: binary()?, kernel: kernel.to_owned() };
    let mut figures = Vec::new();
    if fetches {
        let took = bench.run("empty", &[TEST1])?.took;
        figures.push(Figure::distribution("test1, kernel fetched and unpacked, booted", vec![took]));
    }
    if let Err(why) = bench.link_kernels().and_then(|()| bench.have_kernel()) {
        return Ok(vec![Figure::skipped("virtual time", why.to_string())]);
    }
    let first = bench.run(CACHE, &[TEST1])?;
    figures.push(Figure::distribution("test1, the first time with this kernel", vec![first.took]));
    let mut all_rows = vec![first.rows];
    let (mut alone, mut both) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        let run = bench.run(CACHE, &[TEST1])?;
        alone.push(run.took);
        all_rows.push(run.rows);
        both.push(bench.run(CACHE, &[TEST1, SECOND])?.took);
    }
    let (median, of_both) = (median_ms(&alone), median_ms(&both));
    figures.push(Figure::distribution("test1, command to CSV", alone).within(Limit::MedianMs(6_000.0)));
    let second = Figure::median("  a second scenario in the same guest", SAMPLES, of_both - median);
    figures.push(second.within(Limit::MedianMs(1_000.0)));
    let loaded = under_load(|| repeat(LONG_SAMPLES, || bench.run(CACHE, &[TEST1])))?;
    all_rows.extend(loaded.iter().map(|run| run.rows.clone()));
    let ratio = median_ms(&times(&loaded)) / median;
    figures.push(Figure::ratio("  times as long with all processors busy", ratio, None));
    let others = all_rows.iter().filter(|rows| **rows != all_rows[0]).count();
    let what = format!("  of {} runs, those with other rows", all_rows.len());
    figures.push(Figure::amount(what, u32::try_from(others)?.into(), "", Some(0.0)));
    for (what, name, text, limit) in [
        ("default keepalive, 7875 s and more", "default", DEFAULT_KEEPALIVE, 10_000.0),
        ("sweep of 100 cells of 10 minutes", "sweep", SWEEP, 60_000.0),
    ] {
        let path = bench.folder.0.join(format!("{name}.toml"));
        fs::write(&path, text)?;
        let path = path.to_str().ok_or("a temporary folder whose name is no text")?;
        let runs = repeat(LONG_SAMPLES, || bench.run(CACHE, &[path]))?;
        figures.push(Figure::distribution(what, times(&runs)).within(Limit::MedianMs(limit)));
    }
    let memory = bench.memory_mib("sweep")?;
    figures.push(Figure::amount("memory of the guest", memory, "MiB", Some(256.0)));
    figures.push(Figure::amount(
        "  of this program and QEMU, the larger",
        largest_process_mib()?,
        "MiB",
        None,
    ));
    Ok(figures)
}

/// The name of the cache in which the runs find their machines, saved by the first of them.
const CACHE: &str = "cache";

struct Bench {
    folder: Folder,
    binary: PathBuf,
    kernel: String,
}

/// One run of the binary.
struct Run {
    took: Duration,
    rows: String,
}

impl Bench {
    /// Runs scenarios with this cache, from command to CSV.
    fn run(&self, cache: &str, scenarios: &[&str]) -> Result<Run, Failure> {
        let csv = self.folder.0.join("rows.csv");
        let mut command = Command::new(&self.binary);
        command.arg("run").args(scenarios).args(["--virtual-time", "--quiet", "--kernel", &self.kernel]);
        command.arg("--csv").arg(&csv).arg("--results").arg(self.folder.0.join("results"));
        let began = Instant::now();
        finish(command.env("KEEPALIVE_LAB_CACHE", self.folder.0.join(cache)))?;
        Ok(Run { took: began.elapsed(), rows: fs::read_to_string(csv)? })
    }

    /// Has the runs' own cache show the kernels that the user keeps, but none of the saved machines.
    fn link_kernels(&self) -> Result<(), Failure> {
        let kernels: serde_json::Value =
            serde_json::from_slice(&finish(Command::new(&self.binary).args(["kernels", "--json"]))?)?;
        let cache = self.folder.0.join(CACHE);
        fs::create_dir_all(&cache)?;
        // ROOT/kernels/PACKAGE_VERSION
        let root =
            kernels["kept"][0]["folder"].as_str().and_then(|folder| Path::new(folder).ancestors().nth(2));
        for name in ["kernels", "apt", "images"] {
            if let Some(kept) = root.map(|root| root.join(name)).filter(|kept| kept.is_dir()) {
                symlink(kept, cache.join(name))?;
            }
        }
        Ok(())
    }

    /// Fetches the kernel where it is not kept, so that no run has to.
    fn have_kernel(&self) -> Result<(), Failure> {
        if let Some(spec) = self.kernel.strip_prefix("debian:") {
            let cache = self.folder.0.join(CACHE);
            let mut command = Command::new(&self.binary);
            finish(command.args(["kernels", "fetch", spec]).env("KEEPALIVE_LAB_CACHE", cache))?;
        }
        Ok(())
    }

    /// What the guest of a run of this scenario had, as its run folder tells.
    fn memory_mib(&self, scenario: &str) -> Result<f64, Failure> {
        let runs = fs::read_dir(self.folder.0.join("results").join(scenario))?;
        let run = runs.flatten().next().ok_or("no run folder")?;
        let told: serde_json::Value = serde_json::from_slice(&fs::read(run.path().join("run.json"))?)?;
        Ok(told["machine"]["memory_mib"].as_f64().ok_or("run.json tells no memory")?)
    }
}

/// A temporary folder.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("keepalive-lab-bench-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a command to its end and returns what it printed; the error is what it complained of first.
fn finish(command: &mut Command) -> Result<Vec<u8>, Failure> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    let error = complaints.lines().find(|line| line.contains("error")).unwrap_or("no reason");
    Err(format!("{}: {error}", output.status).into())
}

fn repeat(times: usize, work: impl Fn() -> Result<Run, Failure>) -> Result<Vec<Run>, Failure> {
    (0..times).map(|_| work()).collect()
}

/// Does the work while threads keep all processors busy.
fn under_load<T>(work: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            });
        }
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        done
    })
}

fn times(runs: &[Run]) -> Vec<Duration> {
    runs.iter().map(|run| run.took).collect()
}

fn median_ms(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

/// The most that one of the processes this one has waited for, or those have, took of the host's memory
/// (`getrusage(2)`: in KiB).
fn largest_process_mib() -> Result<f64, Failure> {
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    let kib = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() as f64;
    Ok(kib / 1024.0)
}
