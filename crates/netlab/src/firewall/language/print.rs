//! Rules in the words of their tools.

use std::fmt::{self, Display, Formatter};

use super::iptables_values::IPTABLES_FLAGS;
use crate::address::IpVersion;
use crate::firewall::address::Cidr;
use crate::firewall::matches::{Condition, Interface, Matches, PortRange, Protocol, TcpFlags};
use crate::firewall::reject::{ICMP, ICMPV6, ICMPX, RejectWith};
use crate::firewall::rule::{Family, Operation, Rule, RuleOperation, Tool, Verdict};

impl Display for RuleOperation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.tool {
            Tool::Iptables | Tool::Ip6tables => iptables(f, self.operation, &self.rule),
            Tool::Nft => nft(f, self.operation, &self.rule),
        }
    }
}

fn iptables(f: &mut Formatter<'_>, operation: Operation, rule: &Rule) -> fmt::Result {
    let command = match operation {
        Operation::Append => "-A",
        Operation::Insert => "-I",
        Operation::Delete => "-D",
    };
    write!(f, "{command} {}", rule.chain.name)?;
    let matches = &rule.matches;
    option(f, "-i", matches.input_interface.as_ref(), |interface| with_wildcard(interface, '+'))?;
    option(f, "-o", matches.output_interface.as_ref(), |interface| with_wildcard(interface, '+'))?;
    option(f, "-s", matches.source.as_ref(), Cidr::to_string)?;
    option(f, "-d", matches.destination.as_ref(), Cidr::to_string)?;
    option(f, "-p", matches.protocol.as_ref(), Protocol::to_string)?;
    option(f, "--sport", matches.source_port.as_ref(), |ports| port_range(*ports, ':'))?;
    option(f, "--dport", matches.destination_port.as_ref(), |ports| port_range(*ports, ':'))?;
    option(f, "--tcp-flags", matches.tcp_flags.as_ref(), |flags| {
        format!("{} {}", iptables_flags(flags.mask), iptables_flags(flags.value))
    })?;
    match rule.verdict {
        Verdict::Drop => f.write_str(" -j DROP"),
        Verdict::Accept => f.write_str(" -j ACCEPT"),
        Verdict::Reject(with) => {
            write!(f, " -j REJECT --reject-with {}", with.iptables_name().unwrap_or_default())
        }
        Verdict::Count => Ok(()),
    }
}

/// ` ! NAME VALUE`
fn option<T>(
    f: &mut Formatter<'_>,
    name: &str,
    condition: Option<&Condition<T>>,
    value: impl FnOnce(&T) -> String,
) -> fmt::Result {
    let Some(condition) = condition else { return Ok(()) };
    let mark = if condition.is_negated() { "! " } else { "" };
    write!(f, " {mark}{name} {}", value(condition.value()))
}

fn with_wildcard(interface: &Interface, wildcard: char) -> String {
    let mut name = interface.name().to_owned();
    name.extend(interface.is_wildcard().then_some(wildcard));
    name
}

fn port_range(ports: PortRange, separator: char) -> String {
    if ports.first() == ports.last() {
        ports.first().to_string()
    } else {
        format!("{}{separator}{}", ports.first(), ports.last())
    }
}

fn iptables_flags(bits: u8) -> String {
    match bits {
        0 => "NONE".to_owned(),
        IPTABLES_FLAGS => "ALL".to_owned(),
        _ => TcpFlags::names(bits).collect::<Vec<_>>().join(",").to_ascii_uppercase(),
    }
}

