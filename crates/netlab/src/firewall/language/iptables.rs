//! Lines of iptables(8) and ip6tables(8).
//!
//! What is accepted, and what is a mistake, follows iptables 1.8 (`iptables/xshared.c`,
//! `do_parse()`, and `extensions/libxt_tcp.c`), as tried with both of its variants.

use std::ops::Range;

use super::iptables_values::{self as values, Chain};
use super::syntax::Stop;
use super::words::{Grammar, Word, without_program, words};
use crate::address::IpVersion;
use crate::firewall::matches::{Condition, Interface, Matches, Protocol, TcpFlags};
use crate::firewall::reject::RejectWith;
use crate::firewall::rule::{BaseChain, Family, Hook, Operation, Rule, RuleOperation, Tool, Verdict};

/// Reads one line. `tool` is `Iptables` or `Ip6tables`.
pub(in crate::firewall) fn parse(tool: Tool, line: &str) -> Result<RuleOperation, Stop> {
    let words = words(line, Grammar::Shell)?;
    let words = without_program(&words, tool.name());
    let mut draft = Draft::new(tool, words, line.len());
    while draft.option()? {}
    draft.finish()
}

/// What has been read so far.
struct Draft<'w> {
    tool: Tool,
    version: IpVersion,
    words: std::iter::Peekable<std::slice::Iter<'w, Word>>,
    /// The end of the line: the place of what is missing.
    end: usize,
    operation: Option<(Operation, Chain)>,
    matches: Matches,
    /// `-m tcp`, `-m udp`, or an option of theirs, and its place: it needs the protocol.
    needs_protocol: Vec<(Protocol, Range<usize>)>,
    input_range: Range<usize>,
    output_range: Range<usize>,
    target: Option<Target>,
    reject_with: Option<(RejectWith, Range<usize>)>,
}

/// What stood after `-j`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Drop,
    Accept,
    Reject,
}

impl<'w> Draft<'w> {
    fn new(tool: Tool, words: &'w [Word], end: usize) -> Self {
        Self {
            tool,
            version: if tool == Tool::Ip6tables { IpVersion::V6 } else { IpVersion::V4 },
            words: words.iter().peekable(),
            end,
            operation: None,
            matches: Matches::default(),
            needs_protocol: Vec::new(),
            input_range: 0..0,
            output_range: 0..0,
            target: None,
            reject_with: None,
        }
    }

    /// Reads one option with its values; false at the end of the line.
    fn option(&mut self) -> Result<bool, Stop> {
        let Some(first) = self.words.next() else { return Ok(false) };
        let negation = (first.text == "!" && !first.quoted).then_some(first);
        let word = match negation {
            None => first,
            Some(mark) => self.words.next().ok_or_else(|| self.missing("an option", &mark.text))?,
        };
        let (name, attached) = split_attached(word);
        let mut option = Value { draft: self, word, attached, negated: negation.is_some() };
        match name {
            "-A" | "--append" => option.operation(Operation::Append)?,
            "-I" | "--insert" => option.operation(Operation::Insert)?,
            "-D" | "--delete" => option.operation(Operation::Delete)?,
            "-t" | "--table" => option.table()?,
            "-p" | "--protocol" | "--proto" => option.protocol()?,
            "-s" | "--source" | "--src" => option.address(|matches| &mut matches.source)?,
            "-d" | "--destination" | "--dst" => option.address(|matches| &mut matches.destination)?,
            "-i" | "--in-interface" => {
                option.draft.input_range = word.range.clone();
                option.interface(|matches| &mut matches.input_interface)?;
            }
            "-o" | "--out-interface" => {
                option.draft.output_range = word.range.clone();
                option.interface(|matches| &mut matches.output_interface)?;
            }
            "--sport" | "--source-port" => option.port(|matches| &mut matches.source_port)?,
            "--dport" | "--destination-port" => option.port(|matches| &mut matches.destination_port)?,
            "--tcp-flags" => option.tcp_flags()?,
            "--syn" => {
                option.needs(&[Protocol::Tcp])?;
                option.set(|matches| &mut matches.tcp_flags, TcpFlags::SYN)?;
            }
            "-m" | "--match" => option.extension()?,
            "-j" | "--jump" => option.target()?,
            "--reject-with" => option.reject_with()?,
            "-w" | "--wait" => {
                self.words.next_if(|next| next.text.bytes().all(|byte| byte.is_ascii_digit()));
            }
            "-v" | "--verbose" | "-n" | "--numeric" => {}
            "-4" | "--ipv4" if self.version == IpVersion::V4 => {}
            "-6" | "--ipv6" if self.version == IpVersion::V6 => {}
            option if option.len() > 1 && option.starts_with('-') => {
                return Err(Stop::program(format!("option `{}` is not translated", word.text)));
            }
            "!" => return Err(Stop::mistake(word.range.clone(), "a second `!` follows the first")),
            other => {
                let message = format!("`{other}` is neither an option nor the value of one");
                return Err(Stop::mistake(word.range.clone(), message));
            }
        }
        Ok(true)
    }

