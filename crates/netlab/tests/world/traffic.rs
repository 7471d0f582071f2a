//! What passes over the link, and when it does not.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use keepalive_lab_clock::Monotonic;
use keepalive_lab_netlab::{Host, LinkState, LinkStatus, Pair};

use crate::{Test, VERSIONS, builder, pair};

pub(crate) const TESTS: &[Test] = &[
    ("two_hosts_talk_as_soon_as_they_are_built", two_hosts_talk_as_soon_as_they_are_built),
    ("both_links_are_named_eth0", both_links_are_named_eth0),
    (
        "a_link_that_is_down_carries_nothing_until_it_is_up",
        a_link_that_is_down_carries_nothing_until_it_is_up,
    ),
    ("a_link_can_be_set_down_and_up_a_hundred_times", a_link_can_be_set_down_and_up_a_hundred_times),
    ("a_pair_sends_nothing_of_its_own_accord_but_multicast_reports", a_quiet_pair),
];

/// A SYN that was lost is sent again after 1 s, so anything well below shows that none was.
const AT_ONCE: Duration = Duration::from_millis(200);

fn connected(pair: &Pair, port: u16) -> (TcpStream, TcpStream) {
    let address = SocketAddr::new(pair.server.address(), port);
    let listen = || TcpListener::bind(address).expect("the address can be bound at once");
    let listener = pair.server.namespace().enter(listen).expect("enter");
    let connect = || TcpStream::connect_timeout(&address, Duration::from_secs(5)).expect("connect");
    let client = pair.client.namespace().enter(connect).expect("enter");
    let (server, from) = listener.accept().expect("accept");
    assert_eq!(from.ip(), pair.client.address());
    (client, server)
}

fn assert_carries(from: &mut TcpStream, to: &mut TcpStream, text: &[u8]) {
    from.write_all(text).expect("write");
    let mut received = vec![0; text.len()];
    to.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    to.read_exact(&mut received).expect("read");
    assert_eq!(received, text);
}

fn two_hosts_talk_as_soon_as_they_are_built() {
    let builder = builder();
    for version in VERSIONS {
        // The race between a new carrier and the first packet is short: many pairs, one after another.
        for index in 0..50 {
            let pair = pair(&builder, index, version);
            let started = Instant::now();
            let (mut client, mut server) = connected(&pair, 7654);
            assert_carries(&mut client, &mut server, b"hello");
            assert_carries(&mut server, &mut client, b"good day");
            let elapsed = started.elapsed();
            assert!(elapsed < AT_ONCE, "{version:?} pair {index} took {elapsed:?}");
        }
    }
}

fn links(host: &Host) -> Vec<String> {
    let list = || fs::read_to_string("/proc/thread-self/net/dev").expect("a list of links");
    let list = host.namespace().enter(list).expect("enter");
    let names = list.lines().skip(2).filter_map(|line| line.split(':').next());
    names.map(|name| name.trim().to_owned()).collect()
}

fn both_links_are_named_eth0() {
    let builder = builder();
    for version in VERSIONS {
        let pair = pair(&builder, 0, version);
        for host in [&pair.client, &pair.server] {
            let mut links = links(host);
            links.sort();
            assert_eq!(links, ["eth0", "lo"]);
            let up = LinkStatus { state: LinkState::Up, operational: true };
            assert_eq!(host.link_status().expect("status"), up);
        }
    }
}

fn a_link_that_is_down_carries_nothing_until_it_is_up() {
    let builder = builder();
    for version in VERSIONS {
        for broken in ["client", "server"] {
            let pair = pair(&builder, 0, version);
            let host = if broken == "client" { &pair.client } else { &pair.server };
            let (mut client, mut server) = connected(&pair, 7654);

            let before = Monotonic::now();
            let down = host.set_link(LinkState::Down).expect("down");
            assert!(before <= down.called && down.called < down.acknowledged);
            assert!(down.acknowledged <= Monotonic::now());
            for (end, state) in [(&pair.client, "client"), (&pair.server, "server")] {
                let status = end.link_status().expect("status");
                let expected = if state == broken { LinkState::Down } else { LinkState::Up };
                assert_eq!(status, LinkStatus { state: expected, operational: false }, "{version:?} {state}");
            }
            client.write_all(b"lost").expect("the socket buffers it");
            server.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
            let nothing = server.read(&mut [0; 8]).expect_err("nothing may come through");
            assert_eq!(nothing.kind(), ErrorKind::WouldBlock);

            host.set_link(LinkState::Up).expect("up");
            // What was lost is sent again, and the addresses and routes are back.
            let mut received = [0; 4];
            server.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
            server.read_exact(&mut received).expect("the link carries again");
            assert_eq!(&received, b"lost");
            let (mut client, mut server) = connected(&pair, 7655);
            assert_carries(&mut server, &mut client, b"a new connection");
        }
    }
}

fn a_link_can_be_set_down_and_up_a_hundred_times() {
    let pair = pair(&builder(), 0, VERSIONS[0]);
    for _ in 0..100 {
        for state in [LinkState::Down, LinkState::Up] {
            pair.server.set_link(state).expect("set");
            assert_eq!(pair.server.link_status().expect("status").state, state);
        }
    }
}

/// Counters of `/proc/net/snmp6`.
fn ipv6_counter(host: &Host, name: &str) -> Option<u64> {
    let text = || fs::read_to_string("/proc/thread-self/net/snmp6").unwrap_or_default();
    let text = host.namespace().enter(text).expect("enter");
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

fn a_quiet_pair() {
    let builder = builder();
    let [four, six] = VERSIONS.map(|version| pair(&builder, 0, version));
    // A router is solicited and a link-local address is probed within the first second.
    std::thread::sleep(Duration::from_millis(1500));
    for host in [&four.client, &four.server] {
        assert_eq!(ipv6_counter(host, "Ip6OutRequests").unwrap_or(0), 0, "an IPv4 pair speaks IPv6");
    }
    for host in [&six.client, &six.server] {
        assert_eq!(ipv6_counter(host, "Icmp6OutRouterSolicits").unwrap_or(0), 0);
        assert_eq!(ipv6_counter(host, "Icmp6OutNeighborSolicits").unwrap_or(0), 0);
    }
}
