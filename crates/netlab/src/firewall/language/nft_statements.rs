//! The matches and statements of an nft rule.

use std::net::IpAddr;

use super::nft::{Cursor, imply_protocol};
use super::nft_flags::tcp_flags;
use super::syntax::Stop;
use super::words::Word;
use crate::address::IpVersion;
use crate::firewall::address::Cidr;
use crate::firewall::matches::{Condition, Interface, Matches, PortRange, Protocol, decimal};
use crate::firewall::reject::{ICMP, ICMPV6, ICMPX, IcmpCode, Icmpv6Code, IcmpxCode, RejectWith};
use crate::firewall::rule::{Family, Verdict};

/// What has been read so far.
pub(in crate::firewall) struct Statements {
    family: Family,
    matches: Matches,
    counted: bool,
    verdict: Option<(Verdict, Word)>,
}

impl Statements {
    pub(in crate::firewall) fn new(family: Family) -> Self {
        Self { family, matches: Matches::default(), counted: false, verdict: None }
    }

    /// Reads one match or statement; false at the end of the line.
    pub(in crate::firewall) fn read(&mut self, cursor: &mut Cursor) -> Result<bool, Stop> {
        let Some(word) = cursor.peek() else { return Ok(false) };
        if word.text == "comment" {
            return Err(Stop::program("`comment` is not translated"));
        }
        if let Some((_, verdict)) = &self.verdict {
            return Err(Stop::mistake(word.range.clone(), format!("nothing may follow `{}`", verdict.text)));
        }
        cursor.next("a statement")?;
        match word.text.as_str() {
            "drop" => self.verdict = Some((Verdict::Drop, word.clone())),
            "accept" => self.verdict = Some((Verdict::Accept, word.clone())),
            "reject" => {
                let with = self.reject(cursor)?;
                self.verdict = Some((Verdict::Reject(with), word.clone()));
            }
            "counter" => self.counter(cursor)?,
            _ if self.counted => {
                return Err(Stop::program("a match after `counter` is not translated"));
            }
            _ => self.condition(word, cursor)?,
        }
        Ok(true)
    }

    /// The conditions and the verdict, once the line is read. `end` is the end of the line.
    pub(in crate::firewall) fn finish(self, end: usize) -> Result<(Matches, Verdict), Stop> {
        let verdict = match self.verdict {
            Some((verdict, _)) => verdict,
            None if self.counted || self.matches != Matches::default() => Verdict::Count,
            None => return Err(Stop::mistake(end..end, "the rule is missing")),
        };
        Ok((self.matches, verdict))
    }

    fn condition(&mut self, word: &Word, cursor: &mut Cursor) -> Result<(), Stop> {
        let untranslated = |key: &str| Stop::program(format!("`{key}` is not translated"));
        match word.text.as_str() {
            "iifname" => self.interface(cursor, word, |matches| &mut matches.input_interface),
            "oifname" => self.interface(cursor, word, |matches| &mut matches.output_interface),
            "meta" => {
                let key = cursor.next("the key of `meta`")?;
                match key.text.as_str() {
                    "iifname" => self.interface(cursor, key, |matches| &mut matches.input_interface),
                    "oifname" => self.interface(cursor, key, |matches| &mut matches.output_interface),
                    "l4proto" => self.protocol(cursor, key),
                    "nfproto" => self.nfproto(cursor, key),
                    other => Err(untranslated(&format!("meta {other}"))),
                }
            }
            "ip" | "ip6" => {
                let version = if word.text == "ip" { IpVersion::V4 } else { IpVersion::V6 };
                let key = cursor.next("the field")?;
                match key.text.as_str() {
                    "saddr" => self.address(cursor, key, version, |matches| &mut matches.source),
                    "daddr" => self.address(cursor, key, version, |matches| &mut matches.destination),
                    "protocol" if version == IpVersion::V4 => {
                        self.imply_version(version, key)?;
                        self.protocol(cursor, key)
                    }
                    other => Err(untranslated(&format!("{} {other}", word.text))),
                }
            }
            "tcp" | "udp" => {
                let protocol = if word.text == "tcp" { Protocol::Tcp } else { Protocol::Udp };
                let key = cursor.next("the field")?;
                match key.text.as_str() {
                    "sport" => self.port(cursor, key, protocol, |matches| &mut matches.source_port),
                    "dport" => self.port(cursor, key, protocol, |matches| &mut matches.destination_port),
                    "flags" if protocol == Protocol::Tcp => {
                        imply_protocol(&mut self.matches, protocol, key)?;
                        let flags = tcp_flags(cursor)?;
                        set(&mut self.matches.tcp_flags, flags, key)
                    }
                    other => Err(untranslated(&format!("{} {other}", word.text))),
                }
            }
            other => Err(untranslated(other)),
        }
    }

