//! Which modules a guest needs for its cells.

use keepalive_lab_scenario::Scenario;
use keepalive_lab_scenario::fault::Action;

/// The driver of the channel; without it a serial port serves.
pub(super) const CHANNEL: [&str; 2] = ["virtio_pci", "virtio_console"];

/// By this a guest that was saved and resumed is given its job; without it, it boots each time.
pub(super) const JOB_OF_THE_HOST: &str = "qemu_fw_cfg";

/// What every cell needs.
pub(super) const NETWORK: &str = "veth";

/// What rules need.
pub(super) const RULES: &str = "nf_tables";

/// What translated rules may need besides; newer kernels have the first in `nf_tables` itself.
pub(super) const RULE_PARTS: [&str; 5] =
    ["nft_counter", "nft_reject", "nft_reject_inet", "nft_reject_ipv4", "nft_reject_ipv6"];

/// What iptables' own programs may need besides.
const TABLES: [&str; 7] = [
    "nft_compat",
    "x_tables",
    "ip_tables",
    "iptable_filter",
    "iptable_mangle",
    "ip6_tables",
    "ip6table_filter",
];

/// The modules that a line for a real program may need: its matches, targets and statements are named in it, and
/// modules are named after them (`-m owner`: `xt_owner`; `limit rate`: `nft_limit`). Inside a guest nobody loads
/// modules on demand.
pub(super) fn candidates(line: &str) -> Vec<String> {
    let words =
        line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    let of_words = words.flat_map(|word| {
        let (low, high) = (word.to_ascii_lowercase(), word.to_ascii_uppercase());
        let prefixes = ["xt_", "ipt_", "ip6t_"].into_iter();
        let with_prefix =
            prefixes.flat_map(move |prefix| [format!("{prefix}{low}"), format!("{prefix}{high}")]);
        with_prefix.chain([format!("nft_{word}")]).collect::<Vec<_>>()
    });
    TABLES.map(str::to_owned).into_iter().chain(of_words).collect()
}

/// Whether a scenario has rules.
pub(super) fn has_rules(scenario: &Scenario) -> bool {
    let faults = scenario.cells.iter().flat_map(|cell| &cell.experiment.faults);
    faults.into_iter().any(|fault| matches!(fault.action, Action::Rule { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_targets_and_statements_of_a_line_name_their_modules() {
        let of_iptables = candidates("-A OUTPUT -p tcp -m owner --uid-owner 0 -j TCPMSS --set-mss 500");
        assert!(
            ["xt_owner", "xt_TCPMSS", "nft_compat"].iter().all(|name| of_iptables.iter().any(|n| n == name))
        );
        let of_nft = candidates("add rule inet t c tcp dport 7654 limit rate 5/second drop");
        assert!(of_nft.iter().any(|name| name == "nft_limit"));
    }
}
