//! What the system refused, told at the place in the scenario that asked for it.

use keepalive_lab_endpoint::{SocketError, SocketOption};
use keepalive_lab_experiment::breaker::FaultErrorKind;
use keepalive_lab_experiment::cell_run::CellError;
use keepalive_lab_experiment::world::{Subject, WorldError, WorldErrorKind};
use keepalive_lab_netlab::{
    BuildError, EnterError, SysctlError,
    firewall::{FirewallError, RuleSyntaxError},
};
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::{KeyPath, Scenario};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::load;

/// What was refused, as a plain value: it can be told where the scenario's text is not at hand, as inside a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    exit: Exit,
    message: String,
    reason: String,
    help: Option<String>,
    asked_by: AskedBy,
}

/// What in the scenario asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum AskedBy {
    /// The first of these keys that the cell has.
    Keys(Vec<String>),
    /// A part of the rule of this entry of the schedule.
    Rule { index: usize, range: std::ops::Range<usize> },
}

impl Refusal {
    /// What was refused when a cell was tried before the start: nothing has run.
    pub(crate) fn of(error: &WorldError) -> Self {
        if let (Subject::Fault(index), WorldErrorKind::Syntax(error)) = (&error.subject, &error.source) {
            return Self {
                exit: Exit::Usage,
                message: error.message.clone(),
                reason: String::new(),
                help: error.help.clone(),
                asked_by: AskedBy::Rule { index: *index, range: error.range.clone() },
            };
        }
        let (exit, message, help) = in_words(error);
        let mut keys: Vec<String> = option_key(error).into_iter().collect();
        keys.extend(keys_of(&error.subject));
        Self { exit, message, reason: error.source.to_string(), help, asked_by: AskedBy::Keys(keys) }
    }

    /// Why a cell that had been tried could not be carried out all the same.
    pub(crate) fn of_cell(error: &CellError) -> Self {
        let refusal = match error {
            CellError::World(error) => Self::of(error),
            CellError::Fault(error) => Self {
                exit: Exit::Failed,
                message: format!("fault `{}` on the {} could not be carried out", error.fault, error.on),
                reason: error.source.to_string(),
                help: None,
                asked_by: AskedBy::Keys(keys_of(&Subject::Fault(error.index))),
            },
        };
        Self { exit: Exit::Failed, ..refusal }
    }

    /// The same, shown at its place in the scenario.
    pub(crate) fn complaint(&self, scenario: &Scenario, cell: &Cell) -> Complaint {
        let (message, help) = (self.message.clone(), self.help.clone());
        match &self.asked_by {
            AskedBy::Rule { index, range } => {
                let error = RuleSyntaxError { message, range: range.clone(), help };
                Complaint { exit: self.exit, ..load::of_rule(scenario, cell, *index, &error) }
            }
            AskedBy::Keys(keys) => {
                let mut paths = keys.iter().filter_map(|key| key.parse::<KeyPath>().ok());
                let place = paths.find_map(|path| scenario.locate_in(cell, &path));
                Complaint { help, ..Complaint::new(self.exit, message).at(place).reason(self.reason.clone()) }
            }
        }
    }
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

/// The key that asks for a socket option that was refused.
fn option_key(error: &WorldError) -> Option<String> {
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
    Some(format!("{end}.{key}"))
}

/// The keys that may have asked for it.
fn keys_of(subject: &Subject) -> Vec<String> {
    match subject {
        Subject::Network => vec!["network.ip".into()],
        Subject::Sysctl(on, name) => vec![format!("{on}.sysctl.{name}"), format!("sysctl.{name}")],
        Subject::Socket(end) => vec![end.to_string()],
        Subject::Fault(index) => {
            ["iptables", "ip6tables", "nft", "link"].map(|key| format!("fault.{index}.{key}")).into()
        }
    }
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
        let complaint = Refusal::of(&error).complaint(&scenario, &scenario.cells[0]);
        assert_eq!(complaint.exit, Exit::Lacking);
        let place = complaint.place.as_ref().expect("a place");
        assert_eq!(&text[place.range.clone()], "\"2s\"");
        assert!(complaint.help.is_some_and(|help| help.contains("Linux 6.15")));
        assert!(complaint.reason.is_some_and(|reason| reason.contains("TCP_RTO_MAX_MS")));
    }
}