    fn interface(
        &mut self,
        cursor: &mut Cursor,
        key: &Word,
        member: fn(&mut Matches) -> &mut Option<Condition<Interface>>,
    ) -> Result<(), Stop> {
        let negated = comparison(cursor)?;
        let value = plain_value(cursor, "the interface")?;
        if value.text.trim_end_matches('*').len() > Interface::NAME_MAX {
            let message =
                format!("`{}` is longer than the {} bytes of a name", value.text, Interface::NAME_MAX);
            return Err(Stop::mistake(value.range.clone(), message));
        }
        let interface = match value.text.strip_suffix('*') {
            Some(start) => Interface::beginning_with(start),
            None => Interface::named(&value.text),
        };
        let interface = interface
            .ok_or_else(|| Stop::program(format!("the interface name `{}` is not translated", value.text)))?;
        set(member(&mut self.matches), negated.apply(interface), key)
    }

    fn protocol(&mut self, cursor: &mut Cursor, key: &Word) -> Result<(), Stop> {
        let negated = comparison(cursor)?;
        let value = plain_value(cursor, "the protocol")?;
        let protocol = Protocol::from_name(&value.text).ok_or_else(|| {
            Stop::mistake(value.range.clone(), format!("there is no protocol `{}`", value.text))
        })?;
        match negated.apply(protocol) {
            Condition::Is(protocol) => imply_protocol(&mut self.matches, protocol, value),
            not @ Condition::IsNot(_) => set(&mut self.matches.protocol, not, key),
        }
    }

    fn nfproto(&mut self, cursor: &mut Cursor, key: &Word) -> Result<(), Stop> {
        if self.family != Family::Inet {
            return Err(Stop::mistake(key.range.clone(), "`meta nfproto` is only useful in the family inet"));
        }
        let negated = comparison(cursor)?;
        let value = plain_value(cursor, "ipv4 or ipv6")?;
        let version = match (value.text.as_str(), negated) {
            ("ipv4", Negation::No) | ("ipv6", Negation::Yes) => IpVersion::V4,
            ("ipv6", Negation::No) | ("ipv4", Negation::Yes) => IpVersion::V6,
            _ => return Err(Stop::program(format!("`meta nfproto {}` is not translated", value.text))),
        };
        self.imply_version(version, value)
    }

    /// Takes note that only packets of this version can match.
    fn imply_version(&mut self, version: IpVersion, word: &Word) -> Result<(), Stop> {
        let said = match self.family {
            Family::Ip => Some(IpVersion::V4),
            Family::Ip6 => Some(IpVersion::V6),
            Family::Inet => self.matches.version,
        };
        if said.is_some_and(|said| said != version) {
            return Err(Stop::mistake(word.range.clone(), "no packet is IPv4 and IPv6 at once")
                .help("a table of the family inet sees both, ip only IPv4, ip6 only IPv6"));
        }
        if self.family == Family::Inet {
            self.matches.version = Some(version);
        }
        Ok(())
    }

    fn address(
        &mut self,
        cursor: &mut Cursor,
        key: &Word,
        version: IpVersion,
        member: fn(&mut Matches) -> &mut Option<Condition<Cidr>>,
    ) -> Result<(), Stop> {
        self.imply_version(version, key)?;
        let negated = comparison(cursor)?;
        let value = plain_value(cursor, "the address")?;
        let address: IpAddr = match value.text.parse() {
            Ok(address) => address,
            Err(_) if value.text.contains(['-', '.', ':']) && value.text.split('-').count() == 2 => {
                return Err(Stop::program("a range of addresses is not translated"));
            }
            Err(_) => {
                return Err(Stop::mistake(
                    value.range.clone(),
                    format!("`{}` is not an address", value.text),
                )
                .help("names are not looked up: no name service reaches into the lab's hosts"));
            }
        };
        let wrong = |message: String| Err(Stop::mistake(value.range.clone(), message));
        if IpVersion::of(address) != version {
            return wrong(format!("`{address}` is no address of the protocol before it"));
        }
        let mut cidr = Cidr::single(address);
        if cursor.next_if("/") {
            let prefix = cursor.next("the prefix")?;
            match decimal(&prefix.text).and_then(|bits| Cidr::new(address, bits)) {
                Some(wide) => cidr = wide,
                None => return wrong(format!("`/{}` is not a prefix of `{address}`", prefix.text)),
            }
        }
        if cidr.prefix() == 0 && negated == Negation::Yes {
            return Err(Stop::program("the opposite of every address is not translated"));
        }
        set(member(&mut self.matches), negated.apply(cidr), key)
    }

    fn port(
        &mut self,
        cursor: &mut Cursor,
        key: &Word,
        protocol: Protocol,
        member: fn(&mut Matches) -> &mut Option<Condition<PortRange>>,
    ) -> Result<(), Stop> {
        imply_protocol(&mut self.matches, protocol, key)?;
        let negated = comparison(cursor)?;
        let value = plain_value(cursor, "the port")?;
        let port = |text: &str| match decimal::<u64>(text) {
            Some(number) => u16::try_from(number).map_err(|_| {
                Stop::mistake(value.range.clone(), format!("there is no port {number}"))
                    .help("ports are 0 to 65535")
            }),
            None => Err(Stop::program(format!("the port `{text}` is not a plain number"))),
        };
        let (first, last) = match value.text.split_once('-') {
            None => (port(&value.text)?, port(&value.text)?),
            Some((first, last)) => (port(first)?, port(last)?),
        };
        let ports = PortRange::new(first, last).ok_or_else(|| {
            Stop::mistake(value.range.clone(), format!("{first} is above {last}: no port is in between"))
        })?;
        set(member(&mut self.matches), negated.apply(ports), key)
    }

