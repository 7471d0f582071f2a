//! Lines of iptables and ip6tables as people paste them.

use crate::firewall::{Parsed, RuleSyntaxError, Tool, parse};

fn read(line: &str) -> Result<Parsed, RuleSyntaxError> {
    parse(Tool::Iptables, line)
}

/// The line as it was understood, in canonical words.
fn understood(tool: Tool, line: &str) -> String {
    match parse(tool, line) {
        Ok(Parsed::Translated(operation)) => operation.to_string(),
        other => panic!("`{line}`: {other:?}"),
    }
}

#[test]
fn the_rules_of_the_origin_are_understood_verbatim() {
    for line in [
        "-A OUTPUT -p tcp --sport 7654 -j DROP",
        "-A INPUT -p tcp --dport 7654 -j DROP",
        "-A INPUT -s 198.18.0.1 -p tcp --dport 7654 -j DROP",
    ] {
        assert_eq!(understood(Tool::Iptables, line), line);
    }
}

#[test]
fn many_ways_to_write_a_rule_mean_the_same() {
    let same = "-A OUTPUT -p tcp --sport 7654 -j DROP";
    for line in [
        "iptables -A OUTPUT -p tcp --sport 7654 -j DROP",
        "sudo iptables -A OUTPUT -p tcp --sport 7654 -j DROP",
        "sudo /usr/sbin/iptables -w -A OUTPUT -p tcp --sport 7654 -j DROP",
        "-w 5 -A OUTPUT -p tcp -m tcp --sport 7654 -j DROP",
        "-t filter -A OUTPUT -p 6 --sport 7654 -j DROP",
        "--append OUTPUT --protocol tcp --source-port 7654 --jump DROP",
        "--append=OUTPUT --protocol=TCP --sport=7654 --jump=DROP",
        "  -A   OUTPUT -p 'tcp' --sport \"7654\" -j DROP  ",
        "-A OUTPUT -j DROP -p tcp --sport 7654:7654",
        "-4 -v -n -A OUTPUT -p tcp --sport 7654 -j DROP",
    ] {
        assert_eq!(understood(Tool::Iptables, line), same, "{line}");
    }
}

#[test]
fn every_translated_option_is_understood() {
    for (line, canonical) in [
        ("-I INPUT -j ACCEPT", "-I INPUT -j ACCEPT"),
        ("-I INPUT 1 -j ACCEPT", "-I INPUT -j ACCEPT"),
        ("-D FORWARD -p udp -j DROP", "-D FORWARD -p udp -j DROP"),
        ("--delete INPUT -p icmp -j DROP", "-D INPUT -p icmp -j DROP"),
        ("-A INPUT", "-A INPUT"),
        ("-A INPUT -s 198.19.7.9/15 -j DROP", "-A INPUT -s 198.18.0.0/15 -j DROP"),
        ("-A INPUT -s 198.18.0.9/255.255.255.0 -j DROP", "-A INPUT -s 198.18.0.0/24 -j DROP"),
        ("-A INPUT ! --src 198.18.0.1 -j DROP", "-A INPUT ! -s 198.18.0.1 -j DROP"),
        ("-A INPUT --destination 198.18.0.1/32 -j DROP", "-A INPUT -d 198.18.0.1 -j DROP"),
        ("-A FORWARD -i eth+ ! -o eth1 -j DROP", "-A FORWARD -i eth+ ! -o eth1 -j DROP"),
        ("-A FORWARD -i + -j DROP", "-A FORWARD -j DROP"),
        ("-A INPUT ! -p tcp -j DROP", "-A INPUT ! -p tcp -j DROP"),
        ("-A INPUT -p gre -j DROP", "-A INPUT -p 47 -j DROP"),
        ("-A INPUT -p tcp ! --dport 1024: -j DROP", "-A INPUT -p tcp ! --dport 1024:65535 -j DROP"),
        ("-A INPUT -p udp -m udp --sport :53 -j DROP", "-A INPUT -p udp --sport 0:53 -j DROP"),
        ("-A INPUT -p tcp --syn -j DROP", "-A INPUT -p tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP"),
        ("-A INPUT -p tcp ! --syn -j DROP", "-A INPUT -p tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP"),
        ("-A INPUT -p tcp --tcp-flags all none -j DROP", "-A INPUT -p tcp --tcp-flags ALL NONE -j DROP"),
        ("-A INPUT -p tcp --tcp-flags=RST RST -j DROP", "-A INPUT -p tcp --tcp-flags RST RST -j DROP"),
        ("-A INPUT -j REJECT", "-A INPUT -j REJECT --reject-with icmp-port-unreachable"),
        (
            "-A INPUT -p tcp -j REJECT --reject-with tcp-reset",
            "-A INPUT -p tcp -j REJECT --reject-with tcp-reset",
        ),
        (
            "-A INPUT -j REJECT --reject-with host-prohib",
            "-A INPUT -j REJECT --reject-with icmp-host-prohibited",
        ),
    ] {
        assert_eq!(understood(Tool::Iptables, line), canonical, "{line}");
    }
}

