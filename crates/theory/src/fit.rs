//! Which segments a rule's conditions fit.

use std::net::IpAddr;

use keepalive_lab_netlab::address::{IpVersion as Version, Subnet};
use keepalive_lab_netlab::firewall::{
    Cidr, Condition, Family, Hook, Interface, Matches, PortRange, Protocol, Rule, TcpFlags,
};
use keepalive_lab_scenario::cell::IpVersion;
use keepalive_lab_scenario::end::End;

use crate::segment::Segment;

/// Whether a rule's conditions fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// All segments of that kind.
    All,
    /// None of them.
    None,
    /// Some, or it cannot be told.
    Some,
}

impl Fit {
    /// Of two conditions, both of which a segment must meet.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => Self::None,
            (Self::All, Self::All) => Self::All,
            _ => Self::Some,
        }
    }

    fn of(all: bool, none: bool) -> Self {
        match (all, none) {
            (true, _) => Self::All,
            (false, true) => Self::None,
            (false, false) => Self::Some,
        }
    }

    fn negated(self) -> Self {
        match self {
            Self::All => Self::None,
            Self::None => Self::All,
            Self::Some => Self::Some,
        }
    }
}

/// What all segments of one cell have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) ip: IpVersion,
    pub(crate) port: u16,
    /// The client's port, as far as it is known.
    pub(crate) ephemeral: (u16, u16),
}

/// The link of each host of a laboratory's pair.
const LINK: &str = "eth0";

/// Which of these segments the conditions of a rule fit, on the way through `hook`.
pub(crate) fn fit(rule: &Rule, hook: Hook, segment: Segment, cell: Cell) -> Fit {
    let Matches {
        version,
        input_interface,
        output_interface,
        source,
        destination,
        protocol,
        source_port,
        destination_port,
        tcp_flags,
    } = &rule.matches;
    let own_version = match cell.ip {
        IpVersion::Ipv4 => Version::V4,
        IpVersion::Ipv6 => Version::V6,
    };
    let family = match rule.chain.family {
        Family::Inet => true,
        Family::Ip => own_version == Version::V4,
        Family::Ip6 => own_version == Version::V6,
    };
    let arrives = matches!(hook, Hook::Prerouting | Hook::Input);
    let (from, to) = match segment.from {
        End::Client => (cell.ephemeral, (cell.port, cell.port)),
        End::Server => ((cell.port, cell.port), cell.ephemeral),
    };
    [
        Fit::of(family, !family),
        when(version.as_ref(), |version| Fit::of(*version == own_version, *version != own_version)),
        when(input_interface.as_ref(), |it| condition(it, |name| interface(name, arrives))),
        when(output_interface.as_ref(), |it| condition(it, |name| interface(name, !arrives))),
        when(source.as_ref(), |it| condition(it, |cidr| address(*cidr, own_version))),
        when(destination.as_ref(), |it| condition(it, |cidr| address(*cidr, own_version))),
        when(protocol.as_ref(), |it| {
            condition(it, |protocol| Fit::of(*protocol == Protocol::Tcp, *protocol != Protocol::Tcp))
        }),
        when(source_port.as_ref(), |it| condition(it, |range| ports(*range, from))),
        when(destination_port.as_ref(), |it| condition(it, |range| ports(*range, to))),
        when(tcp_flags.as_ref(), |it| condition(it, |wanted| flags(*wanted, segment.kind.flags()))),
    ]
    .into_iter()
    .fold(Fit::All, Fit::and)
}

fn when<T>(condition: Option<&T>, fit: impl FnOnce(&T) -> Fit) -> Fit {
    condition.map_or(Fit::All, fit)
}

fn condition<T>(condition: &Condition<T>, fit: impl FnOnce(&T) -> Fit) -> Fit {
    let fit = fit(condition.value());
    if condition.is_negated() { fit.negated() } else { fit }
}

fn interface(wanted: &Interface, has_one: bool) -> Fit {
    if !has_one {
        // No interface on this side yet: a positive condition never holds, a negative one not on all kernels.
        return Fit::Some;
    }
    let same = if wanted.is_wildcard() { LINK.starts_with(wanted.name()) } else { LINK == wanted.name() };
    Fit::of(same, !same)
}