    fn counter(&mut self, cursor: &mut Cursor) -> Result<(), Stop> {
        if self.counted {
            return Err(Stop::program("two counters are not translated"));
        }
        self.counted = true;
        let fresh = !cursor.next_if("packets")
            || (cursor.next_if("0") && cursor.next_if("bytes") && cursor.next_if("0"));
        let named = cursor.peek().is_some_and(|word| word.text == "name");
        if fresh && !named {
            Ok(())
        } else {
            Err(Stop::program("a counter that does not begin at 0 is not translated"))
        }
    }

    fn reject(&mut self, cursor: &mut Cursor) -> Result<RejectWith, Stop> {
        if !cursor.next_if("with") {
            return Ok(match self.family {
                Family::Ip => RejectWith::Icmp(IcmpCode::PortUnreachable),
                Family::Ip6 => RejectWith::Icmpv6(Icmpv6Code::PortUnreachable),
                Family::Inet => RejectWith::Icmpx(IcmpxCode::PortUnreachable),
            });
        }
        let kind = cursor.next("what to reject with")?;
        if kind.text == "tcp" {
            let reset = cursor.next("`reset`")?;
            if reset.text != "reset" {
                return Err(Stop::mistake(reset.range.clone(), "only `tcp reset` is known"));
            }
            imply_protocol(&mut self.matches, Protocol::Tcp, kind)?;
            return Ok(RejectWith::TcpReset);
        }
        cursor.next_if("type");
        let code = cursor.next("the type")?;
        let name = code.text.as_str();
        let (with, known): (_, Vec<&str>) = match kind.text.as_str() {
            "icmp" => {
                self.imply_version(IpVersion::V4, kind)?;
                let row = ICMP.iter().find(|row| row.3 == name);
                (row.map(|row| RejectWith::Icmp(row.0)), ICMP.iter().map(|row| row.3).collect())
            }
            "icmpv6" => {
                self.imply_version(IpVersion::V6, kind)?;
                let row = ICMPV6.iter().find(|row| row.3 == name);
                (row.map(|row| RejectWith::Icmpv6(row.0)), ICMPV6.iter().map(|row| row.3).collect())
            }
            "icmpx" if self.family == Family::Inet => {
                let row = ICMPX.iter().find(|row| row.1 == name);
                (row.map(|row| RejectWith::Icmpx(row.0)), ICMPX.iter().map(|row| row.1).collect())
            }
            "icmpx" => {
                return Err(Stop::mistake(kind.range.clone(), "`icmpx` is only known in the family inet"));
            }
            other => return Err(Stop::program(format!("`reject with {other}` is not translated"))),
        };
        with.ok_or_else(|| {
            Stop::mistake(code.range.clone(), format!("there is no type `{name}` of {}", kind.text))
                .help(format!("there are {}", known.join(", ")))
        })
    }
}

/// Whether a comparison is with `!=`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Negation {
    Yes,
    No,
}

impl Negation {
    fn apply<T>(self, value: T) -> Condition<T> {
        if self == Self::Yes { Condition::IsNot(value) } else { Condition::Is(value) }
    }
}

/// `==`, `!=` or nothing.
fn comparison(cursor: &mut Cursor) -> Result<Negation, Stop> {
    if cursor.next_if("!=") {
        return Ok(Negation::Yes);
    }
    cursor.next_if("==");
    match cursor.peek() {
        Some(word) if word.text == "=" => {
            Err(Stop::mistake(word.range.clone(), "`=` is no comparison").help("write `==` or leave it out"))
        }
        _ => Ok(Negation::No),
    }
}

/// A value that is one word: no set, no variable, no operator.
fn plain_value<'w>(cursor: &mut Cursor<'w>, wanted: &str) -> Result<&'w Word, Stop> {
    let value = cursor.next(wanted)?;
    match value.text.as_str() {
        "{" | "@" | "$" => Err(Stop::program("sets are not translated")),
        // `::` is an address.
        other if other.bytes().all(|byte| byte.is_ascii_punctuation() && byte != b':') => {
            Err(Stop::program(format!("`{other}` is not translated")))
        }
        _ if cursor.peek().is_some_and(|next| ["|", "&", ",", "^"].contains(&next.text.as_str())) => {
            Err(Stop::program("a compound value is not translated"))
        }
        _ => Ok(value),
    }
}

/// Sets a condition that may be set only once.
fn set<T>(member: &mut Option<Condition<T>>, condition: Condition<T>, key: &Word) -> Result<(), Stop> {
    match member.replace(condition) {
        None => Ok(()),
        Some(_) => Err(Stop::program(format!("two conditions on `{}` are not translated", key.text))),
    }
}
