//! Two hosts and the link between them.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::errno::Errno;
use rtnetlink::packet_route::address::AddressHeaderFlags;

use crate::address::{IpVersion, Subnet};
use crate::link::{self, Bracket, LINK_NAME, LOOPBACK, Link, LinkError, LinkState, LinkStatus};
use crate::namespace::{EnterError, Namespace};
use crate::readiness::{self, NotReady};
use crate::route_connection::{Reactor, RouteConnection};
use crate::sysctl::{self, SysctlError};

/// Sysctls of the devices to come in a namespace without IPv6, so that no neighbour discovery and
/// no multicast report shows among the packets. Only `default`: `all` takes the RTNL lock.
const WITHOUT_IPV6: &[(&str, &str)] = &[("disable_ipv6", "1")];

/// Sysctls of the devices to come in a namespace with IPv6.
const WITH_IPV6: &[(&str, &str)] = &[
    ("disable_ipv6", "0"),
    // No link-local address: no router solicitation, no duplicate address detection for it.
    ("addr_gen_mode", "1"),
    // Otherwise the kernel drops IPv6 addresses, not IPv4 ones, when a link goes down.
    ("keep_addr_on_down", "1"),
];

/// Why a pair of hosts could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A namespace could not be made.
    #[error(transparent)]
    Namespace(#[from] EnterError),
    /// A connection to rtnetlink could not be opened.
    #[error("could not open an rtnetlink socket: {0}")]
    Socket(#[source] Errno),
    /// The kernel has no IPv6, or it was switched off at boot (`ipv6.disable=1`).
    #[error("this kernel has no IPv6 (there is no /proc/sys/net/ipv6)")]
    NoIpv6,
    /// A sysctl that keeps IPv6 quiet could not be set.
    #[error("could not write {path}: {source}")]
    Sysctl {
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The veth pair was refused.
    #[error("could not lay a veth pair between two namespaces: {0}{hint}", hint = veth_hint(*.0))]
    Veth(#[source] Errno),
    /// A link could not be brought up.
    #[error("could not bring the link {link} up: {errno}")]
    Up {
        /// `lo` or `eth0`.
        link: &'static str,
        /// The kernel's reason.
        errno: Errno,
    },
    /// An address was refused.
    #[error("could not give {LINK_NAME} the address {address}: {errno}")]
    Address {
        /// The address.
        address: IpAddr,
        /// The kernel's reason.
        errno: Errno,
    },
    /// The new network did not become ready.
    #[error(transparent)]
    NotReady(#[from] NotReady),
}

const fn veth_hint(errno: Errno) -> &'static str {
    match errno {
        Errno::EOPNOTSUPP => " (the kernel module `veth` is missing)",
        _ => "",
    }
}

/// What to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairPlan {
    /// The addresses of the two hosts, and whether they speak IPv4 or IPv6.
    pub subnet: Subnet,
}

/// Builds pairs of hosts. Made once in a run.
#[derive(Debug)]
pub struct Builder {
    /// Lies in an empty namespace of its own, which it also keeps alive.
    scratch: RouteConnection,
    reactor: Arc<Reactor>,
}

/// Two hosts joined by one link. Dropping it closes four descriptors (some 15 µs); the
/// kernel takes the namespaces, links and addresses down by itself a little later.
#[derive(Debug)]
pub struct Pair {
    /// The host of the end that connects.
    pub client: Host,
    /// The host of the end that listens.
    pub server: Host,
}

/// One host: a network namespace with `lo` and one link, `eth0`.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
    address: IpAddr,
    link: Link,
}

impl Builder {
    /// Makes the empty namespace from which requests are sent.
    pub fn new() -> Result<Self, BuildError> {
        let reactor = Reactor::new().map_err(BuildError::Socket)?;
        let (_, scratch) = Namespace::furnished(|| RouteConnection::open(&reactor))?;
        Ok(Self { scratch: scratch.map_err(BuildError::Socket)?, reactor })
    }

    /// Builds two hosts that can talk to each other when this returns.
    ///
    /// Takes about 1.5 ms, most of it in the kernel for the two namespaces. Blocks; meant for a
    /// thread that makes namespaces, and panics inside an asynchronous task. One such thread is as
    /// fast as several: veth and addresses queue on the kernel's RTNL lock.
    pub fn pair(&self, plan: &PairPlan) -> Result<Pair, BuildError> {
        let version = plan.subnet.version();
        let (client, client_connection) = self.furnished(version)?;
        let (server, server_connection) = self.furnished(version)?;
        let (client_index, server_index) = self.lay_link(&client, &server)?;

        let host = |namespace, connection, address, index| {
            let host = Host { namespace, address, link: Link { index, connection } };
            host.bring_up(plan.subnet.prefix_length()).map(|()| host)
        };
        let client = host(client, client_connection, plan.subnet.client(), client_index)?;
        let server = host(server, server_connection, plan.subnet.server(), server_index)?;
        for host in [&client, &server] {
            readiness::operational(&host.link)?;
            host.namespace.enter(|| readiness::reachable(host.address))??;
        }
        Ok(Pair { client, server })
    }

    /// Lays a veth pair between two namespaces and returns the indexes of its ends; both are named
    /// [`LINK_NAME`], are down and have no address. Panics inside an asynchronous task.
    pub fn lay_link(&self, a: &Namespace, b: &Namespace) -> Result<(u32, u32), BuildError> {
        link::lay(&self.scratch, a.as_fd(), b.as_fd()).map_err(BuildError::Veth)
    }

    /// A namespace ready for its link, with an rtnetlink connection in it.
    fn furnished(&self, version: IpVersion) -> Result<(Namespace, RouteConnection), BuildError> {
        let (namespace, furniture) = Namespace::furnished(|| {
            quieten(version)?;
            RouteConnection::open(&self.reactor).map_err(BuildError::Socket)
        })?;
        Ok((namespace, furniture?))
    }
}

/// Must run inside the new namespace, before its link exists: a link copies `default` when made.
fn quieten(version: IpVersion) -> Result<(), BuildError> {
    let values = match version {
        IpVersion::V4 => WITHOUT_IPV6,
        IpVersion::V6 => WITH_IPV6,
    };
    for (name, value) in values {
        let path = format!("/proc/sys/net/ipv6/conf/default/{name}");
        match fs::write(&path, value) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => match version {
                IpVersion::V4 => {} // a kernel without IPv6 is quiet as it is
                IpVersion::V6 => return Err(BuildError::NoIpv6),
            },
            Err(source) => return Err(BuildError::Sysctl { path, source }),
        }
    }
    Ok(())
}