/// The cell's addresses lie in the range of all cells; which of them it will get is decided when it is run.
fn address(cidr: Cidr, version: Version) -> Fit {
    if cidr.version() != version {
        return Fit::None;
    }
    let last = match version {
        Version::V4 => Subnet::IPV4_COUNT - 1,
        Version::V6 => Subnet::IPV6_COUNT - 1,
    };
    let holds = |address: IpAddr| Cidr::new(address, cidr.prefix()).is_some_and(|of| of == cidr);
    let (first, last) = (Subnet::nth(0, version), Subnet::nth(last, version));
    let (low, high) = (first.client(), last.server());
    let inside = (low..=high).contains(&cidr.address());
    Fit::of(holds(low) && holds(high), !holds(low) && !holds(high) && !inside)
}

fn ports(wanted: PortRange, (low, high): (u16, u16)) -> Fit {
    Fit::of(wanted.first() <= low && high <= wanted.last(), high < wanted.first() || wanted.last() < low)
}

fn flags(wanted: TcpFlags, has: &[u8]) -> Fit {
    let fits = |flags: &u8| flags & wanted.mask == wanted.value;
    Fit::of(has.iter().all(fits), !has.iter().any(fits))
}

#[cfg(test)]
mod tests {
    use keepalive_lab_netlab::firewall::{Parsed, Tool, parse};

    use super::*;
    use crate::segment::Kind;

    const CELL: Cell = Cell { ip: IpVersion::Ipv4, port: 7654, ephemeral: (32768, 60999) };

    /// How a line of the server's INPUT chain fits segments of the client.
    fn arriving(line: &str, kind: Kind) -> Fit {
        let tool = if line.starts_with("add") { Tool::Nft } else { Tool::Iptables };
        let Ok(Parsed::Translated(operation)) = parse(tool, line) else { panic!("{line}") };
        fit(&operation.rule, Hook::Input, Segment { from: End::Client, kind }, CELL)
    }

    #[test]
    fn a_condition_fits_all_none_or_some_of_the_segments() {
        let fits = [
            ("-A INPUT -j DROP", Fit::All),
            ("-A INPUT -p tcp --dport 7654 -j DROP", Fit::All),
            ("-A INPUT -p tcp --dport 7000:8000 -j DROP", Fit::All),
            ("-A INPUT -p tcp --sport 1024:65535 -j DROP", Fit::All),
            ("-A INPUT -p tcp --sport 40000:50000 -j DROP", Fit::Some),
            ("-A INPUT -p tcp ! --dport 7654 -j DROP", Fit::None),
            ("-A INPUT -p tcp --sport 7654 -j DROP", Fit::None),
            ("-A INPUT -p udp --dport 7654 -j DROP", Fit::None),
            ("-A INPUT -s 198.18.0.0/15 -j DROP", Fit::All),
            ("-A INPUT -s 198.18.0.0/16 -j DROP", Fit::Some),
            ("-A INPUT -s 198.18.7.1 -j DROP", Fit::Some),
            ("-A INPUT -s 192.0.2.0/24 -j DROP", Fit::None),
            ("-A INPUT ! -s 192.0.2.0/24 -j DROP", Fit::All),
            ("-A INPUT -i eth0 -j DROP", Fit::All),
            ("-A INPUT -i eth+ -j DROP", Fit::All),
            ("-A INPUT -i lo -j DROP", Fit::None),
            ("add rule inet filter input tcp dport 7654 drop", Fit::All),
            ("add rule ip6 filter input tcp dport 7654 drop", Fit::None),
            ("add rule inet filter input ip6 saddr 2001:db8::/32 drop", Fit::None),
        ];
        for (line, expected) in fits {
            assert_eq!(arriving(line, Kind::Data), expected, "{line}");
        }
    }

    #[test]
    fn flags_tell_kinds_of_segments_apart() {
        let fit = |flags: &str, kind| arriving(&format!("-A INPUT -p tcp {flags} -j DROP"), kind);
        assert_eq!(fit("--syn", Kind::Syn), Fit::All);
        assert_eq!(fit("--syn", Kind::Data), Fit::None);
        assert_eq!(fit("--tcp-flags RST RST", Kind::Rst), Fit::All);
        assert_eq!(fit("--tcp-flags RST RST", Kind::Ack), Fit::None);
        assert_eq!(
            fit("--tcp-flags RST,ACK RST,ACK", Kind::Rst),
            Fit::Some,
            "a RST comes with an ACK or without"
        );
        assert_eq!(fit("--tcp-flags PSH PSH", Kind::Data), Fit::Some);
        assert_eq!(fit("--tcp-flags FIN FIN", Kind::Fin), Fit::All);
    }
}
