//! The circumstances of a run: what is the same for all its scenarios.

use std::collections::BTreeMap;

use keepalive_lab_experiment::lab::Lab;
use keepalive_lab_netlab::{Namespace, sysctl};
use keepalive_lab_results::Owner;
use keepalive_lab_results::metadata::Kernel;

use crate::kernel;

/// What is the same for all scenarios of one command.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances {
    /// The kernel.
    pub kernel: Kernel,
    /// Whether the kernel's own time stamps are recorded, in words.
    pub kernel_events: String,
    /// Versions of firewall programs that rules need.
    pub programs: BTreeMap<String, String>,
    /// TCP sysctls of a new namespace.
    pub sysctls: BTreeMap<String, String>,
    /// Whose the files are.
    pub owner: Owner,
}

impl Circumstances {
    /// Of a run in this lab.
    pub(crate) fn of(lab: &Lab, programs: BTreeMap<String, String>, owner: Owner) -> Self {
        Self {
            kernel: kernel::running(),
            kernel_events: kernel_events(lab),
            programs,
            sysctls: sysctls_of_a_new_namespace(),
            owner,
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