fn nft(f: &mut Formatter<'_>, operation: Operation, rule: &Rule) -> fmt::Result {
    let command = match operation {
        Operation::Append => "add",
        Operation::Insert => "insert",
        Operation::Delete => "delete",
    };
    let chain = &rule.chain;
    write!(f, "{command} rule {} {} {}", chain.family, chain.table, chain.name)?;
    let matches = &rule.matches;
    let interface = |interface: &Interface| format!("\"{}\"", with_wildcard(interface, '*'));
    comparison(f, "iifname", matches.input_interface.as_ref(), interface)?;
    comparison(f, "oifname", matches.output_interface.as_ref(), interface)?;
    let by_address = matches.source.is_some() || matches.destination.is_some();
    match matches.version {
        Some(IpVersion::V4) if !by_address => f.write_str(" meta nfproto ipv4")?,
        Some(IpVersion::V6) if !by_address => f.write_str(" meta nfproto ipv6")?,
        _ => {}
    }
    let ip = if ip_version(rule) == Some(IpVersion::V6) { "ip6" } else { "ip" };
    comparison(f, &format!("{ip} saddr"), matches.source.as_ref(), Cidr::to_string)?;
    comparison(f, &format!("{ip} daddr"), matches.destination.as_ref(), Cidr::to_string)?;
    transport(f, matches)?;
    f.write_str(" counter")?;
    match rule.verdict {
        Verdict::Drop => f.write_str(" drop"),
        Verdict::Accept => f.write_str(" accept"),
        Verdict::Reject(with) => write!(f, " reject with {}", nft_reject(with)),
        Verdict::Count => Ok(()),
    }
}

fn ip_version(rule: &Rule) -> Option<IpVersion> {
    match rule.chain.family {
        Family::Ip => Some(IpVersion::V4),
        Family::Ip6 => Some(IpVersion::V6),
        Family::Inet => rule.matches.version,
    }
}

/// The protocol, ports and flags: a port or flag says the protocol too.
fn transport(f: &mut Formatter<'_>, matches: &Matches) -> fmt::Result {
    let said =
        matches.source_port.is_some() || matches.destination_port.is_some() || matches.tcp_flags.is_some();
    if !said {
        return comparison(f, "meta l4proto", matches.protocol.as_ref(), Protocol::to_string);
    }
    let protocol = matches.protocol.as_ref().map_or(Protocol::Tcp, |condition| *condition.value());
    let ports = |ports: &PortRange| port_range(*ports, '-');
    comparison(f, &format!("{protocol} sport"), matches.source_port.as_ref(), ports)?;
    comparison(f, &format!("{protocol} dport"), matches.destination_port.as_ref(), ports)?;
    if let Some(condition) = &matches.tcp_flags {
        let TcpFlags { mask, value } = *condition.value();
        let operator = if condition.is_negated() { "!=" } else { "==" };
        write!(f, " tcp flags & {} {operator} {}", nft_flags(mask), nft_flags(value))?;
    }
    Ok(())
}

/// ` NAME != VALUE`
fn comparison<T>(
    f: &mut Formatter<'_>,
    name: &str,
    condition: Option<&Condition<T>>,
    value: impl FnOnce(&T) -> String,
) -> fmt::Result {
    let Some(condition) = condition else { return Ok(()) };
    let operator = if condition.is_negated() { "!= " } else { "" };
    write!(f, " {name} {operator}{}", value(condition.value()))
}

fn nft_flags(bits: u8) -> String {
    let names: Vec<&str> = TcpFlags::names(bits).collect();
    match names.len() {
        0 => "0x0".to_owned(),
        1 => names[0].to_owned(),
        _ => format!("({})", names.join(" | ")),
    }
}

fn nft_reject(with: RejectWith) -> String {
    let named = |kind: &str, name: Option<&str>| format!("{kind} type {}", name.unwrap_or_default());
    match with {
        RejectWith::TcpReset => "tcp reset".to_owned(),
        RejectWith::Icmp(code) => named("icmp", ICMP.iter().find(|row| row.0 == code).map(|row| row.3)),
        RejectWith::Icmpv6(code) => named("icmpv6", ICMPV6.iter().find(|row| row.0 == code).map(|row| row.3)),
        RejectWith::Icmpx(code) => named("icmpx", ICMPX.iter().find(|row| row.0 == code).map(|row| row.1)),
    }
}