impl Host {
    /// The namespace; sockets made inside [`Namespace::enter`] belong to this host.
    pub const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The address of `eth0`.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The interface index of `eth0`: 2 at the client and 3 at the server, or 1002 and 1003 where
    /// the kernel puts tunnel devices of its own into every namespace.
    pub const fn link_index(&self) -> u32 {
        self.link.index
    }

    /// Sets `eth0` up or down. Takes some 0.1 ms, mostly waiting for the kernel's RTNL lock.
    ///
    /// The address stays in both versions of IP and the route of the subnet comes back with the
    /// link. The peer loses its carrier; its kernel notices within about 0.3 ms, and from then on
    /// swallows what it is given to send. Panics inside an asynchronous task.
    pub fn set_link(&self, state: LinkState) -> Result<Bracket, LinkError> {
        self.link.set(state)
    }

    /// What the kernel says of `eth0`. Panics inside an asynchronous task.
    pub fn link_status(&self) -> Result<LinkStatus, LinkError> {
        self.link.status()
    }

    /// Sets a sysctl of this host; see [`sysctl::write`].
    pub fn write_sysctl(&self, name: &str, value: &str) -> Result<String, SysctlError> {
        sysctl::write(&self.namespace, name, value)
    }

    /// Reads a sysctl of this host; see [`sysctl::read`].
    pub fn read_sysctl(&self, name: &str) -> Result<String, SysctlError> {
        sysctl::read(&self.namespace, name)
    }

    /// `lo` up, the address, `eth0` up.
    fn bring_up(&self, prefix_length: u8) -> Result<(), BuildError> {
        let Link { index, connection } = &self.link;
        let up = |link, index| {
            link::set(connection, index, LinkState::Up).map_err(|errno| BuildError::Up { link, errno })
        };
        up("lo", LOOPBACK)?;
        let mut request = connection.address().add(*index, self.address, prefix_length);
        if self.address.is_ipv6() {
            // Duplicate address detection would hold the address back for over a second.
            request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        }
        connection
            .wait(request.execute())
            .map_err(|errno| BuildError::Address { address: self.address, errno })?;
        up(LINK_NAME, *index)
    }
}
