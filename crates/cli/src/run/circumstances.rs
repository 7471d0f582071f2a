//! The circumstances of a run: what is the same for all its scenarios.

use std::collections::BTreeMap;

use keepalive_lab_experiment::lab::Lab;
use keepalive_lab_netlab::{Namespace, sysctl};
use keepalive_lab_results::metadata::{Kernel, Machine};
use keepalive_lab_results::{Clock, Owner};
use serde::{Deserialize, Serialize};

use crate::kernel;

/// What is the same for all scenarios that one command runs on one kernel.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances {
    /// The kernel.
    pub kernel: Kernel,
    /// The clock the seconds are counted on.
    pub clock: Clock,
    /// The virtual machine, if it is one.
    pub machine: Option<Machine>,
    /// Whether the kernel's own time stamps are recorded, in words.
    pub kernel_events: String,
    /// Versions of firewall programs that rules need.
    pub programs: BTreeMap<String, String>,
    /// TCP sysctls of a new namespace.
    pub sysctls: BTreeMap<String, String>,
    /// Whose the files are.
    pub owner: Owner,
}

/// What only the kernel in question can tell of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ground {
    /// The kernel.
    pub kernel: Kernel,
    /// Whether its own time stamps are recorded, in words.
    pub kernel_events: String,
    /// TCP sysctls of a new namespace.
    pub sysctls: BTreeMap<String, String>,
}

impl Ground {
    /// That of the running kernel, as this lab finds it.
    pub(crate) fn of(lab: &Lab) -> Self {
        Self {
            kernel: kernel::running(),
            kernel_events: kernel_events(lab),
            sysctls: sysctls_of_a_new_namespace(),
        }
    }
}

/// Whether the kernel's own time stamps are recorded, in one line.
fn kernel_events(lab: &Lab) -> String {
    match (lab.kernel_watch_error(), lab.missing_tracepoints()) {
        (Some(error), _) => format!("kernel_time_to_error_s stays empty: {error}"),
        (None, []) => "recorded from tracepoints".into(),
        (None, missing) => format!("recorded from tracepoints; this kernel lacks {}", missing.join(", ")),
    }
}

/// The sysctls that time TCP, as a new namespace has them.
fn sysctls_of_a_new_namespace() -> BTreeMap<String, String> {
    const NAMES: [&str; 17] = [
        "tcp_early_retrans",
        "tcp_fin_timeout",
        "tcp_keepalive_intvl",
        "tcp_keepalive_probes",
        "tcp_keepalive_time",
        "tcp_orphan_retries",
        "tcp_recovery",
        "tcp_retries1",
        "tcp_retries2",
        "tcp_rto_max_ms",
        "tcp_rto_min_us",
        "tcp_sack",
        "tcp_syn_linear_timeouts",
        "tcp_syn_retries",
        "tcp_synack_retries",
        "tcp_thin_linear_timeouts",
        "tcp_timestamps",
    ];
    // Nothing depends on these: where they cannot be read, run.json has none.
    let Ok(namespace) = Namespace::new() else { return BTreeMap::new() };
    let names = NAMES.iter().map(|name| format!("net.ipv4.{name}"));
    names.filter_map(|name| Some((name.clone(), sysctl::read(&namespace, &name).ok()?))).collect()
}
