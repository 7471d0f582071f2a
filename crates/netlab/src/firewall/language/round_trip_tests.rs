//! Whatever is read can be shown, and what is shown is read back as the same.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::option::of;
use proptest::prelude::*;

use super::iptables_values::IPTABLES_FLAGS;
use crate::address::IpVersion;
use crate::firewall::reject::{ICMP, ICMPV6, ICMPX};
use crate::firewall::{
    BaseChain, Cidr, Condition, Family, Hook, Interface, Matches, Operation, Parsed, PortRange, Protocol,
    RejectWith, Rule, RuleOperation, TcpFlags, Tool, Verdict, parse, plan,
};

fn condition<T: std::fmt::Debug + Clone>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Condition<T>> {
    (value, any::<bool>())
        .prop_map(|(value, negated)| if negated { Condition::IsNot(value) } else { Condition::Is(value) })
}

fn interface() -> impl Strategy<Value = Interface> {
    ("[a-z][a-z0-9_.-]{0,13}", any::<bool>()).prop_map(|(name, wildcard)| {
        if wildcard { Interface::beginning_with(&name) } else { Interface::named(&name) }
            .expect("a plain name")
    })
}

/// An address condition; the opposite of all addresses is no condition that is translated.
fn address(version: IpVersion) -> impl Strategy<Value = Condition<Cidr>> {
    let cidr = match version {
        IpVersion::V4 => (any::<u32>(), 0..=32_u8)
            .prop_map(|(bits, prefix)| Cidr::new(Ipv4Addr::from_bits(bits).into(), prefix))
            .boxed(),
        IpVersion::V6 => (any::<u128>(), 0..=128_u8)
            .prop_map(|(bits, prefix)| Cidr::new(Ipv6Addr::from_bits(bits).into(), prefix))
            .boxed(),
    };
    condition(cidr.prop_map(|cidr| cidr.expect("the prefix fits")))
        .prop_map(|one| if one.value().prefix() == 0 { Condition::Is(*one.value()) } else { one })
}

fn ports() -> impl Strategy<Value = Condition<PortRange>> {
    condition(
        (any::<u16>(), any::<u16>()).prop_map(|(a, b)| PortRange::new(a.min(b), a.max(b)).expect("in order")),
    )
    .prop_filter("the opposite of all ports", |one| {
        !one.is_negated() || (one.value().first(), one.value().last()) != (0, u16::MAX)
    })
}

fn flags(known: u8) -> impl Strategy<Value = Condition<TcpFlags>> {
    condition(
        (any::<u8>(), any::<u8>())
            .prop_map(move |(mask, value)| TcpFlags { mask: mask & known, value: value & known }),
    )
}

/// Protocol, ports and flags that go together.
fn transport(known_flags: u8) -> impl Strategy<Value = Matches> {
    let tcp = (of(ports()), of(ports()), of(flags(known_flags))).prop_map(
        |(source_port, destination_port, tcp_flags)| {
            let protocol = Some(Condition::Is(Protocol::Tcp));
            Matches { protocol, source_port, destination_port, tcp_flags, ..Matches::default() }
        },
    );
    let udp = (of(ports()), of(ports())).prop_map(|(source_port, destination_port)| {
        let protocol = Some(Condition::Is(Protocol::Udp));
        Matches { protocol, source_port, destination_port, ..Matches::default() }
    });
    let other = of(condition((1..=255_u8).prop_map(Protocol::from_number)))
        .prop_map(|protocol| Matches { protocol, ..Matches::default() });
    prop_oneof![tcp, udp, other]
}

fn verdict(family: Family, tcp: bool) -> impl Strategy<Value = Verdict> {
    let kinds: Vec<RejectWith> = match family {
        Family::Ip => ICMP.iter().map(|row| RejectWith::Icmp(row.0)).collect(),
        Family::Ip6 => ICMPV6.iter().map(|row| RejectWith::Icmpv6(row.0)).collect(),
        Family::Inet => ICMPX.iter().map(|row| RejectWith::Icmpx(row.0)).collect(),
    };
    let kinds: Vec<RejectWith> = kinds.into_iter().chain(tcp.then_some(RejectWith::TcpReset)).collect();
    prop_oneof![
        Just(Verdict::Drop),
        Just(Verdict::Accept),
        Just(Verdict::Count),
        prop::sample::select(kinds).prop_map(Verdict::Reject)
    ]
}

