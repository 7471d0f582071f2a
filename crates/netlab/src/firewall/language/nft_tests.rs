//! Lines of nft as people paste them.

use crate::firewall::{Hook, Parsed, Tool, parse};

/// The line as it was understood, in canonical words.
fn understood(line: &str) -> String {
    match parse(Tool::Nft, line) {
        Ok(Parsed::Translated(operation)) => operation.to_string(),
        other => panic!("`{line}`: {other:?}"),
    }
}

#[test]
fn the_common_forms_are_understood() {
    for (line, canonical) in [
        ("tcp dport 7654 drop", "tcp dport 7654 counter drop"),
        ("tcp sport 7654 counter drop", "tcp sport 7654 counter drop"),
        ("tcp sport == 7654 counter packets 0 bytes 0 drop", "tcp sport 7654 counter drop"),
        ("tcp dport != 7650-7660 accept", "tcp dport != 7650-7660 counter accept"),
        ("udp sport 53 udp dport 1024-65535 drop", "udp sport 53 udp dport 1024-65535 counter drop"),
        ("ip saddr 198.19.0.1/15 drop", "ip saddr 198.18.0.0/15 counter drop"),
        ("ip saddr != 198.18.0.1 tcp dport 7 drop", "ip saddr != 198.18.0.1 tcp dport 7 counter drop"),
        ("ip6 daddr 2001:db8::/32 drop", "ip6 daddr 2001:db8::/32 counter drop"),
        ("ip6 saddr ::/0 ip6 daddr :: drop", "ip6 saddr ::/0 ip6 daddr :: counter drop"),
        ("iifname eth0 drop", "iifname \"eth0\" counter drop"),
        ("iifname \"eth*\" oifname != \"lo\" drop", "iifname \"eth*\" oifname != \"lo\" counter drop"),
        ("meta iifname lo meta l4proto udp drop", "iifname \"lo\" meta l4proto udp counter drop"),
        ("meta l4proto != tcp drop", "meta l4proto != tcp counter drop"),
        ("meta l4proto 47 drop", "meta l4proto 47 counter drop"),
        ("ip protocol tcp drop", "meta nfproto ipv4 meta l4proto tcp counter drop"),
        ("ip protocol tcp tcp dport 7 drop", "meta nfproto ipv4 tcp dport 7 counter drop"),
        ("meta nfproto ipv6 drop", "meta nfproto ipv6 counter drop"),
        ("meta nfproto != ipv6 drop", "meta nfproto ipv4 counter drop"),
        ("tcp flags syn drop", "tcp flags & syn != 0x0 counter drop"),
        ("tcp flags syn,ack drop", "tcp flags & (syn | ack) != 0x0 counter drop"),
        ("tcp flags ! syn drop", "tcp flags & syn == 0x0 counter drop"),
        (
            "tcp flags & (fin|syn|rst|ack) == syn drop",
            "tcp flags & (fin | syn | rst | ack) == syn counter drop",
        ),
        ("tcp flags syn / fin,syn,rst,ack drop", "tcp flags & (fin | syn | rst | ack) == syn counter drop"),
        ("tcp flags != syn / fin,syn drop", "tcp flags & (fin | syn) != syn counter drop"),
        (
            "tcp flags == syn drop",
            "tcp flags & (fin | syn | rst | psh | ack | urg | ecn | cwr) == syn counter drop",
        ),
        ("tcp flags & 0x17 == 0x2 drop", "tcp flags & (fin | syn | rst | ack) == syn counter drop"),
        ("tcp dport 7", "tcp dport 7 counter"),
        ("counter", "counter"),
        ("reject", "counter reject with icmpx type port-unreachable"),
        ("tcp dport 7 reject with tcp reset", "tcp dport 7 counter reject with tcp reset"),
        ("reject with tcp reset", "meta l4proto tcp counter reject with tcp reset"),
        (
            "reject with icmp type host-unreachable",
            "meta nfproto ipv4 counter reject with icmp type host-unreachable",
        ),
        ("reject with icmpv6 no-route", "meta nfproto ipv6 counter reject with icmpv6 type no-route"),
        ("reject with icmpx type admin-prohibited", "counter reject with icmpx type admin-prohibited"),
    ] {
        let canonical = format!("add rule inet filter input {canonical}");
        assert_eq!(understood(&format!("add rule inet filter input {line}")), canonical, "{line}");
        assert_eq!(understood(&canonical), canonical);
    }
}

#[test]
fn the_head_of_a_line_tells_the_chain() {
    for (line, canonical) in [
        ("nft add rule inet filter output drop", "add rule inet filter output counter drop"),
        ("sudo nft insert rule ip6 my-table Forward drop", "insert rule ip6 my-table Forward counter drop"),
        ("sudo nft 'add rule inet filter input drop;'", "add rule inet filter input counter drop"),
        ("add rule filter INPUT drop", "add rule ip filter INPUT counter drop"),
        ("add rule ip filter prerouting drop", "add rule ip filter prerouting counter drop"),
    ] {
        assert_eq!(understood(line), canonical, "{line}");
    }
    let Ok(Parsed::Translated(operation)) = parse(Tool::Nft, "add rule inet f PostRouting drop") else {
        panic!()
    };
    assert_eq!(operation.rule.chain.hook, Hook::Postrouting);
}

