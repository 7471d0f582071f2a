//! Firewall rules: through netlink, and by the real programs.

use keepalive_lab_netlab::firewall::{Firewall, FirewallError, Program, Tool, plan};
use keepalive_lab_netlab::{EnterError, Namespace};

use super::finding::{Finding, Weight};

/// Lines that are translated: what most scenarios use.
const TRANSLATED: [(Tool, &str); 4] = [
    (Tool::Iptables, "-A OUTPUT -p tcp --sport 7654 -j DROP"),
    (Tool::Ip6tables, "-A INPUT -p tcp --dport 7654 -j DROP"),
    (Tool::Iptables, "-A INPUT -p tcp --dport 7654 -j REJECT --reject-with tcp-reset"),
    (Tool::Nft, "add rule inet filter output tcp flags & (fin|syn|rst|ack) == rst drop"),
];

/// Applies rules in a throw-away namespace, and takes them back.
pub(crate) fn probe() -> Vec<Finding> {
    let mut findings = vec![match apply(&TRANSLATED) {
        Ok(()) => Finding::works(
            Weight::Needed,
            "rules by netlink",
            format!("{} rules applied, counted and removed without a program", TRANSLATED.len()),
        ),
        Err(error) => Finding::missing(Weight::Needed, "rules by netlink", error)
            .remedy("the kernel needs nf_tables, nft_ct, nft_reject and nft_counter (modprobe nf_tables)"),
    }];
    findings.extend(Program::ALL.map(program));
    findings
}

/// A program is told by the version it gives and by a rule only it can apply.
fn program(program: Program) -> Finding {
    let (power, rule) = match program {
        Program::Iptables => {
            ("rules by iptables", (Tool::Iptables, "-A OUTPUT -m owner --uid-owner 0 -j DROP"))
        }
        Program::Ip6tables => {
            ("rules by ip6tables", (Tool::Ip6tables, "-A OUTPUT -m owner --uid-owner 0 -j DROP"))
        }
        Program::Nft => ("rules by nft", (Tool::Nft, "add rule inet filter output meta skuid 0 drop")),
    };
    match program.version() {
        Ok(version) => match apply(&[rule]) {
            Ok(()) => Finding::works(Weight::Optional, power, format!("applied a rule ({version})")),
            Err(error) => Finding::missing(Weight::Optional, power, format!("{version}: {error}")),
        },
        Err(missing) => Finding::missing(Weight::Optional, power, missing.why.clone()).remedy(format!(
            "apt-get install {}; only rules that are not translated need it",
            program.package()
        )),
    }
}

fn apply(lines: &[(Tool, &str)]) -> Result<(), String> {
    let namespace = Namespace::new().map_err(|error: EnterError| error.to_string())?;
    let mut firewall = Firewall::open(&namespace).map_err(|error| error.to_string())?;
    for (planned, (tool, line)) in plan(lines).into_iter().zip(lines) {
        let planned = planned.map_err(|error| format!("{tool} {line}: {error}"))?;
        let tried = (|| -> Result<(), FirewallError> {
            let prepared = firewall.prepare(&planned)?;
            if let Some(rule) = firewall.apply(prepared)?.added {
                firewall.counter(rule)?;
                firewall.remove(rule)?;
            }
            Ok(())
        })();
        tried.map_err(|error| format!("{tool} {line}: {error}"))?;
    }
    Ok(())
}