/// The conditions and the verdict of a rule in a table of this family.
fn body(family: Family, hook: Hook, known_flags: u8) -> impl Strategy<Value = (Matches, Verdict)> {
    let version = match family {
        Family::Ip => Just(Some(IpVersion::V4)).boxed(),
        Family::Ip6 => Just(Some(IpVersion::V6)).boxed(),
        Family::Inet => of(prop_oneof![Just(IpVersion::V4), Just(IpVersion::V6)]).boxed(),
    };
    let addresses = version.prop_flat_map(|version| match version {
        Some(version) => (Just(Some(version)), of(address(version)), of(address(version))).boxed(),
        None => (Just(None), Just(None), Just(None)).boxed(),
    });
    (addresses, of(condition(interface())), of(condition(interface())), transport(known_flags)).prop_flat_map(
        move |((version, source, destination), input, output, transport)| {
            let matches = Matches {
                version: version.filter(|_| family == Family::Inet),
                input_interface: input.filter(|_| hook != Hook::Output),
                output_interface: output.filter(|_| hook != Hook::Input),
                source,
                destination,
                ..transport
            };
            let tcp = matches.protocol == Some(Condition::Is(Protocol::Tcp));
            (Just(matches), verdict(family, tcp))
        },
    )
}

fn iptables_operation() -> impl Strategy<Value = RuleOperation> {
    let operation = prop_oneof![Just(Operation::Append), Just(Operation::Insert), Just(Operation::Delete)];
    let chain = prop::sample::select(vec!["INPUT", "FORWARD", "OUTPUT"]);
    (any::<bool>(), operation, chain).prop_flat_map(|(ipv6, operation, name)| {
        let (tool, family) = if ipv6 { (Tool::Ip6tables, Family::Ip6) } else { (Tool::Iptables, Family::Ip) };
        let chain = BaseChain::usual(family, "filter", name).expect("a hook's name");
        body(family, chain.hook, IPTABLES_FLAGS).prop_map(move |(matches, verdict)| RuleOperation {
            tool,
            operation,
            rule: Rule { chain: chain.clone(), matches, verdict },
        })
    })
}

fn nft_operation() -> impl Strategy<Value = RuleOperation> {
    let operation = prop_oneof![Just(Operation::Append), Just(Operation::Insert)];
    let family = prop::sample::select(Family::ALL.to_vec());
    let hook = prop::sample::select(Hook::ALL.to_vec());
    (operation, family, "[a-zA-Z][a-zA-Z0-9_.-]{0,20}", hook).prop_flat_map(
        |(operation, family, table, hook)| {
            let table = if Family::from_name(&table).is_some() { "filter".to_owned() } else { table };
            let chain = BaseChain::usual(family, &table, hook.name()).expect("a hook's name");
            body(family, hook, 0xff).prop_map(move |(matches, verdict)| RuleOperation {
                tool: Tool::Nft,
                operation,
                rule: Rule { chain: chain.clone(), matches, verdict },
            })
        },
    )
}

/// Text that looks like rules more often than chance would have it.
fn scraps() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "-A",
        "-I",
        "-D",
        "INPUT",
        "OUTPUT",
        "-p",
        "tcp",
        "udp",
        "!",
        "--sport",
        "--dport=1:",
        "7654",
        "-s",
        "::1/64",
        "198.18.0.1/15",
        "--tcp-flags",
        "SYN,ACK",
        "-j",
        "DROP",
        "REJECT",
        "--reject-with",
        "add",
        "rule",
        "inet",
        "filter",
        "input",
        "ip",
        "ip6",
        "saddr",
        "daddr",
        "dport",
        "flags",
        "&",
        "(",
        "|",
        ")",
        "==",
        "!=",
        "/",
        ",",
        "meta",
        "l4proto",
        "iifname",
        "\"eth*\"",
        "'",
        "\"",
        "\\",
        "counter",
        "packets",
        "0",
        "reject",
        "with",
        "icmp",
        "type",
        "drop",
        "{",
        "}",
        ";",
        "ä",
        "-t",
        "-w",
        "--table=nat",
        "sudo",
        "nft",
        "iptables",
    ]);
    prop::collection::vec(prop_oneof![4 => words.prop_map(str::to_owned), 1 => ".{0,8}"], 0..14)
        .prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn an_iptables_rule_shown_is_read_back_as_the_same(operation in iptables_operation()) {
        let line = operation.to_string();
        prop_assert_eq!(parse(operation.tool, &line), Ok(Parsed::Translated(operation)), "{}", line);
    }

    #[test]
    fn an_nft_rule_shown_is_read_back_as_the_same(operation in nft_operation()) {
        let line = operation.to_string();
        prop_assert_eq!(parse(Tool::Nft, &line), Ok(Parsed::Translated(operation)), "{}", line);
    }

    #[test]
    fn no_line_makes_the_parsers_panic(line in prop_oneof![scraps(), any::<String>()]) {
        for tool in Tool::ALL {
            for planned in plan(&[(tool, &line)]) {
                if let Err(error) = planned {
                    prop_assert!(line.get(error.range.clone()).is_some(), "{:?} is no part of {:?}", error, line);
                }
            }
        }
    }
}