    fn missing(&self, what: &str, after: &str) -> Stop {
        Stop::mistake(self.end..self.end, format!("{what} is missing after `{after}`"))
    }

    /// The whole rule, once the line is read.
    fn finish(self) -> Result<RuleOperation, Stop> {
        let Some((operation, chain)) = self.operation else {
            return Err(Stop::mistake(self.end..self.end, "the command is missing")
                .help("begin with -A CHAIN (append), -I CHAIN (insert) or -D CHAIN (delete)"));
        };
        let protocol = self.matches.protocol;
        for (needed, range) in self.needs_protocol {
            if protocol != Some(Condition::Is(needed)) {
                return Err(Stop::mistake(range, format!("`-m {needed}` needs `-p {needed}`")));
            }
        }
        let hook = chain.hook();
        if hook == Hook::Output && !self.input_range.is_empty() {
            return Err(Stop::mistake(self.input_range, "a packet in OUTPUT came in by no interface")
                .help("use -o, or the chain INPUT"));
        }
        if hook == Hook::Input && !self.output_range.is_empty() {
            return Err(Stop::mistake(self.output_range, "a packet in INPUT goes out by no interface")
                .help("use -i, or the chain OUTPUT"));
        }
        if let Some((RejectWith::TcpReset, range)) = &self.reject_with
            && protocol != Some(Condition::Is(Protocol::Tcp))
        {
            return Err(Stop::mistake(range.clone(), "`--reject-with tcp-reset` needs `-p tcp`"));
        }
        let verdict = match self.target {
            None => Verdict::Count,
            Some(Target::Drop) => Verdict::Drop,
            Some(Target::Accept) => Verdict::Accept,
            Some(Target::Reject) => Verdict::Reject(match self.reject_with {
                Some((with, _)) => with,
                None => values::default_reject(self.version),
            }),
        };
        let family = if self.version == IpVersion::V4 { Family::Ip } else { Family::Ip6 };
        let chain = BaseChain {
            family,
            table: "filter".to_owned(),
            name: chain.name().to_owned(),
            hook,
            priority: 0,
        };
        Ok(RuleOperation { tool: self.tool, operation, rule: Rule { chain, matches: self.matches, verdict } })
    }
}

/// `--name=value` is a name and a value; everything else is a name alone.
fn split_attached(word: &Word) -> (&str, Option<&str>) {
    match word.text.split_once('=') {
        Some((name, value)) if name.starts_with("--") => (name, Some(value)),
        _ => (&word.text, None),
    }
}

/// One option whose values are being read.
struct Value<'d, 'w> {
    draft: &'d mut Draft<'w>,
    word: &'w Word,
    attached: Option<&'w str>,
    negated: bool,
}

