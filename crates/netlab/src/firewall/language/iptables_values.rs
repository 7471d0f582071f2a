//! The values of iptables' options.

use std::net::IpAddr;
use std::ops::Range;

use super::syntax::Stop;
use super::words::Word;
use crate::address::IpVersion;
use crate::firewall::address::Cidr;
use crate::firewall::matches::{Interface, PortRange, Protocol, TcpFlags, decimal};
use crate::firewall::reject::{ICMP, ICMPV6, IcmpCode, Icmpv6Code, RejectWith};
use crate::firewall::rule::{Hook, Operation};

/// A built-in chain of the table `filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::firewall) enum Chain {
    Input,
    Forward,
    Output,
}

impl Chain {
    const ALL: [Self; 3] = [Self::Input, Self::Forward, Self::Output];

    pub(in crate::firewall) const fn name(self) -> &'static str {
        match self {
            Self::Input => "INPUT",
            Self::Forward => "FORWARD",
            Self::Output => "OUTPUT",
        }
    }

    pub(in crate::firewall) const fn hook(self) -> Hook {
        match self {
            Self::Input => Hook::Input,
            Self::Forward => Hook::Forward,
            Self::Output => Hook::Output,
        }
    }

    pub(in crate::firewall) fn from_name(name: &str, range: Range<usize>) -> Result<Self, Stop> {
        if let Some(chain) = Self::ALL.into_iter().find(|chain| chain.name() == name) {
            return Ok(chain);
        }
        if let Some(meant) = Self::ALL.into_iter().find(|chain| looks_like(chain.name(), name)) {
            return Err(Stop::mistake(range, format!("there is no chain `{name}`"))
                .help(format!("write `{}`", meant.name())));
        }
        match name {
            "PREROUTING" | "POSTROUTING" => {
                Err(Stop::mistake(range, format!("the table `filter` has no chain {name}"))
                    .help("the tables `raw` and `mangle` have it: -t mangle"))
            }
            "" => Err(Stop::mistake(range, "the name of the chain is empty")),
            own => Err(Stop::program(format!("chain `{own}` is not built in"))),
        }
    }
}

/// The same letters but for their case, or but for one that is missing, added or another.
fn looks_like(known: &str, written: &str) -> bool {
    let written = written.to_ascii_uppercase();
    let (known, written) = (known.as_bytes(), written.as_bytes());
    let same_start = known.iter().zip(written).take_while(|(a, b)| a == b).count();
    let same_end = known.iter().rev().zip(written.iter().rev()).take_while(|(a, b)| a == b).count();
    known.len().abs_diff(written.len()) <= 1 && same_start + same_end + 1 >= known.len().max(written.len())
}

/// The rule number after the chain of `-I` and `-D`.
pub(in crate::firewall) fn position(operation: Operation, number: &Word) -> Result<(), Stop> {
    match (operation, decimal::<u32>(&number.text)) {
        (Operation::Insert, Some(1)) => Ok(()),
        (Operation::Insert | Operation::Delete, Some(0)) => {
            Err(Stop::mistake(number.range.clone(), "rules are numbered from 1"))
        }
        (Operation::Insert, Some(_)) => Err(Stop::program("inserting before a later rule is not translated")),
        (Operation::Delete, Some(_)) => Err(Stop::program("deleting by number is not translated")),
        _ => Err(Stop::mistake(number.range.clone(), format!("`{}` is not an option", number.text))),
    }
}

/// The value of `-t`.
pub(in crate::firewall) fn table(name: &str, range: Range<usize>) -> Result<(), Stop> {
    match name {
        "filter" => Ok(()),
        "nat" | "mangle" | "raw" | "security" => {
            Err(Stop::program(format!("table `{name}` is not translated")))
        }
        other => Err(Stop::mistake(range, format!("there is no table `{other}`"))
            .help("the tables are filter, nat, mangle, raw and security")),
    }
}

/// The value of `-p`; `None` is every protocol.
pub(in crate::firewall) fn protocol(name: &str, range: Range<usize>) -> Result<Option<Protocol>, Stop> {
    if name == "0" || name.eq_ignore_ascii_case("all") {
        return Ok(None);
    }
    match Protocol::from_name(name) {
        Some(protocol) => Ok(Some(protocol)),
        None => Err(Stop::mistake(range, format!("there is no protocol `{name}`"))),
    }
}

/// The value of `-s` and `-d`.
pub(in crate::firewall) fn address(
    text: &str,
    range: Range<usize>,
    version: IpVersion,
) -> Result<Cidr, Stop> {
    if text.contains(',') {
        return Err(Stop::program("a list of addresses is not translated"));
    }
    let (address, mask) = match text.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    let Ok(parsed) = address.parse::<IpAddr>() else {
        if !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(Stop::program(format!("the shortened address `{address}` is not translated")));
        }
        return Err(Stop::mistake(range, format!("`{address}` is not an address"))
            .help("names are not looked up: no name service reaches into the lab's hosts"));
    };
    if IpVersion::of(parsed) != version {
        let (seen, tool) = match version {
            IpVersion::V4 => ("an IPv6", "ip6tables"),
            IpVersion::V6 => ("an IPv4", "iptables"),
        };
        return Err(
            Stop::mistake(range, format!("`{address}` is {seen} address")).help(format!("use {tool}"))
        );
    }
    match mask {
        None => Ok(Cidr::single(parsed)),
        Some(mask) => prefix(mask, version, &range)
            .map(|prefix| Cidr::new(parsed, prefix).expect("the prefix was checked")),
    }
}

