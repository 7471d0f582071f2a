//! What the sender of a rejected packet is told.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use keepalive_lab_netlab::IpVersion::{self, V4, V6};
use keepalive_lab_netlab::firewall::Tool::{self, Ip6tables, Iptables, Nft};
use nix::errno::Errno::{EACCES, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ENOPROTOOPT};

use crate::probe::Packet::{self, Syn, Udp};
use crate::probe::{Fate, send, send_and_wait};
use crate::{Test, firewall, pair, planned, ways};

pub(crate) const TESTS: &[Test] = &[
    ("a_rejected_sender_is_told_as_the_rule_says", a_rejected_sender_is_told_as_the_rule_says, None),
    ("a_reset_in_the_own_output_ends_a_connection_at_once", a_reset_in_the_own_output, None),
];

/// An `ICMPv6` error that comes back while `connect()` still holds the socket does not end it
/// (`net/ipv6/tcp_ipv6.c`, `tcp_v6_err()`); the one for the second SYN, a second later, does.
const SECOND_SYN: Duration = Duration::from_millis(1500);

fn a_rejected_sender_is_told_as_the_rule_says() {
    let cases: &[(Tool, IpVersion, &str, Packet, nix::errno::Errno)] = &[
        (Iptables, V4, "-A INPUT -p tcp -j REJECT --reject-with tcp-reset", Syn(1, 7), ECONNREFUSED),
        (Iptables, V4, "-A INPUT -p udp -j REJECT", Udp(1, 7), ECONNREFUSED),
        (Iptables, V4, "-A INPUT -p tcp -j REJECT", Syn(1, 7), ECONNREFUSED),
        (
            Iptables,
            V4,
            "-A INPUT -p tcp -j REJECT --reject-with icmp-host-prohibited",
            Syn(1, 7),
            EHOSTUNREACH,
        ),
        (
            Iptables,
            V4,
            "-A INPUT -p tcp -j REJECT --reject-with icmp-net-unreachable",
            Syn(1, 7),
            ENETUNREACH,
        ),
        (
            Iptables,
            V4,
            "-A INPUT -p tcp -j REJECT --reject-with icmp-proto-unreachable",
            Syn(1, 7),
            ENOPROTOOPT,
        ),
        (Ip6tables, V6, "-A INPUT -p tcp -j REJECT --reject-with tcp-reset", Syn(1, 7), ECONNREFUSED),
        (Ip6tables, V6, "-A INPUT -p udp -j REJECT", Udp(1, 7), ECONNREFUSED),
        (Ip6tables, V6, "-A INPUT -p tcp -j REJECT --reject-with icmp6-adm-prohibited", Syn(1, 7), EACCES),
        (Nft, V4, "add rule inet f input tcp dport 7 reject with tcp reset", Syn(1, 7), ECONNREFUSED),
        (Nft, V6, "add rule inet f input tcp dport 7 reject with tcp reset", Syn(1, 7), ECONNREFUSED),
        (Nft, V4, "add rule inet f input udp dport 7 reject", Udp(1, 7), ECONNREFUSED),
        (Nft, V6, "add rule inet f input udp dport 7 reject", Udp(1, 7), ECONNREFUSED),
        (
            Nft,
            V6,
            "add rule inet f input tcp dport 7 reject with icmpx type host-unreachable",
            Syn(1, 7),
            EHOSTUNREACH,
        ),
        (
            Nft,
            V4,
            "add rule inet f input tcp dport 7 reject with icmp type host-unreachable",
            Syn(1, 7),
            EHOSTUNREACH,
        ),
        (Nft, V4, "add rule ip f input udp dport 7 reject", Udp(1, 7), ECONNREFUSED),
    ];
    for (tool, version, line, packet, errno) in cases {
        for way in ways(*tool) {
            let pair = pair(*version);
            let mut firewall = firewall(&pair.server);
            let prepared = firewall.prepare(&planned(*tool, line, way)).expect("prepare");
            let id = firewall.apply(prepared).expect("apply").added.expect("added");
            assert_eq!(send_and_wait(&pair, *packet, SECOND_SYN), Fate::Told(*errno), "{way:?} {line}");
            firewall.remove(id).expect("remove");
            assert_eq!(send(&pair, *packet), Fate::Arrived, "{way:?} {line}");
        }
    }
}

fn a_reset_in_the_own_output() {
    for way in ways(Iptables) {
        let pair = pair(V4);
        let address = SocketAddr::new(pair.server.address(), 7654);
        let listener =
            pair.server.namespace().enter(|| TcpListener::bind(address)).expect("enter").expect("bind");
        let connect = || TcpStream::connect_timeout(&address, Duration::from_secs(5));
        let mut client = pair.client.namespace().enter(connect).expect("enter").expect("connect");
        let (mut server, _) = listener.accept().expect("accept");
        let mut firewall = firewall(&pair.server);
        let line = "-A OUTPUT -p tcp --sport 7654 -j REJECT --reject-with tcp-reset";
        let prepared = firewall.prepare(&planned(Iptables, line, way)).expect("prepare");
        firewall.apply(prepared).expect("apply");
        let told = server.write_all(b"data").and_then(|()| server.read(&mut [0; 8]));
        assert_eq!(told.expect_err("the connection is gone").kind(), ErrorKind::ConnectionReset, "{way:?}");
        client.set_read_timeout(Some(Duration::from_millis(60))).expect("a timeout");
        let unaware = client.read(&mut [0; 8]).expect_err("nothing came");
        assert_eq!(unaware.kind(), ErrorKind::WouldBlock, "{way:?}");
    }
}
