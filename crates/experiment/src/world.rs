//! The world of one cell, built and ready: hosts, sysctls, sockets, rules prepared.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_endpoint::{Connector, Listener, SocketError};
use keepalive_lab_netlab::address::Subnet;
use keepalive_lab_netlab::firewall::{Firewall, FirewallError, PreparedRule, RuleSyntaxError};
use keepalive_lab_netlab::sysctl::SysctlError;
use keepalive_lab_netlab::{BuildError, Builder, EnterError, Host, Pair, PairPlan, firewall};
use keepalive_lab_scenario::cell::{Experiment, IpVersion};
use keepalive_lab_scenario::end::{End, Ends};
use keepalive_lab_scenario::fault::{Action, Fault, Tool};

use crate::breaker::{Breaker, host};
use crate::record::{LabEvent, LabRecord};

/// A network with two programs ready to start and faults ready to strike.
#[derive(Debug)]
pub struct World {
    /// The two hosts.
    pub pair: Arc<Pair>,
    /// What breaks them.
    pub breaker: Breaker,
    /// The server's socket, listening.
    pub listener: Listener,
    /// The client's socket, not yet connected.
    pub connector: Connector,
    /// Where the server listens.
    pub server: SocketAddr,
    /// `net.ipv4.tcp_retries2` in force.
    pub tcp_retries2: Ends<Option<u32>>,
    /// What was done, to write down.
    pub records: Vec<LabRecord>,
}

/// Why the world of a cell could not be built, and by what part of the scenario.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct WorldError {
    /// What the scenario asked for that could not be had.
    pub subject: Subject,
    /// What the system said.
    #[source]
    pub source: WorldErrorKind,
}

/// The part of a scenario that an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The two hosts and their link.
    Network,
    /// One host's sysctl, by name.
    Sysctl(End, String),
    /// The socket of one end.
    Socket(End),
    /// An entry of the schedule, by its place.
    Fault(usize),
}

/// What failed.
#[derive(Debug, thiserror::Error)]
pub enum WorldErrorKind {
    /// Namespaces, link or addresses.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A namespace could not be entered.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// A sysctl.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// A socket or one of its options.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A rule that is not one.
    #[error(transparent)]
    Syntax(#[from] RuleSyntaxError),
    /// A rule that cannot be had.
    #[error(transparent)]
    Firewall(#[from] FirewallError),
    /// A fault that failed when it was tried.
    #[error(transparent)]
    Fault(#[from] crate::breaker::FaultErrorKind),
}

impl Subject {
    fn fails<E: Into<WorldErrorKind>>(self) -> impl FnOnce(E) -> WorldError {
        move |source| WorldError { subject: self, source: source.into() }
    }
}

/// Builds the world of `experiment` with the addresses of the subnet number `subnet`. Blocks.
pub fn build(builder: &Builder, experiment: &Experiment, subnet: u32) -> Result<World, WorldError> {
    let subnet = match experiment.ip {
        IpVersion::Ipv4 => Subnet::nth(subnet, keepalive_lab_netlab::address::IpVersion::V4),
        IpVersion::Ipv6 => Subnet::nth(subnet, keepalive_lab_netlab::address::IpVersion::V6),
    };
    let pair = builder.pair(&PairPlan { subnet }).map_err(Subject::Network.fails())?;
    let (client, server) = (pair.client.address(), pair.server.address());
    let ready = LabEvent::NetworkReady { client, server };
    let mut records = vec![LabRecord { at: Monotonic::now(), what: ready }];

    for end in End::BOTH {
        set_sysctls(host(&pair, end), end, experiment.sysctls.get(end), &mut records)?;
    }
    let (firewalls, prepared) = arm(&pair, &experiment.faults)?;

    let server = SocketAddr::new(server, experiment.port);
    let programs = &experiment.programs;
    let listener = pair
        .server
        .namespace()
        .enter(|| Listener::bind(server, &programs.server))
        .map_err(Subject::Socket(End::Server).fails())?
        .map_err(Subject::Socket(End::Server).fails())?;
    let connector = pair
        .client
        .namespace()
        .enter(|| Connector::new(SocketAddr::new(client, 0), &programs.client))
        .map_err(Subject::Socket(End::Client).fails())?
        .map_err(Subject::Socket(End::Client).fails())?;

    let tcp_retries2 =
        Ends::from_fn(|end| host(&pair, end).read_sysctl("net.ipv4.tcp_retries2").ok()?.parse().ok());
    let pair = Arc::new(pair);
    let breaker = Breaker::new(Arc::clone(&pair), firewalls, experiment.faults.clone(), prepared);
    Ok(World { pair, breaker, listener, connector, server, tcp_retries2, records })
}

fn set_sysctls(
    host: &Host,
    on: End,
    sysctls: &BTreeMap<String, String>,
    records: &mut Vec<LabRecord>,
) -> Result<(), WorldError> {
    for (name, value) in sysctls {
        let in_force = host.write_sysctl(name, value).map_err(Subject::Sysctl(on, name.clone()).fails())?;
        let what = LabEvent::SysctlInForce { on, name: name.clone(), value: in_force };
        records.push(LabRecord { at: Monotonic::now(), what });
    }
    Ok(())
}

/// Opens both firewalls and prepares every rule of the schedule; the rules of one host are planned
/// together, because one that needs its program takes the others of its tool with it.
fn arm(pair: &Pair, faults: &[Fault]) -> Result<(Ends<Firewall>, Vec<Option<PreparedRule>>), WorldError> {
    let mut prepared: Vec<Option<PreparedRule>> = faults.iter().map(|_| None).collect();
    let mut open = |end: End| {
        let mut firewall = Firewall::open(host(pair, end).namespace()).map_err(Subject::Network.fails())?;
        let (indexes, lines): (Vec<usize>, Vec<_>) = rules_of(faults, end).unzip();
        for (index, line) in indexes.into_iter().zip(firewall::plan(&lines)) {
            let line = line.map_err(Subject::Fault(index).fails())?;
            let rule = firewall.prepare(&line).map_err(Subject::Fault(index).fails())?;
            prepared[index] = Some(rule);
        }
        Ok::<_, WorldError>(firewall)
    };
    let (client, server) = (open(End::Client)?, open(End::Server)?);
    Ok((Ends { client, server }, prepared))
}

/// The rules of one host with their places in the schedule.
pub fn rules_of(faults: &[Fault], host: End) -> impl Iterator<Item = (usize, (firewall::Tool, &str))> {
    faults.iter().enumerate().filter_map(move |(index, fault)| match &fault.action {
        Action::Rule { on, rule } if *on == host => {
            let tool = match rule.tool {
                Tool::Iptables => firewall::Tool::Iptables,
                Tool::Ip6tables => firewall::Tool::Ip6tables,
                Tool::Nft => firewall::Tool::Nft,
            };
            Some((index, (tool, rule.line.as_str())))
        }
        _ => None,
    })
}
