//! The options and sysctls of one end in the words of [`tcp_timers`].

use std::collections::BTreeMap;
use std::time::Duration;

use keepalive_lab_scenario::program::SocketOptions;
use tcp_timers::{Keepalive, Options, Sysctls};

/// Sysctls that have no part in how a connection of these scenarios ends.
const WITHOUT_EFFECT: [&str; 6] = [
    "tcp_fastopen",
    "tcp_max_syn_backlog",
    "tcp_no_metrics_save",
    "tcp_syncookies",
    "tcp_tw_reuse",
    "tcp_window_scaling",
];

/// The sysctls of a namespace: what a new one has, and what the scenario sets.
///
/// # Errors
///
/// Which of those that the scenario sets is beyond the theory.
pub(crate) fn sysctls(
    new: &BTreeMap<String, String>,
    set: &BTreeMap<String, String>,
) -> Result<Sysctls, String> {
    let mut sysctls = Sysctls::default();
    for (name, value) in new {
        // One that is not known here was not set by anybody: it has its default.
        let _unknown = put(&mut sysctls, name, value);
    }
    for (name, value) in set {
        put(&mut sysctls, name, value)
            .ok_or_else(|| format!("what the sysctl {name} = {value} does is not part of the theory"))?;
    }
    Ok(sysctls)
}

fn put(sysctls: &mut Sysctls, name: &str, value: &str) -> Option<()> {
    let name = name.strip_prefix("net.ipv4.").or_else(|| name.strip_prefix("net/ipv4/"))?;
    if WITHOUT_EFFECT.contains(&name) {
        return Some(());
    }
    let number: u32 = value.trim().parse().ok()?;
    let seconds = Duration::from_secs(number.into());
    match name {
        "tcp_retries1" => {}
        "tcp_retries2" => sysctls.retries2 = number,
        "tcp_syn_retries" => sysctls.syn_retries = number,
        "tcp_synack_retries" => sysctls.synack_retries = number,
        "tcp_orphan_retries" => sysctls.orphan_retries = number,
        "tcp_syn_linear_timeouts" => sysctls.syn_linear_timeouts = number,
        "tcp_fin_timeout" => sysctls.fin_timeout = seconds,
        "tcp_rto_max_ms" => sysctls.rto_max = Duration::from_millis(number.into()),
        "tcp_rto_min_us" => sysctls.rto_min = Duration::from_micros(number.into()),
        "tcp_keepalive_time" => sysctls.keepalive_time = seconds,
        "tcp_keepalive_intvl" => sysctls.keepalive_intvl = seconds,
        "tcp_keepalive_probes" => sysctls.keepalive_probes = number,
        "tcp_thin_linear_timeouts" => sysctls.thin_linear_timeouts = number != 0,
        "tcp_early_retrans" => sysctls.loss_probe = matches!(number, 3 | 4),
        "tcp_sack" => sysctls.sack = number != 0,
        _ => return None,
    }
    Some(())
}

/// The options of a socket.
pub(crate) fn options(options: &SocketOptions, sysctls: &Sysctls) -> Options {
    let keepalive = options.keepalive.as_ref().map(|set| {
        let kernel = sysctls.keepalive();
        Keepalive {
            idle: set.idle.unwrap_or(kernel.idle),
            interval: set.interval.unwrap_or(kernel.interval),
            count: set.count.map_or(kernel.count, u32::from),
        }
    });
    Options {
        keepalive,
        user_timeout: options.user_timeout.filter(|timeout| !timeout.is_zero()),
        syn_count: options.syn_count.map(u32::from),
        rto_max: options.rto_max,
        linger2: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[(&str, &str)]) -> BTreeMap<String, String> {
        names.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_the_scenario_sets_wins_over_what_a_new_namespace_has() {
        let new = named(&[
            ("net.ipv4.tcp_retries2", "8"),
            ("net.ipv4.tcp_recovery", "1"),
            ("net.ipv4.tcp_sack", "0"),
        ]);
        let read = sysctls(&new, &named(&[("net.ipv4.tcp_retries2", "3")])).unwrap();
        assert_eq!((read.retries2, read.sack, read.keepalive_probes), (3, false, 9));
    }

    #[test]
    fn a_sysctl_that_is_set_and_not_known_is_an_error() {
        assert!(sysctls(&named(&[]), &named(&[("net.ipv4.tcp_frto", "0")])).is_err());
        assert!(sysctls(&named(&[]), &named(&[("net.core.rmem_max", "9999")])).is_err());
        assert!(sysctls(&named(&[]), &named(&[("net.ipv4.tcp_syncookies", "0")])).is_ok());
        assert!(sysctls(&named(&[("net.ipv4.tcp_frto", "0")]), &named(&[])).is_ok());
    }

    #[test]
    fn keepalive_takes_what_is_not_set_from_the_sysctls() {
        let known = Sysctls { keepalive_probes: 4, ..Sysctls::default() };
        let set = keepalive_lab_scenario::program::Keepalive {
            idle: Some(Duration::from_secs(2)),
            ..Default::default()
        };
        let socket =
            SocketOptions { keepalive: Some(set), user_timeout: Some(Duration::ZERO), ..Default::default() };
        let read = options(&socket, &known);
        let keepalive =
            Keepalive { idle: Duration::from_secs(2), interval: Duration::from_secs(75), count: 4 };
        assert_eq!(read.keepalive, Some(keepalive));
        assert_eq!(read.user_timeout, None, "zero is off");
    }
}