impl<'w> Value<'_, 'w> {
    /// The next value, with its place.
    fn next(&mut self) -> Result<(&'w str, Range<usize>), Stop> {
        if let Some(attached) = self.attached.take() {
            return Ok((attached, self.word.range.clone()));
        }
        match self.draft.words.next() {
            Some(value) => Ok((&value.text, value.range.clone())),
            None => Err(self.draft.missing("a value", &self.word.text)),
        }
    }

    fn mistake(&self, message: impl Into<String>) -> Stop {
        Stop::mistake(self.word.range.clone(), message)
    }

    fn not_negated(&self) -> Result<(), Stop> {
        if self.negated { Err(self.mistake(format!("`{}` has no opposite", self.word.text))) } else { Ok(()) }
    }

    /// Sets a condition that may be set only once.
    fn set<T>(
        &mut self,
        member: impl FnOnce(&mut Matches) -> &mut Option<Condition<T>>,
        value: T,
    ) -> Result<(), Stop> {
        let condition = if self.negated { Condition::IsNot(value) } else { Condition::Is(value) };
        match member(&mut self.draft.matches).replace(condition) {
            None => Ok(()),
            Some(_) => Err(self.mistake(format!("`{}` is given a second time", self.word.text))),
        }
    }

    fn operation(&mut self, operation: Operation) -> Result<(), Stop> {
        self.not_negated()?;
        if self.draft.operation.is_some() {
            return Err(self.mistake("a line holds one command only"));
        }
        let (name, range) = self.next()?;
        let chain = Chain::from_name(name, range)?;
        let number = self.draft.words.next_if(|next| !next.text.starts_with('-') && next.text != "!");
        if let Some(number) = number {
            values::position(operation, number)?;
        }
        self.draft.operation = Some((operation, chain));
        Ok(())
    }

    fn table(&mut self) -> Result<(), Stop> {
        self.not_negated()?;
        let (name, range) = self.next()?;
        values::table(name, range)
    }

    fn protocol(&mut self) -> Result<(), Stop> {
        let (name, range) = self.next()?;
        match values::protocol(name, range.clone())? {
            Some(protocol) => self.set(|matches| &mut matches.protocol, protocol),
            None if self.negated => Err(Stop::mistake(range, "no packet has no protocol")),
            None => Ok(()),
        }
    }

    fn address(
        &mut self,
        member: impl FnOnce(&mut Matches) -> &mut Option<Condition<crate::firewall::address::Cidr>>,
    ) -> Result<(), Stop> {
        let (text, range) = self.next()?;
        let cidr = values::address(text, range, self.draft.version)?;
        if cidr.prefix() == 0 && self.negated {
            return Err(Stop::program("the opposite of every address is not translated"));
        }
        self.set(member, cidr)
    }

    fn interface(
        &mut self,
        member: impl FnOnce(&mut Matches) -> &mut Option<Condition<Interface>>,
    ) -> Result<(), Stop> {
        let (name, range) = self.next()?;
        match values::interface(name, range)? {
            Some(interface) => self.set(member, interface),
            None if self.negated => Err(Stop::program("the opposite of every interface is not translated")),
            None => Ok(()),
        }
    }

    /// An option of an extension that `-p` or `-m` must have brought in before it.
    fn needs(&self, protocols: &[Protocol]) -> Result<(), Stop> {
        let option = split_attached(self.word).0;
        let loaded = self.draft.needs_protocol.iter().any(|(protocol, _)| protocols.contains(protocol));
        match self.draft.matches.protocol {
            Some(Condition::Is(protocol)) if protocols.contains(&protocol) => Ok(()),
            _ if loaded => Ok(()),
            Some(Condition::Is(Protocol::Number(number))) => {
                Err(Stop::program(format!("`{option}` of protocol {number} is not translated")))
            }
            _ => {
                let wanted: Vec<String> =
                    protocols.iter().map(|protocol| format!("`-p {protocol}`")).collect();
                let wanted = wanted.join(" or ");
                Err(self.mistake(format!("`{option}` needs {wanted} before it")))
            }
        }
    }

    fn port(
        &mut self,
        member: impl FnOnce(&mut Matches) -> &mut Option<Condition<crate::firewall::matches::PortRange>>,
    ) -> Result<(), Stop> {
        self.needs(&[Protocol::Tcp, Protocol::Udp])?;
        let (text, range) = self.next()?;
        let ports = values::ports(text, range)?;
        if self.negated && ports.first() == 0 && ports.last() == u16::MAX {
            return Err(Stop::program("the opposite of every port is not translated"));
        }
        self.set(member, ports)
    }

    fn tcp_flags(&mut self) -> Result<(), Stop> {
        self.needs(&[Protocol::Tcp])?;
        let (mask, mask_range) = self.next()?;
        let mask = values::tcp_flags(mask, &mask_range)?;
        let (value, value_range) = self.next()?;
        let value = values::tcp_flags(value, &value_range)?;
        self.set(|matches| &mut matches.tcp_flags, TcpFlags { mask, value })
    }

    fn extension(&mut self) -> Result<(), Stop> {
        self.not_negated()?;
        let (name, _) = self.next()?;
        let protocol = match name {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            other => return Err(Stop::program(format!("match `{other}` is not translated"))),
        };
        self.draft.needs_protocol.push((protocol, self.word.range.clone()));
        Ok(())
    }

    fn target(&mut self) -> Result<(), Stop> {
        self.not_negated()?;
        if self.draft.target.is_some() {
            return Err(self.mistake("a rule has one target only"));
        }
        let (name, range) = self.next()?;
        self.draft.target = Some(match name {
            "DROP" => Target::Drop,
            "ACCEPT" => Target::Accept,
            "REJECT" => Target::Reject,
            other if ["DROP", "ACCEPT", "REJECT"].contains(&other.to_ascii_uppercase().as_str()) => {
                return Err(Stop::mistake(range, format!("there is no target `{other}`"))
                    .help(format!("write `{}`", other.to_ascii_uppercase())));
            }
            other => return Err(Stop::program(format!("target `{other}` is not translated"))),
        });
        Ok(())
    }

    fn reject_with(&mut self) -> Result<(), Stop> {
        self.not_negated()?;
        if self.draft.target != Some(Target::Reject) {
            return Err(self.mistake("`--reject-with` needs `-j REJECT` before it"));
        }
        if self.draft.reject_with.is_some() {
            return Err(self.mistake("`--reject-with` is given a second time"));
        }
        let (name, range) = self.next()?;
        let with = values::reject_with(name, &range, self.draft.version)?;
        self.draft.reject_with = Some((with, range));
        Ok(())
    }
}
