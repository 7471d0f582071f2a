//! `keepalive-lab doctor`: what this machine can do, each power tried by using it.
//!
//! No setting is believed: namespaces are made, packets sent, rules applied and kernels booted, all in namespaces and
//! virtual machines that are thrown away.

mod capture;
mod finding;
mod firewall;
mod guests;
mod machine;
mod network;
mod tracepoints;

use anstyle::AnsiColor;
use keepalive_lab_netlab::{Privilege, userns};

use self::finding::{Finding, Weight};
use crate::args::DoctorArgs;
use crate::exit::Exit;
use crate::output::print;

/// Tries everything and tells.
pub(crate) fn doctor(args: &DoctorArgs) -> Exit {
    let findings = examine();
    let printed = if args.json {
        print(serde_json::to_string_pretty(&findings).expect("plain values serialise"))
    } else {
        let lines: Vec<_> = findings.iter().map(line).collect();
        print(format_args!("{}\n\n{}", lines.join("\n"), conclusion(&findings)))
    };
    printed.max(if fit(&findings) { Exit::Success } else { Exit::Lacking })
}

fn examine() -> Vec<Finding> {
    let mut findings = vec![machine::kernel()];
    // Files of root's are to be read before the process is root in a user namespace only.
    let image = machine::kernel_image();
    let (kernels, kept) = guests::kernels();
    match userns::acquire() {
        Ok(privilege) => {
            findings.push(Finding::works(
                Weight::Needed,
                "privilege",
                match privilege {
                    Privilege::Held => "namespaces can be made and configured",
                    Privilege::UserNamespace => "namespaces can be made in a user namespace",
                },
            ));
            findings.extend(network::probe());
            findings.extend(firewall::probe());
            findings.push(tracepoints::probe());
            findings.push(capture::probe());
        }
        Err(error) => {
            let missing = Finding::missing(Weight::Needed, "privilege", error.to_string());
            findings.push(missing.remedy("run as root: sudo keepalive-lab ..."));
        }
    }
    // Last: guests keep all processors busy, and what is above tells how long it took.
    let qemu = guests::qemu();
    let booted = guests::probe(&qemu, &kept);
    findings.extend([qemu, kernels, image]);
    findings.extend(booted);
    findings
}

fn fit(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.works || finding.weight != Weight::Needed)
}

fn line(finding: &Finding) -> String {
    let (style, word) = match (finding.works, finding.weight) {
        (true, _) => (AnsiColor::Green.on_default(), "yes"),
        (false, Weight::Needed) => (AnsiColor::Red.on_default().bold(), "NO"),
        (false, Weight::Optional) => (AnsiColor::Yellow.on_default(), "no"),
    };
    let remedy = finding.remedy.as_ref().map(|remedy| format!("\n{:26}-> {remedy}", "")).unwrap_or_default();
    format!("{style}{word:4}{style:#} {:20} {}{remedy}", finding.power, finding.detail)
}

fn conclusion(findings: &[Finding]) -> &'static str {
    if !fit(findings) {
        "this machine cannot run scenarios: see NO above"
    } else if findings.iter().all(|finding| finding.works) {
        "this machine can do everything"
    } else {
        "this machine can run scenarios; what says no above is not needed for most"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_makes_a_machine_unfit() {
        let works = Finding::works(Weight::Needed, "network", "");
        let optional = Finding::missing(Weight::Optional, "QEMU", "not installed");
        let needed = Finding::missing(Weight::Needed, "privilege", "EPERM");
        assert!(fit(&[works.clone(), optional.clone()]));
        assert!(!fit(&[works.clone(), needed]));
        assert_eq!(conclusion(&[works]), "this machine can do everything");
        assert!(
            line(&optional.remedy("apt-get install qemu")).contains("\n                          -> apt-get")
        );
    }
}
