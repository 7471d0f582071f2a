//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use keepalive_lab_kernels::{DebianSpec, KernelSpec, SpecError};

/// When the network dies silently: how many seconds pass until each end of a TCP connection knows,
/// with which error, and which settings change that?
///
/// keepalive-lab builds a small real network out of Linux namespaces, runs a server and a client in
/// it, breaks it on schedule (iptables or nftables rules, link down), and writes down what the
/// kernel did.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    all as expected
  1    an expectation of a scenario was not met, or `compare` found a change
  2    wrong arguments, a wrong scenario, or files that cannot be compared; nothing was started
  3    this machine lacks something that is needed; nothing was started
  4    a cell could not be carried out, or its result could not be written
  130  interrupted; what ended before is kept

Examples:
  sudo keepalive-lab run scenarios/quick.toml    an experiment of ten seconds
  keepalive-lab plan scenarios/test1.toml        what it would do, without doing it
  keepalive-lab doctor                           what this machine can do";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run scenarios and write down what happened
    Run(RunArgs),
    /// Show the cells and the schedule of a scenario without running it
    Plan(PlanArgs),
    /// Validate scenario files
    Check(CheckArgs),
    /// Print the JSON Schema of scenario files
    Schema,
    /// Tell what changed between results of several kernels, machines or clocks
    Compare(CompareArgs),
    /// Tell when Linux should notice a dead path, without trying it
    Predict(PredictArgs),
    /// List the kernels that `run --kernel` can take, and fetch them
    Kernels(KernelsArgs),
    /// Tell what this machine can do, each power tried by using it
    Doctor(DoctorArgs),
}

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Needs root for the kernel's own time stamps (kernel_time_to_error_s); without root it runs in a user
namespace, and those columns stay empty. Under sudo, what it writes belongs to the user who called sudo.

