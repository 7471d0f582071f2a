//! `run.json`: all that is needed to know what was run, where and with what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::row::Clock;

/// What `run.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunMetadata {
    /// Version of keepalive-lab.
    pub version: String,
    /// The arguments it was called with.
    pub command: Vec<String>,
    /// When the run began, RFC 3339, UTC.
    pub started: String,
    /// When it ended; absent while it runs, or where it was killed.
    pub ended: Option<String>,
    /// Whether it ran to its end: `running`, `complete`, `interrupted` or `failed`.
    pub state: RunState,
    /// The kernel the cells ran on.
    pub kernel: Kernel,
    /// The clock the seconds were counted on.
    pub clock: Clock,
    /// The virtual machine they ran in; absent where they ran on this machine's own kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// Whether the kernel's own time stamps were recorded, and if not, why.
    pub kernel_events: String,
    /// Versions of the firewall programs, where a rule needed them.
    pub programs: BTreeMap<String, String>,
    /// TCP sysctls of a new namespace, before the scenario sets any.
    pub sysctls: BTreeMap<String, String>,
    /// The scenario as read.
    pub scenario: ScenarioText,
    /// Cells asked for.
    pub cells: usize,
    /// Cells that ended.
    pub cells_ended: usize,
}

/// Whether a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Still going, or killed.
    Running,
    /// All cells ended.
    Complete,
    /// SIGINT or SIGTERM.
    Interrupted,
    /// A cell could not be carried out.
    Failed,
}

/// The kernel of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// `uname -v`.
    pub version: String,
    /// `uname -m`.
    pub machine: String,
    /// Ticks a second.
    pub hz: Option<u32>,
}

/// A virtual machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The kernel as asked for, such as `debian:6.12`.
    pub asked: String,
    /// The package it came from, where it came from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
    /// Version of QEMU.
    pub qemu: String,
    /// Who carried out the instructions: `tcg` or `kvm`.
    pub accelerator: String,
    /// Memory in MiB.
    pub memory_mib: u32,
}

/// The package a kernel came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the package file, in hexadecimal digits.
    pub sha256: String,
}

/// The scenario file as read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScenarioText {
    /// Its name.
    pub name: String,
    /// The path it was read from.
    pub path: String,
    /// The text of the file.
    pub text: String,
    /// `--set` and `--repeat` arguments that changed it.
    pub overrides: Vec<String>,
}
