//! What the system refused, told at the place in the scenario that asked for it.

use keepalive_lab_endpoint::{SocketError, SocketOption};
use keepalive_lab_experiment::breaker::FaultErrorKind;
use keepalive_lab_experiment::cell_run::CellError;
use keepalive_lab_experiment::world::{Subject, WorldError, WorldErrorKind};
use keepalive_lab_netlab::{BuildError, EnterError, SysctlError, firewall::FirewallError};
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::{KeyPath, Place, Scenario};
use nix::errno::Errno;

use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::load;

/// What was refused when a cell was tried before the start: nothing has run.
pub(crate) fn of(scenario: &Scenario, cell: &Cell, error: &WorldError) -> Complaint {
    if let (Subject::Fault(index), WorldErrorKind::Syntax(error)) = (&error.subject, &error.source) {
        return load::of_rule(scenario, cell, *index, error);
    }
    let (exit, message, help) = in_words(error);
    let place = option_place(scenario, cell, error).or_else(|| place_of(scenario, cell, &error.subject));
    let complaint = Complaint::new(exit, message).at(place).reason(error.source.to_string());
    match help {
        Some(help) => complaint.help(help),
        None => complaint,
    }
}

/// Why a cell that had been tried could not be carried out all the same.
pub(crate) fn of_cell(scenario: &Scenario, cell: &Cell, error: &CellError) -> Complaint {
    let complaint = match error {
        CellError::World(error) => of(scenario, cell, error),
        CellError::Fault(error) => {
            let place = place_of(scenario, cell, &Subject::Fault(error.index));
            let message = format!("fault `{}` on the {} could not be carried out", error.fault, error.on);
            Complaint::new(Exit::Failed, message).at(place).reason(error.source.to_string())
        }
    };
    Complaint { exit: Exit::Failed, ..complaint }
}

/// What to do where there are too many namespaces already (`namespaces(7)`).
pub(crate) fn of_a_limit(error: &BuildError) -> Option<&'static str> {
    match error {
        BuildError::Namespace(EnterError::Create(Errno::ENOSPC)) => {
            Some("the limit of network namespaces is reached: see `sysctl user.max_net_namespaces`")
        }
        _ => None,
    }
}

/// The exit code, what could not be done, and what to do.
fn in_words(error: &WorldError) -> (Exit, String, Option<String>) {
    match (&error.subject, &error.source) {
        (Subject::Network, WorldErrorKind::Build(BuildError::NoIpv6)) => (
            Exit::Lacking,
            "this machine has no IPv6".into(),
            Some("set ip = \"ipv4\", or boot without ipv6.disable=1".into()),
        ),
        (Subject::Network, WorldErrorKind::Build(error)) if of_a_limit(error).is_some() => (
            Exit::Lacking,
            "could not build the network of a cell".into(),
            of_a_limit(error).map(str::to_owned),
        ),
        (Subject::Network, _) => (
            Exit::Lacking,
            "could not build the network of a cell".into(),
            Some("`keepalive-lab doctor` tells what this machine can do".into()),
        ),
        (Subject::Sysctl(on, name), WorldErrorKind::Sysctl(SysctlError::NotFound { nearest, .. })) => (
            Exit::Lacking,
            format!("the {on} has no sysctl `{name}`"),
            match nearest.first() {
                Some(nearest) => Some(format!("this kernel has `{nearest}`")),
                None => Some("another kernel may have it, or it belongs to the whole machine".into()),
            },
        ),
        (Subject::Sysctl(on, name), _) => {
            (Exit::Usage, format!("the {on} refused the sysctl `{name}`"), None)
        }
        (Subject::Socket(end), WorldErrorKind::Socket(error)) => {
            let help = error.help().map(str::to_owned);
            (Exit::Lacking, format!("the {end} could not have its socket"), help)
        }
        (Subject::Socket(end), _) => (Exit::Lacking, format!("the {end} could not have its socket"), None),
        (Subject::Fault(_), WorldErrorKind::Fault(FaultErrorKind::Link(_))) => {
            (Exit::Lacking, "the link could not be set".into(), None)
        }
        (
            Subject::Fault(_),
            WorldErrorKind::Firewall(FirewallError::ProgramMissing(missing))
            | WorldErrorKind::Fault(FaultErrorKind::Firewall(FirewallError::ProgramMissing(missing))),
        ) => {
            let package = missing.program.package();
            (Exit::Lacking, "this rule needs a program".into(), Some(format!("apt-get install {package}")))
        }
        (Subject::Fault(_), _) => (Exit::Usage, "this rule was refused".into(), None),
    }
}

/// Where the scenario asks for a socket option that was refused.
fn option_place(scenario: &Scenario, cell: &Cell, error: &WorldError) -> Option<Place> {
    let (Subject::Socket(end), WorldErrorKind::Socket(SocketError::OptionRefused { option, .. })) =
        (&error.subject, &error.source)
    else {
        return None;
    };
    let key = match option {
        SocketOption::Keepalive => "keepalive",
        SocketOption::KeepaliveIdle => "keepalive.idle",
        SocketOption::KeepaliveInterval => "keepalive.interval",
        SocketOption::KeepaliveCount => "keepalive.count",
        SocketOption::UserTimeout => "user_timeout",
        SocketOption::SynCount => "syn_count",
        SocketOption::NoDelay => "nodelay",
        SocketOption::Linger => "linger",
        SocketOption::SendBuffer => "send_buffer",
        SocketOption::ReceiveBuffer => "receive_buffer",
        SocketOption::RtoMax => "rto_max",
    };
    scenario.locate_in(cell, &format!("{end}.{key}").parse().ok()?)
}

/// Where the scenario asks for it.
fn place_of(scenario: &Scenario, cell: &Cell, subject: &Subject) -> Option<Place> {
    let keys: Vec<String> = match subject {
        Subject::Network => vec!["network.ip".into()],
        Subject::Sysctl(on, name) => vec![format!("{on}.sysctl.{name}"), format!("sysctl.{name}")],
        Subject::Socket(end) => vec![end.to_string()],
        Subject::Fault(index) => {
            ["iptables", "ip6tables", "nft", "link"].map(|key| format!("fault.{index}.{key}")).into()
        }
    };
    let mut paths = keys.iter().filter_map(|key| key.parse::<KeyPath>().ok());
    paths.find_map(|path| scenario.locate_in(cell, &path))
}

#[cfg(test)]
mod tests {
    use keepalive_lab_scenario::Options;
    use keepalive_lab_scenario::end::End;

    use super::*;

    /// No kernel of today refuses an option within the ranges that a scenario may ask for, but those
    /// before 6.15 do not know this one.
    #[test]
    fn a_refused_option_is_shown_at_its_key() {
        let text = "[client]\nrto_max = \"2s\"\n";
        let scenario = Scenario::parse("x.toml", text, &Options::default()).expect("a scenario");
        let refused = SocketError::OptionRefused {
            option: SocketOption::RtoMax,
            value: 2000,
            errno: Errno::ENOPROTOOPT,
        };
        let error = WorldError { subject: Subject::Socket(End::Client), source: refused.into() };
        let complaint = of(&scenario, &scenario.cells[0], &error);
        assert_eq!(complaint.exit, Exit::Lacking);
        let place = complaint.place.as_ref().expect("a place");
        assert_eq!(&text[place.range.clone()], "\"2s\"");
        assert!(complaint.help.is_some_and(|help| help.contains("Linux 6.15")));
        assert!(complaint.reason.is_some_and(|reason| reason.contains("TCP_RTO_MAX_MS")));
    }
}
