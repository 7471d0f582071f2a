//! Which packets a rule eats.

use keepalive_lab_netlab::IpVersion::{V4, V6};
use keepalive_lab_netlab::firewall::{Counter, Firewall, Tool};
use keepalive_lab_netlab::{IpVersion, Pair};

use crate::probe::Packet::{Syn, Udp};
use crate::probe::{Fate, Packet, send};
use crate::{Test, firewall, pair, planned, ways};

pub(crate) const TESTS: &[Test] = &[
    ("iptables_rules_eat_what_they_say", iptables_rules_eat_what_they_say, None),
    ("ip6tables_rules_eat_what_they_say", ip6tables_rules_eat_what_they_say, None),
    ("nft_rules_of_the_family_ip_eat_what_they_say", nft_rules_of_the_family_ip_eat_what_they_say, None),
    ("nft_rules_of_the_family_inet_eat_what_they_say", nft_rules_of_the_family_inet_eat_what_they_say, None),
    ("nft_tcp_flags_eat_what_they_say", nft_tcp_flags_eat_what_they_say, None),
];

/// The host whose firewall takes the rule.
#[derive(Clone, Copy, Debug)]
enum At {
    /// The sender's.
    Client,
    /// The receiver's.
    Server,
}
use At::{Client, Server};

/// A rule that drops, packets that it eats, and packets that it lets pass.
type Case<'a> = (At, &'a str, &'a [Packet], &'a [Packet]);

/// Tries each rule both ways: translated, and by the real program where it is installed.
fn try_all(tool: Tool, version: IpVersion, prefix: &str, cases: &[Case]) {
    let pair = pair(version);
    let words = |line: &str| {
        line.replace("CLIENT", &pair.client.address().to_string())
            .replace("SERVER", &pair.server.address().to_string())
    };
    for (at, rule, eaten, passed) in cases {
        let mut firewall = match at {
            Client => firewall(&pair.client),
            Server => firewall(&pair.server),
        };
        let line = words(&format!("{prefix}{rule}"));
        for way in ways(tool) {
            let line = planned(tool, &line, way);
            let prepared = firewall.prepare(&line).expect("the line can be prepared");
            let applied = firewall.apply(prepared).expect("the line can be applied");
            let id = applied.added.expect("it adds a rule");
            check(&pair, &mut firewall, id, eaten, passed, &format!("{way:?}: {}", line.line));
            let removed = firewall.remove(id).expect("the rule can be removed");
            let told = removed.counter.map(|counter| counter.packets);
            let expected = eaten.len() as u64;
            // A rule of nft without `counter` counts nothing.
            let counts = tool != Tool::Nft || way == crate::Way::Netlink;
            assert_eq!(told, counts.then_some(expected), "{way:?}: {}", line.line);
            for packet in *eaten {
                let fate = send(&pair, *packet);
                assert_eq!(fate, Fate::Arrived, "{packet:?} after the removal of {}", line.line);
            }
        }
    }
}

fn check(
    pair: &Pair,
    firewall: &mut Firewall,
    id: keepalive_lab_netlab::firewall::RuleId,
    eaten: &[Packet],
    passed: &[Packet],
    context: &str,
) {
    for packet in passed {
        assert_eq!(send(pair, *packet), Fate::Arrived, "{packet:?} with {context}");
    }
    let before = firewall.counter(id).expect("the counter can be read");
    assert!(matches!(before, None | Some(Counter { packets: 0, bytes: 0 })), "{before:?} with {context}");
    for packet in eaten {
        assert_eq!(send(pair, *packet), Fate::Lost, "{packet:?} with {context}");
    }
}