/// What follows the slash: a number of bits, or a mask written as an address.
fn prefix(mask: &str, version: IpVersion, range: &Range<usize>) -> Result<u8, Stop> {
    if let Some(prefix) = decimal::<u8>(mask).filter(|prefix| *prefix <= version.bits()) {
        return Ok(prefix);
    }
    let (ones, zeros) = match (version, mask.parse::<IpAddr>()) {
        (IpVersion::V4, Ok(IpAddr::V4(mask))) => {
            (mask.to_bits().leading_ones(), mask.to_bits().trailing_zeros())
        }
        (IpVersion::V6, Ok(IpAddr::V6(mask))) => {
            (mask.to_bits().leading_ones(), mask.to_bits().trailing_zeros())
        }
        _ => return Err(Stop::mistake(range.clone(), format!("`/{mask}` is not a prefix or mask"))),
    };
    match u8::try_from(ones) {
        Ok(prefix) if ones + zeros == u32::from(version.bits()) => Ok(prefix),
        _ => Err(Stop::program(format!("the mask `{mask}` with holes is not translated"))),
    }
}

/// The value of `-i` and `-o`; `None` is every interface (`+`).
pub(in crate::firewall) fn interface(name: &str, range: Range<usize>) -> Result<Option<Interface>, Stop> {
    if name == "+" {
        return Ok(None);
    }
    if name.len() > Interface::NAME_MAX {
        let message = format!("`{name}` is longer than the {} bytes of a name", Interface::NAME_MAX);
        return Err(Stop::mistake(range, message));
    }
    let interface = match name.strip_suffix('+') {
        Some(start) => Interface::beginning_with(start),
        None => Interface::named(name),
    };
    interface.map(Some).ok_or_else(|| Stop::program(format!("the interface name `{name}` is not translated")))
}

/// The value of `--sport` and `--dport`: a port, or `first:last` where either may be left out.
pub(in crate::firewall) fn ports(text: &str, range: Range<usize>) -> Result<PortRange, Stop> {
    let port = |text: &str, default| match (text, decimal::<u64>(text)) {
        ("", _) => Ok(default),
        (_, Some(number)) => u16::try_from(number).map_err(|_| {
            Stop::mistake(range.clone(), format!("there is no port {number}")).help("ports are 0 to 65535")
        }),
        _ if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) => {
            Err(Stop::program(format!("the port `{text}` is not a plain number")))
        }
        _ => Err(Stop::mistake(range.clone(), format!("`{text}` is not a port"))),
    };
    if text == "!" {
        return Err(Stop::mistake(range, "`!` stands before the option: `! --sport 7654`"));
    }
    if text.is_empty() {
        return Err(Stop::mistake(range, "the port is empty"));
    }
    let (first, last) = match text.split_once(':') {
        None => (port(text, 0)?, port(text, 0)?),
        Some((first, last)) => (port(first, 0)?, port(last, u16::MAX)?),
    };
    PortRange::new(first, last)
        .ok_or_else(|| Stop::mistake(range, format!("{first} is above {last}: no port is in between")))
}

/// One value of `--tcp-flags`: names with commas in between, `ALL` or `NONE`.
pub(in crate::firewall) fn tcp_flags(text: &str, range: &Range<usize>) -> Result<u8, Stop> {
    text.split(',').try_fold(0, |bits, name| match name.to_ascii_uppercase().as_str() {
        "ALL" => Ok(bits | IPTABLES_FLAGS),
        "NONE" => Ok(bits),
        _ => match TcpFlags::bit(name).filter(|bit| bit & IPTABLES_FLAGS != 0) {
            Some(bit) => Ok(bits | bit),
            None => Err(Stop::mistake(range.clone(), format!("there is no TCP flag `{name}`"))
                .help("the flags are SYN, ACK, FIN, RST, URG, PSH, ALL and NONE")),
        },
    })
}

/// The flags that iptables knows: `ALL`.
pub(in crate::firewall) const IPTABLES_FLAGS: u8 = 0x3f;

/// The value of `--reject-with`. iptables takes the first kind whose name begins with what is
/// written (`extensions/libipt_REJECT.c`, `REJECT_parse()`).
pub(in crate::firewall) fn reject_with(
    name: &str,
    range: &Range<usize>,
    version: IpVersion,
) -> Result<RejectWith, Stop> {
    let begins = |full: &str| full.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let icmp = match version {
        IpVersion::V4 => {
            ICMP.iter().find(|row| begins(row.1) || begins(row.2)).map(|row| RejectWith::Icmp(row.0))
        }
        IpVersion::V6 => {
            ICMPV6.iter().find(|row| begins(row.1) || begins(row.2)).map(|row| RejectWith::Icmpv6(row.0))
        }
    };
    let reset = || (begins("tcp-reset") || begins("tcp-rst")).then_some(RejectWith::TcpReset);
    match icmp.or_else(reset) {
        Some(with) if !name.is_empty() => Ok(with),
        _ => {
            let known: Vec<&str> = match version {
                IpVersion::V4 => ICMP.iter().map(|row| row.1).collect(),
                IpVersion::V6 => ICMPV6.iter().map(|row| row.1).collect(),
            };
            Err(Stop::mistake(range.clone(), format!("there is no way to reject called `{name}`"))
                .help(format!("there are {} and tcp-reset", known.join(", "))))
        }
    }
}

/// What `-j REJECT` alone means.
pub(in crate::firewall) const fn default_reject(version: IpVersion) -> RejectWith {
    match version {
        IpVersion::V4 => RejectWith::Icmp(IcmpCode::PortUnreachable),
        IpVersion::V6 => RejectWith::Icmpv6(Icmpv6Code::PortUnreachable),
    }
}
