//! When a network just built carries its first packet.
//!
//! Two things happen in workers of the kernel after the requests that cause them were acknowledged.
//! A packet sent too early is lost, and the next try (a SYN's or a neighbour solicitation's) comes
//! a whole second later. Both are done within microseconds, but wait for the RTNL lock while other
//! namespaces are made or torn down (0.15 s seen).

use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::link::{LINK_NAME, Link, LinkError};

/// How long to wait before giving up.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_micros(50);

/// Why a network just built is not fit for use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The state of the link could not be read.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The IPv6 multicast groups could not be listed.
    #[error("could not list the IPv6 multicast groups of {LINK_NAME}: {0}")]
    Groups(#[source] Errno),
    /// Both ends are up, but the kernel did not begin to send.
    #[error("the link {LINK_NAME} was not operational {PATIENCE:?} after both its ends went up")]
    Operational,
    /// The kernel does not answer neighbour solicitations for an address.
    #[error("the IPv6 address {0} could not be solicited {PATIENCE:?} after it was added")]
    Unsolicited(Ipv6Addr),
}

/// Waits until `link` sends.
///
/// A link that was up before it had a carrier drops everything (`noop_qdisc`) until the kernel's
/// worker has noticed the carrier (`net/core/link_watch.c`, `linkwatch_do_dev()`). A link that had
/// its carrier at once may still count as down, and IPv6 then has no multicast route on it, so
/// that neighbours are not heard (`net/ipv6/addrconf.c`, `addrconf_link_ready()`).
pub(crate) fn operational(link: &Link) -> Result<(), NotReady> {
    wait(NotReady::Operational, || Ok(link.status()?.operational))
}

/// Waits until neighbours can find `address`; an IPv4 address they can find at once.
///
/// Even without duplicate address detection, the kernel joins an address's solicited-node group
/// (RFC 4291, section 2.7.1) in a worker (`net/ipv6/addrconf.c`, `addrconf_dad_work()`), and until
/// then does not hear who asks for the address. Must run inside the namespace.
pub(crate) fn reachable(address: IpAddr) -> Result<(), NotReady> {
    let IpAddr::V6(address) = address else { return Ok(()) };
    // As `igmp6_mc_seq_show()` writes it (`net/ipv6/mcast.c`): 32 digits. The crate `rtnetlink` has no
    // request for groups.
    let group = format!("{:032x}", solicited_node(address).to_bits());
    wait(NotReady::Unsolicited(address), || {
        fs::read_to_string("/proc/thread-self/net/igmp6")
            .map(|groups| groups.contains(&group))
            .map_err(|error| NotReady::Groups(Errno::try_from(error).unwrap_or(Errno::EIO)))
    })
}

fn wait(failure: NotReady, ready: impl Fn() -> Result<bool, NotReady>) -> Result<(), NotReady> {
    let started = Instant::now();
    while !ready()? {
        if started.elapsed() > PATIENCE {
            return Err(failure);
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// The multicast group on which `address` is solicited: `ff02::1:ff00:0/104` and its last 24 bits.
fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let base = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0).to_bits();
    Ipv6Addr::from_bits(base | address.to_bits() & 0xff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_solicited_node_group_is_that_of_the_rfc() {
        // The example of RFC 4291, section 2.7.1.
        let address = "4037::01:800:200e:8c6c".parse().expect("an address");
        assert_eq!(solicited_node(address).to_string(), "ff02::1:ff0e:8c6c");
    }

    #[test]
    fn a_wait_in_vain_ends() {
        assert_eq!(
            wait(NotReady::Operational, || Err(NotReady::Groups(Errno::EPERM))),
            Err(NotReady::Groups(Errno::EPERM))
        );
        assert_eq!(wait(NotReady::Operational, || Ok(true)), Ok(()));
    }
}