fn iptables_rules_eat_what_they_say() {
    let cases: &[Case] = &[
        (Client, "OUTPUT -p udp -j DROP", &[Udp(1, 7), Udp(2, 8)], &[Syn(1, 7)]),
        (Client, "OUTPUT ! -p tcp -j DROP", &[Udp(1, 7)], &[Syn(1, 7)]),
        (Client, "OUTPUT -p udp --sport 7 -j DROP", &[Udp(7, 9)], &[Udp(8, 7), Syn(7, 9)]),
        (Client, "OUTPUT -p udp --dport 7 -j DROP", &[Udp(9, 7)], &[Udp(7, 9), Syn(9, 7)]),
        (Client, "OUTPUT -p udp ! --dport 7 -j DROP", &[Udp(9, 6), Udp(9, 8)], &[Udp(9, 7), Syn(9, 8)]),
        (
            Client,
            "OUTPUT -p udp --sport 7:9 -j DROP",
            &[Udp(7, 1), Udp(8, 1), Udp(9, 1)],
            &[Udp(6, 1), Udp(10, 1)],
        ),
        (Client, "OUTPUT -p udp ! --sport 7:9 -j DROP", &[Udp(6, 1), Udp(10, 1)], &[Udp(7, 1), Udp(9, 1)]),
        (Client, "OUTPUT -p udp --dport 1000: -j DROP", &[Udp(1, 1000), Udp(1, 65535)], &[Udp(1, 999)]),
        (
            Client,
            "OUTPUT -p tcp --sport 7 --dport 9 -j DROP",
            &[Syn(7, 9)],
            &[Syn(7, 8), Syn(6, 9), Udp(7, 9)],
        ),
        (Client, "OUTPUT -p udp -d SERVER -j DROP", &[Udp(1, 7)], &[Syn(1, 7)]),
        (Client, "OUTPUT -p udp -s SERVER -j DROP", &[], &[Udp(1, 7)]),
        (Client, "OUTPUT -p udp ! -d SERVER -j DROP", &[], &[Udp(1, 7)]),
        (Client, "OUTPUT -p udp ! -s SERVER -j DROP", &[Udp(1, 7)], &[]),
        (Client, "OUTPUT -p udp -d 198.18.0.0/15 -j DROP", &[Udp(1, 7)], &[]),
        (Client, "OUTPUT -p udp -d 198.18.0.0/255.254.0.0 -j DROP", &[Udp(1, 7)], &[]),
        (Client, "OUTPUT -p udp -d 198.20.0.0/15 -j DROP", &[], &[Udp(1, 7)]),
        (Client, "OUTPUT -p udp -d 0.0.0.0/0 -j DROP", &[Udp(1, 7)], &[]),
        (Client, "OUTPUT -o eth0 -p udp -j DROP", &[Udp(1, 7)], &[]),
        (Client, "OUTPUT -o eth1 -p udp -j DROP", &[], &[Udp(1, 7)]),
        (Client, "OUTPUT -o eth -p udp -j DROP", &[], &[Udp(1, 7)]),
        (Client, "OUTPUT -o eth+ -p udp -j DROP", &[Udp(1, 7)], &[]),
        (Client, "OUTPUT ! -o eth+ -p udp -j DROP", &[], &[Udp(1, 7)]),
        (Server, "INPUT ! -i lo -p udp -j DROP", &[Udp(1, 7)], &[]),
        (Server, "INPUT -i eth0 -s CLIENT -p udp --dport 7 -j DROP", &[Udp(1, 7)], &[Udp(1, 8)]),
        (Server, "INPUT -p tcp --dport 7 -j DROP", &[Syn(1, 7)], &[Syn(7, 1), Udp(1, 7)]),
        (Server, "INPUT -p tcp --syn -j DROP", &[Syn(1, 7)], &[Udp(1, 7)]),
        (Client, "OUTPUT -p tcp ! --syn -j DROP", &[], &[Udp(1, 7)]),
        (Server, "INPUT -p tcp --tcp-flags ALL SYN -j DROP", &[Syn(1, 7)], &[]),
        (Server, "INPUT -p tcp --tcp-flags SYN,ACK SYN,ACK -j DROP", &[], &[Syn(1, 7)]),
    ];
    try_all(Tool::Iptables, V4, "-A ", cases);
}

fn ip6tables_rules_eat_what_they_say() {
    let cases: &[Case] = &[
        (Client, "OUTPUT -p udp --dport 7 -j DROP", &[Udp(9, 7)], &[Udp(7, 9), Syn(9, 7)]),
        (Client, "OUTPUT -p udp -d SERVER -j DROP", &[Udp(1, 7)], &[Syn(1, 7)]),
        (Client, "OUTPUT -p udp ! -s CLIENT -j DROP", &[], &[Udp(1, 7)]),
        (Client, "OUTPUT -p udp -d 2001:db8::/32 -j DROP", &[Udp(1, 7)], &[]),
        (Client, "OUTPUT -p udp -d 2001:db9::/32 -j DROP", &[], &[Udp(1, 7)]),
        (Client, "OUTPUT -p udp -d 2001:db8::/33 -j DROP", &[Udp(1, 7)], &[]),
        (Server, "INPUT -p tcp --syn --dport 7 -j DROP", &[Syn(1, 7)], &[Syn(1, 8)]),
    ];
    try_all(Tool::Ip6tables, V6, "-A ", cases);
}