#[test]
fn ip6tables_speaks_of_ipv6() {
    for (line, canonical) in [
        ("ip6tables -A INPUT -s 2001:db8::1 -p tcp -j DROP", "-A INPUT -s 2001:db8::1 -p tcp -j DROP"),
        ("-A INPUT -d 2001:db8::9/32 -j DROP", "-A INPUT -d 2001:db8::/32 -j DROP"),
        ("-A INPUT -s ::1/ffff:: -j DROP", "-A INPUT -s ::/16 -j DROP"),
        ("-A INPUT -p icmpv6 -j DROP", "-A INPUT -p ipv6-icmp -j DROP"),
        ("-A INPUT -j REJECT", "-A INPUT -j REJECT --reject-with icmp6-port-unreachable"),
        (
            "-A INPUT -j REJECT --reject-with addr-unreach",
            "-A INPUT -j REJECT --reject-with icmp6-addr-unreachable",
        ),
    ] {
        assert_eq!(understood(Tool::Ip6tables, line), canonical, "{line}");
    }
}

#[test]
fn what_is_not_translated_is_left_to_the_program_with_the_reason() {
    for (line, reason) in [
        ("-A OUTPUT -p tcp --sport 7654 -m owner --uid-owner 0 -j DROP", "match `owner` is not translated"),
        ("-A INPUT -m conntrack --ctstate NEW -j DROP", "match `conntrack` is not translated"),
        ("-A INPUT -p tcp -m multiport --dports 1,2 -j DROP", "match `multiport` is not translated"),
        (
            "-A INPUT -m statistic --mode random --probability 0.5 -j DROP",
            "match `statistic` is not translated",
        ),
        ("-t nat -A POSTROUTING -j MASQUERADE", "table `nat` is not translated"),
        ("-A INPUT -j LOG", "target `LOG` is not translated"),
        ("-P INPUT DROP", "option `-P` is not translated"),
        ("-F", "option `-F` is not translated"),
        ("-N quiet", "option `-N` is not translated"),
        ("-A quiet -j DROP", "chain `quiet` is not built in"),
        ("-I INPUT 2 -j DROP", "inserting before a later rule is not translated"),
        ("-D INPUT 1", "deleting by number is not translated"),
        ("-A INPUT -s 198.18.0.1,198.18.0.2 -j DROP", "a list of addresses is not translated"),
        ("-A INPUT -s 10/8 -j DROP", "the shortened address `10` is not translated"),
        ("-A INPUT -s 10.0.0.1/255.0.255.0 -j DROP", "the mask `255.0.255.0` with holes is not translated"),
        ("-A INPUT -p tcp --dport ssh -j DROP", "the port `ssh` is not a plain number"),
        ("-A INPUT -p tcp --dport 0x10 -j DROP", "the port `0x10` is not a plain number"),
        ("-A INPUT -p sctp --dport 5 -j DROP", "`--dport` of protocol 132 is not translated"),
        ("-A INPUT -p icmp --icmp-type 8 -j DROP", "option `--icmp-type` is not translated"),
        ("-ptcp -A INPUT -j DROP", "option `-ptcp` is not translated"),
        ("-A INPUT ! -s 0.0.0.0/0 -j DROP", "the opposite of every address is not translated"),
    ] {
        assert_eq!(read(line), Ok(Parsed::NeedsProgram { why: reason.to_owned() }), "{line}");
    }
}