Examples:
  sudo keepalive-lab run scenarios/test1.toml
  keepalive-lab run scenarios/quick.toml --set client.keepalive.idle=5s --repeat 3
  keepalive-lab run scenarios/*.toml --csv all.csv --quiet
  keepalive-lab run scenarios/test1.toml --virtual-time --kernel debian:6.1 --kernel debian:6.12")]
pub(crate) struct RunArgs {
    /// Scenario files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub change: ChangeArgs,
    #[command(flatten)]
    pub vm: VmArgs,
    /// Also write the rows of all scenarios to this file (replaced if it exists)
    #[arg(long, value_name = "PATH")]
    pub csv: Option<PathBuf>,
    /// Folder for the run folders SCENARIO/TIME-KERNEL/
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
    /// Print events as JSON lines on standard output, and nothing else there
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Print only what went wrong
    #[arg(long, short)]
    pub quiet: bool,
}

/// Arguments that choose another kernel or another clock.
#[derive(Debug, Args)]
#[command(next_help_heading = "Other kernels and virtual time")]
pub(crate) struct VmArgs {
    /// Run in a virtual machine on a virtual clock: waiting costs nothing, and each run is the same
    #[arg(long)]
    pub virtual_time: bool,
    /// Run in a virtual machine with this kernel: `debian:VERSION[@SUITE]`, `host`, or the path of an image (repeatable)
    #[arg(long, value_name = "SPEC", value_parser = kernel_spec)]
    pub kernel: Vec<KernelSpec>,
    /// Folder of the modules for a kernel given by its path
    #[arg(long, value_name = "DIR", requires = "kernel")]
    pub modules: Option<PathBuf>,
    /// Memory of a virtual machine, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(96..))]
    pub memory: u32,
    /// Give a virtual machine up that shows no sign of life for this long
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = humantime::parse_duration)]
    pub patience: Duration,
}

impl VmArgs {
    /// Whether the cells are to run in a virtual machine.
    pub(crate) fn is_wanted(&self) -> bool {
        self.virtual_time || !self.kernel.is_empty()
    }
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Scenario file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Print the cells as JSON, one a line
    #[arg(long)]
    pub json: bool,
}

/// Arguments that change a scenario as it is read.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ChangeArgs {
    /// Override a scenario key, e.g. --set client.keepalive.idle=5s (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Run each cell N times
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: Option<u32>,
    /// Begin each cell at N places of the timer wheel's period, a row for each (column `phase_s`)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub phases: Option<u32>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Scenario files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print only what is wrong
    #[arg(long, short)]
    pub quiet: bool,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_help = "\
The first kernel in the first file is the baseline; every other kernel, file or clock is compared with it. A difference
that the kernels' timers explain by rounding, or that lies within the spread of repeats, is none; another errno always is.

Exit codes: 0 no change, 1 a change (see --fail-on), 2 a file that cannot be compared.

Examples:
  keepalive-lab compare before/results.csv after/results.csv
  keepalive-lab compare both-kernels.csv --markdown --fail-on errno")]
pub(crate) struct CompareArgs {
    /// Result CSVs, of any kernels, machines and clocks
    #[arg(required = true, value_name = "CSV")]
    pub files: Vec<PathBuf>,
    /// List what is the same, too
    #[arg(long)]
    pub all: bool,
    /// Print a table of GitHub's Markdown
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Print all of it as one JSON document
    #[arg(long, conflicts_with = "all")]
    pub json: bool,
    /// Which change makes the exit code 1
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = FailOn::Change)]
    pub fail_on: FailOn,
}

/// Which change makes the exit code 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Any
    Change,
    /// Another outcome or errno
    Errno,
    /// None
    Never,
}

/// Arguments of `kernels`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Kernels of Debian's come from the machine's own apt, signatures checked; nothing is installed. They are kept in
$KEEPALIVE_LAB_CACHE, else $XDG_CACHE_HOME/keepalive-lab, else ~/.cache/keepalive-lab.

Examples:
  keepalive-lab kernels
  keepalive-lab kernels --suite trixie-backports
  keepalive-lab kernels fetch 6.1 6.12 7.3@trixie-backports"
)]
pub(crate) struct KernelsArgs {
    /// What else to do
    #[command(subcommand)]
    pub command: Option<KernelsCommand>,
    /// Another suite of the mirrors that apt uses, such as trixie-backports
    #[arg(long, value_name = "SUITE")]
    pub suite: Option<String>,
    /// All kernels, and not only the newest of each series
    #[arg(long)]
    pub all: bool,
    /// Print the list as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `kernels` does besides listing.
#[derive(Debug, Subcommand)]
pub(crate) enum KernelsCommand {
    /// Fetch the newest kernels that match, or check those that are kept
    Fetch {
        /// The beginning of a version, such as 6.12 or 7.3@trixie-backports
        #[arg(required = true, value_name = "VERSION[@SUITE]", value_parser = debian_spec)]
        specs: Vec<DebianSpec>,
    },
}

fn kernel_spec(text: &str) -> Result<KernelSpec, String> {
    text.parse().map_err(|error: SpecError| format!("{error}: {}", error.help()))
}

/// With or without the `debian:` that stands before it elsewhere.
fn debian_spec(text: &str) -> Result<DebianSpec, String> {
    let text = text.strip_prefix("debian:").unwrap_or(text);
    text.parse().map_err(|error: SpecError| format!("{error}: {}", error.help()))
}

/// Arguments of `predict`.
#[derive(Debug, Args)]
#[command(after_help = "\
The windows hold for all phases of the kernel's timer wheel, which rounds every timer up.

Examples:
  keepalive-lab predict --idle 2s --interval 75s --count 9
  keepalive-lab predict --user-timeout 30s --release 6.12 --hz 1000")]
pub(crate) struct PredictArgs {
    /// `TCP_KEEPIDLE`; left out: the kernel's default, 2 h
    #[arg(long, value_name = "DURATION", value_parser = keepalive_time)]
    pub idle: Option<Duration>,
    /// `TCP_KEEPINTVL`; left out: 75 s
    #[arg(long, value_name = "DURATION", value_parser = keepalive_time)]
    pub interval: Option<Duration>,
    /// `TCP_KEEPCNT`; left out: 9
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=127))]
    pub count: Option<u32>,
    /// `TCP_USER_TIMEOUT`; left out: none
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub user_timeout: Option<Duration>,
    /// `net.ipv4.tcp_retries2`; left out: 15
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=255))]
    pub retries2: Option<u32>,
    /// Release of the kernel asked about; left out: the running one
    #[arg(long, value_name = "RELEASE")]
    pub release: Option<String>,
    /// Its ticks a second; left out: those of the running one
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(24..=10_000))]
    pub hz: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A time of keepalive's: whole seconds, 1 to 32767 (`MAX_TCP_KEEPIDLE` in `include/net/tcp.h`).
fn keepalive_time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time.subsec_nanos() > 0 || !(1..=32_767).contains(&time.as_secs()) {
        return Err("the kernel takes whole seconds, 1 to 32767".into());
    }
    Ok(time)
}