fn nft_rules_of_the_family_ip_eat_what_they_say() {
    let cases: &[Case] = &[
        (Client, "output udp dport 7 drop", &[Udp(9, 7)], &[Udp(7, 9), Syn(9, 7)]),
        (Client, "output ip protocol udp drop", &[Udp(9, 7)], &[Syn(9, 7)]),
        (Client, "output ip daddr SERVER udp sport 7 drop", &[Udp(7, 1)], &[Udp(1, 7)]),
        (Client, "output ip daddr != 198.18.0.0/15 drop", &[], &[Udp(7, 1)]),
        (Client, "postrouting udp dport 7 drop", &[Udp(9, 7)], &[Udp(7, 9)]),
        (Server, "prerouting udp dport 7 drop", &[Udp(9, 7)], &[Udp(7, 9)]),
    ];
    try_all(Tool::Nft, V4, "add rule filter ", cases);
}

fn nft_rules_of_the_family_inet_eat_what_they_say() {
    let either: &[Case] = &[
        (Client, "output udp dport 7 drop", &[Udp(9, 7)], &[Udp(7, 9), Syn(9, 7)]),
        (Client, "output udp dport != 7-9 drop", &[Udp(9, 6), Udp(9, 10)], &[Udp(9, 8), Syn(9, 6)]),
        (Client, "output udp sport 7-9 udp dport 1 drop", &[Udp(8, 1)], &[Udp(8, 2), Udp(6, 1)]),
        (Client, "output meta l4proto udp drop", &[Udp(9, 7)], &[Syn(9, 7)]),
        (Client, "output oifname eth0 meta l4proto udp drop", &[Udp(9, 7)], &[Syn(9, 7)]),
        (Client, "output oifname \"et*\" udp dport 7 drop", &[Udp(9, 7)], &[Udp(9, 8)]),
        (Client, "output oifname != \"et*\" udp dport 7 drop", &[], &[Udp(9, 7)]),
        (Server, "input iifname eth0 tcp dport 7 drop", &[Syn(9, 7)], &[Syn(9, 8)]),
        (Server, "input iifname != eth0 tcp dport 7 drop", &[], &[Syn(9, 7)]),
    ];
    let v4: &[Case] = &[
        (Client, "output ip daddr SERVER udp dport 7 drop", &[Udp(9, 7)], &[Udp(9, 8)]),
        (Client, "output ip saddr != CLIENT udp dport 7 drop", &[], &[Udp(9, 7)]),
        (Client, "output ip protocol udp drop", &[Udp(9, 7)], &[Syn(9, 7)]),
        (Client, "output meta nfproto ipv4 udp dport 7 drop", &[Udp(9, 7)], &[]),
        (Client, "output meta nfproto ipv6 udp dport 7 drop", &[], &[Udp(9, 7)]),
        (Client, "output ip6 daddr != ::1 udp dport 7 drop", &[], &[Udp(9, 7)]),
        (Client, "output ip daddr 0.0.0.0/0 udp dport 7 drop", &[Udp(9, 7)], &[]),
    ];
    let v6: &[Case] = &[
        (Client, "output ip6 daddr SERVER udp dport 7 drop", &[Udp(9, 7)], &[Udp(9, 8)]),
        (Client, "output ip6 daddr 2001:db8::/32 udp dport 7 drop", &[Udp(9, 7)], &[]),
        (Client, "output ip6 daddr != 2001:db8::/32 udp dport 7 drop", &[], &[Udp(9, 7)]),
        (Client, "output ip daddr != 127.0.0.1 udp dport 7 drop", &[], &[Udp(9, 7)]),
        (Client, "output ip protocol udp drop", &[], &[Udp(9, 7)]),
    ];
    for (version, cases) in [(V4, either), (V6, either), (V4, v4), (V6, v6)] {
        try_all(Tool::Nft, version, "add rule inet filter ", cases);
    }
}

fn nft_tcp_flags_eat_what_they_say() {
    let cases: &[Case] = &[
        (Server, "input tcp flags syn drop", &[Syn(9, 7)], &[Udp(9, 7)]),
        (Server, "input tcp flags == syn drop", &[Syn(9, 7)], &[]),
        (Server, "input tcp flags syn / fin,syn,rst,ack drop", &[Syn(9, 7)], &[]),
        (Server, "input tcp flags & (fin|syn|rst|ack) == syn drop", &[Syn(9, 7)], &[]),
        (Server, "input tcp flags != ack / syn,ack drop", &[Syn(9, 7)], &[]),
        (Server, "input tcp flags & (syn|ack) == (syn|ack) drop", &[], &[Syn(9, 7)]),
        (Client, "output tcp flags ! ack drop", &[Syn(9, 7)], &[]),
    ];
    try_all(Tool::Nft, V4, "add rule inet filter ", cases);
}
