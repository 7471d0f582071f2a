//! The conditions of a rule.

use std::fmt;

use super::address::Cidr;
use crate::address::IpVersion;

/// A condition, or its opposite (`!` in iptables, `!=` in nft).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition<T> {
    /// The packet has this.
    Is(T),
    /// The packet has something else.
    IsNot(T),
}

impl<T> Condition<T> {
    /// What is compared with.
    pub const fn value(&self) -> &T {
        match self {
            Self::Is(value) | Self::IsNot(value) => value,
        }
    }

    /// Whether it is the opposite.
    pub const fn is_negated(&self) -> bool {
        matches!(self, Self::IsNot(_))
    }
}

/// The conditions of a rule; a packet must meet all that are `Some`.
///
/// Ports and TCP flags are only ever set beside `protocol` being TCP, or for ports UDP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Matches {
    /// The version of the Internet Protocol; only in the family `inet`, and there set wherever
    /// another condition (an address) implies it.
    pub version: Option<IpVersion>,
    /// The interface it came in by. A packet in `output` has none.
    pub input_interface: Option<Condition<Interface>>,
    /// The interface it goes out by. A packet in `input` has none.
    pub output_interface: Option<Condition<Interface>>,
    /// Source address.
    pub source: Option<Condition<Cidr>>,
    /// Destination address.
    pub destination: Option<Condition<Cidr>>,
    /// The protocol above IP, IPv6 extension headers skipped.
    pub protocol: Option<Condition<Protocol>>,
    /// Source port.
    pub source_port: Option<Condition<PortRange>>,
    /// Destination port.
    pub destination_port: Option<Condition<PortRange>>,
    /// TCP flags.
    pub tcp_flags: Option<Condition<TcpFlags>>,
}

/// The protocol above IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP, 6.
    Tcp,
    /// UDP, 17.
    Udp,
    /// ICMP, 1.
    Icmp,
    /// `ICMPv6`, 58.
    Icmpv6,
    /// Any other, by its IANA number.
    Number(u8),
}

/// Names of protocols that both iptables(8) and nft(8) know without /etc/protocols, and a few that
/// stand in every /etc/protocols.
const PROTOCOLS: [(&str, u8); 13] = [
    ("tcp", 6),
    ("udp", 17),
    ("icmp", 1),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("igmp", 2),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("sctp", 132),
    ("mh", 135),
    ("udplite", 136),
];

impl Protocol {
    /// The protocol with this IANA number.
    pub const fn from_number(number: u8) -> Self {
        match number {
            6 => Self::Tcp,
            17 => Self::Udp,
            1 => Self::Icmp,
            58 => Self::Icmpv6,
            other => Self::Number(other),
        }
    }

    /// The IANA number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Icmp => 1,
            Self::Icmpv6 => 58,
            Self::Number(number) => number,
        }
    }

    /// The protocol with this name (in any case) or decimal number.
    pub fn from_name(name: &str) -> Option<Self> {
        let by_name = PROTOCOLS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        by_name.map(|(_, number)| *number).or_else(|| decimal(name)).map(Self::from_number)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Udp => f.write_str("udp"),
            Self::Icmp => f.write_str("icmp"),
            Self::Icmpv6 => f.write_str("ipv6-icmp"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// Ports of TCP or UDP from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// These ports; `None` if there are none (`first` above `last`).
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The lowest port.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub const fn last(self) -> u16 {
        self.last
    }
}

/// A network interface by its name, or all whose names begin alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interface {
    name: String,
    wildcard: bool,
}

impl Interface {
    /// The longest name: `IFNAMSIZ` less the final zero byte.
    pub const NAME_MAX: usize = 15;

    /// The interface of this name. `None` if the name is empty, too long or uses characters that
    /// would have to be quoted.
    pub fn named(name: &str) -> Option<Self> {
        is_plain(name).then(|| Self { name: name.to_owned(), wildcard: false })
    }

    /// Every interface whose name begins with this: `eth+` of iptables, `"eth*"` of nft.
    pub fn beginning_with(start: &str) -> Option<Self> {
        is_plain(start).then(|| Self { name: start.to_owned(), wildcard: true })
    }

    /// The name, or its beginning.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether only the beginning counts.
    pub const fn is_wildcard(&self) -> bool {
        self.wildcard
    }
}

fn is_plain(name: &str) -> bool {
    (1..=Interface::NAME_MAX).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|char| char.is_ascii_alphanumeric() || "_.-".contains(char))
}

/// The flags of a TCP segment: of those in `mask`, exactly those in `value` are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TcpFlags {
    /// The flags that are looked at, as in byte 13 of the TCP header.
    pub mask: u8,
    /// Those that must be set among them.
    pub value: u8,
}

impl TcpFlags {
    /// The flags by name, in the order of their bits: FIN is 1, CWR is 128. iptables knows the first six.
    pub const NAMES: [&'static str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"];

    /// `--syn` of iptables: the first segment of a connection.
    pub const SYN: Self = Self { mask: 0x17, value: 0x02 };

    /// The bit of the flag with this name, in any case.
    pub fn bit(name: &str) -> Option<u8> {
        Self::NAMES.iter().position(|known| known.eq_ignore_ascii_case(name)).map(|position| 1 << position)
    }

    /// The names of the flags in `bits`.
    pub fn names(bits: u8) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .enumerate()
            .filter(move |(position, _)| bits & (1 << position) != 0)
            .map(|(_, name)| name)
    }
}

/// A number in plain decimal: no sign, no leading zero (which iptables would take for octal).
pub(super) fn decimal<N: std::str::FromStr>(text: &str) -> Option<N> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}