#[test]
fn a_mistake_is_told_with_its_place() {
    for (line, place, message) in [
        ("-A OUPUT -j DROP", "OUPUT", "there is no chain `OUPUT`"),
        ("-A output -j DROP", "output", "there is no chain `output`"),
        ("-A PREROUTING -j DROP", "PREROUTING", "the table `filter` has no chain PREROUTING"),
        ("-t fliter -A INPUT -j DROP", "fliter", "there is no table `fliter`"),
        ("-A INPUT -p tcp --dport 99999 -j DROP", "99999", "there is no port 99999"),
        ("-A INPUT -p tcp --dport 7:5 -j DROP", "7:5", "7 is above 5: no port is in between"),
        ("-A INPUT -p tcp --dport ! 5 -j DROP", "!", "`!` stands before the option: `! --sport 7654`"),
        ("-A INPUT -p tpc -j DROP", "tpc", "there is no protocol `tpc`"),
        ("-A INPUT -p 300 -j DROP", "300", "there is no protocol `300`"),
        ("-A INPUT --sport 5 -j DROP", "--sport", "`--sport` needs `-p tcp` or `-p udp` before it"),
        ("-A INPUT --sport 5 -p tcp -j DROP", "--sport", "`--sport` needs `-p tcp` or `-p udp` before it"),
        ("-A INPUT ! -p tcp --sport 5 -j DROP", "--sport", "`--sport` needs `-p tcp` or `-p udp` before it"),
        ("-A INPUT -p udp --syn -j DROP", "--syn", "`--syn` needs `-p tcp` before it"),
        ("-A INPUT -m tcp --dport 5 -j DROP", "-m", "`-m tcp` needs `-p tcp`"),
        ("-A INPUT -p tcp -m udp --dport 5 -j DROP", "-m", "`-m udp` needs `-p udp`"),
        ("-A INPUT -s host.example -j DROP", "host.example", "`host.example` is not an address"),
        ("-A INPUT -s ::1 -j DROP", "::1", "`::1` is an IPv6 address"),
        ("-A INPUT -s 198.18.0.1/33 -j DROP", "198.18.0.1/33", "`/33` is not a prefix or mask"),
        ("-A INPUT -s 198.18.0.1 -s 198.18.0.2 -j DROP", "-s", "`-s` is given a second time"),
        ("-A OUTPUT -i eth0 -j DROP", "-i", "a packet in OUTPUT came in by no interface"),
        ("-A INPUT -o eth0 -j DROP", "-o", "a packet in INPUT goes out by no interface"),
        (
            "-A INPUT -i averyverylongname -j DROP",
            "averyverylongname",
            "`averyverylongname` is longer than the 15 bytes of a name",
        ),
        ("-A INPUT -j drop", "drop", "there is no target `drop`"),
        ("-A INPUT -j DROP -j ACCEPT", "-j", "a rule has one target only"),
        (
            "-A INPUT -j REJECT --reject-with tcp-reset",
            "tcp-reset",
            "`--reject-with tcp-reset` needs `-p tcp`",
        ),
        (
            "-A INPUT --reject-with tcp-reset -j REJECT",
            "--reject-with",
            "`--reject-with` needs `-j REJECT` before it",
        ),
        ("-A INPUT -j REJECT --reject-with nothing", "nothing", "there is no way to reject called `nothing`"),
        ("-A INPUT -p tcp --tcp-flags SYN,FOO SYN -j DROP", "SYN,FOO", "there is no TCP flag `FOO`"),
        ("-A INPUT -j DROP extra", "extra", "`extra` is neither an option nor the value of one"),
        ("-A INPUT -D INPUT -j DROP", "-D", "a line holds one command only"),
        ("-A INPUT ! -j DROP", "-j", "`-j` has no opposite"),
        ("-A INPUT ! ! -p tcp", "!", "a second `!` follows the first"),
        ("-I INPUT 0 -j DROP", "0", "rules are numbered from 1"),
        ("-p tcp -j DROP", "", "the command is missing"),
        ("", "", "the command is missing"),
        ("-A INPUT -p tcp --dport", "", "a value is missing after `--dport`"),
        ("-A INPUT -p tcp --tcp-flags SYN", "", "a value is missing after `--tcp-flags`"),
        ("-A INPUT -s \"198.18.0.1", "\"198.18.0.1", "the quote \" is not closed"),
    ] {
        let error = read(line).expect_err(line);
        assert_eq!(error.message, message, "{line}");
        assert_eq!(&line[error.range.clone()], place, "{line}");
    }
}

#[test]
fn a_mistake_comes_with_a_guess_at_what_was_meant() {
    let help = |line| read(line).expect_err(line).help;
    assert_eq!(help("-A OUPUT -j DROP").as_deref(), Some("write `OUTPUT`"));
    assert_eq!(help("-A input -j DROP").as_deref(), Some("write `INPUT`"));
    assert_eq!(help("-A INPUT -j reject").as_deref(), Some("write `REJECT`"));
    assert_eq!(help("-A INPUT -s ::1 -j DROP").as_deref(), Some("use ip6tables"));
}