#[test]
fn a_rule_of_the_family_ip_rejects_as_nft_does() {
    assert_eq!(
        understood("add rule ip f input reject"),
        "add rule ip f input counter reject with icmp type port-unreachable"
    );
    assert_eq!(
        understood("add rule ip6 f input reject"),
        "add rule ip6 f input counter reject with icmpv6 type port-unreachable"
    );
}

#[test]
fn what_is_not_translated_is_left_to_the_program_with_the_reason() {
    for (line, reason) in [
        ("flush ruleset", "command `flush` is not translated"),
        ("add table inet filter", "`add table` is not translated"),
        ("delete rule inet filter input handle 4", "command `delete` is not translated"),
        ("add rule netdev f ingress drop", "family `netdev` is not translated"),
        (
            "add rule inet f mine drop",
            "chain `mine` has no usual hook: it must have been made by `add chain`",
        ),
        ("add rule inet f input position 4 drop", "placing a rule beside another is not translated"),
        ("add rule inet f input tcp dport { 7, 8 } drop", "sets are not translated"),
        ("add rule inet f input tcp dport @ports drop", "sets are not translated"),
        ("add rule inet f input tcp dport ssh drop", "the port `ssh` is not a plain number"),
        ("add rule inet f input tcp dport > 1024 drop", "`>` is not translated"),
        ("add rule inet f input meta skuid 0 drop", "`meta skuid` is not translated"),
        ("add rule inet f input ct state new drop", "`ct` is not translated"),
        ("add rule inet f input limit rate 1/second drop", "`limit` is not translated"),
        ("add rule inet f input counter tcp dport 7 drop", "a match after `counter` is not translated"),
        ("add rule inet f input drop comment \"why\"", "`comment` is not translated"),
        (
            "add rule inet f input tcp dport 7 tcp dport 8 drop",
            "two conditions on `dport` are not translated",
        ),
        (
            "add rule inet f input ip saddr 198.18.0.1-198.18.0.9 drop",
            "a range of addresses is not translated",
        ),
        (
            "add rule inet f input tcp dport 7 drop; add rule inet f input drop",
            "several commands in one are not translated",
        ),
        ("add rule inet f input jump other", "`jump` is not translated"),
        ("add rule inet f input ip6 nexthdr tcp drop", "`ip6 nexthdr` is not translated"),
        ("add rule inet f input tcp flags { syn } drop", "sets are not translated"),
    ] {
        match parse(Tool::Nft, line) {
            Ok(Parsed::NeedsProgram { why }) if why == reason => {}
            other => panic!("`{line}`: {other:?}"),
        }
    }
}

#[test]
fn a_mistake_is_told_with_its_place() {
    for (statements, place, message) in [
        ("tcp dport 99999 drop", "99999", "there is no port 99999"),
        ("tcp dport 20-10 drop", "20-10", "20 is above 10: no port is in between"),
        ("tcp dport = 8 drop", "=", "`=` is no comparison"),
        ("tcp dport 7 udp sport 5 drop", "sport", "no packet is udp and, as said before, tcp"),
        ("meta l4proto udp reject with tcp reset", "tcp", "no packet is tcp and, as said before, udp"),
        ("meta l4proto tpc drop", "tpc", "there is no protocol `tpc`"),
        ("ip6 saddr ::1 ip saddr 198.18.0.1 drop", "saddr", "no packet is IPv4 and IPv6 at once"),
        ("ip saddr ::1 drop", "::1", "`::1` is no address of the protocol before it"),
        ("ip saddr localhost drop", "localhost", "`localhost` is not an address"),
        ("ip saddr 198.18.0.1/33 drop", "198.18.0.1", "`/33` is not a prefix of `198.18.0.1`"),
        ("drop counter", "counter", "nothing may follow `drop`"),
        (
            "iifname averyverylongname drop",
            "averyverylongname",
            "`averyverylongname` is longer than the 15 bytes of a name",
        ),
        ("reject with icmp type nothing", "nothing", "there is no type `nothing` of icmp"),
        ("tcp flags & syn drop", "drop", "`==` or `!=` is missing after the mask"),
        ("tcp flags foo drop", "foo", "there is no TCP flag `foo`"),
        ("tcp dport", "", "the port is missing"),
        ("", "", "the rule is missing"),
    ] {
        let line = format!("add rule inet filter input {statements}");
        let error = parse(Tool::Nft, &line).expect_err(&line);
        assert_eq!(error.message, message, "{line}");
        assert_eq!(&line[error.range.clone()], place, "{line}");
    }
}

#[test]
fn the_head_of_a_line_can_be_wrong() {
    for (line, message) in [
        ("", "a command is missing"),
        ("add rule inet filter", "the chain is missing"),
        ("nft -a add rule inet filter input drop", "options of nft have no meaning here"),
        ("add rule ip f input meta nfproto ipv4 drop", "`meta nfproto` is only useful in the family inet"),
        ("add rule ip f input reject with icmpx type no-route", "`icmpx` is only known in the family inet"),
        ("add rule ip f input ip6 saddr ::1 drop", "no packet is IPv4 and IPv6 at once"),
    ] {
        assert_eq!(parse(Tool::Nft, line).expect_err(line).message, message);
    }
}
