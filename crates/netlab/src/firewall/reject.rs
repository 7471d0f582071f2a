//! How the sender of a rejected packet is told.

/// What is sent back for a rejected packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectWith {
    /// A RST; only for TCP.
    TcpReset,
    /// ICMP destination unreachable; only for IPv4.
    Icmp(IcmpCode),
    /// `ICMPv6` destination unreachable; only for IPv6.
    Icmpv6(Icmpv6Code),
    /// Whichever of the two fits the packet; only in the family `inet`.
    Icmpx(IcmpxCode),
}

/// Codes of ICMP destination unreachable (RFC 792, RFC 1122, RFC 1812).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say it all
pub enum IcmpCode {
    NetUnreachable = 0,
    HostUnreachable = 1,
    ProtocolUnreachable = 2,
    PortUnreachable = 3,
    NetProhibited = 9,
    HostProhibited = 10,
    AdminProhibited = 13,
}

/// Codes of `ICMPv6` destination unreachable (RFC 4443).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say it all
pub enum Icmpv6Code {
    NoRoute = 0,
    AdminProhibited = 1,
    AddressUnreachable = 3,
    PortUnreachable = 4,
    PolicyFail = 5,
    RejectRoute = 6,
}

/// Codes that the kernel maps to either protocol: `NFT_REJECT_ICMPX_*` in `linux/netfilter/nf_tables.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say it all
pub enum IcmpxCode {
    NoRoute = 0,
    PortUnreachable = 1,
    HostUnreachable = 2,
    AdminProhibited = 3,
}

/// Codes with the words of iptables (long, short) and of nft.
pub(super) const ICMP: [(IcmpCode, &str, &str, &str); 7] = [
    (IcmpCode::NetUnreachable, "icmp-net-unreachable", "net-unreach", "net-unreachable"),
    (IcmpCode::HostUnreachable, "icmp-host-unreachable", "host-unreach", "host-unreachable"),
    (IcmpCode::ProtocolUnreachable, "icmp-proto-unreachable", "proto-unreach", "prot-unreachable"),
    (IcmpCode::PortUnreachable, "icmp-port-unreachable", "port-unreach", "port-unreachable"),
    (IcmpCode::NetProhibited, "icmp-net-prohibited", "net-prohib", "net-prohibited"),
    (IcmpCode::HostProhibited, "icmp-host-prohibited", "host-prohib", "host-prohibited"),
    (IcmpCode::AdminProhibited, "icmp-admin-prohibited", "admin-prohib", "admin-prohibited"),
];

/// Codes with the words of ip6tables (long, short) and of nft.
pub(super) const ICMPV6: [(Icmpv6Code, &str, &str, &str); 6] = [
    (Icmpv6Code::NoRoute, "icmp6-no-route", "no-route", "no-route"),
    (Icmpv6Code::AdminProhibited, "icmp6-adm-prohibited", "adm-prohibited", "admin-prohibited"),
    (Icmpv6Code::AddressUnreachable, "icmp6-addr-unreachable", "addr-unreach", "addr-unreachable"),
    (Icmpv6Code::PortUnreachable, "icmp6-port-unreachable", "port-unreach", "port-unreachable"),
    (Icmpv6Code::PolicyFail, "icmp6-policy-fail", "policy-fail", "policy-fail"),
    (Icmpv6Code::RejectRoute, "icmp6-reject-route", "reject-route", "reject-route"),
];

/// Codes with the words of nft.
pub(super) const ICMPX: [(IcmpxCode, &str); 4] = [
    (IcmpxCode::NoRoute, "no-route"),
    (IcmpxCode::PortUnreachable, "port-unreachable"),
    (IcmpxCode::HostUnreachable, "host-unreachable"),
    (IcmpxCode::AdminProhibited, "admin-prohibited"),
];

impl RejectWith {
    /// The word after `--reject-with`; `None` for what iptables has no word for.
    pub(super) fn iptables_name(self) -> Option<&'static str> {
        match self {
            Self::TcpReset => Some("tcp-reset"),
            Self::Icmp(code) => ICMP.iter().find(|row| row.0 == code).map(|row| row.1),
            Self::Icmpv6(code) => ICMPV6.iter().find(|row| row.0 == code).map(|row| row.1),
            Self::Icmpx(_) => None,
        }
    }
}
