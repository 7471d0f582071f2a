//! Rules among each other: their order, counting, deletion, and the time it all takes.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_netlab::IpVersion::V4;
use keepalive_lab_netlab::firewall::{Applied, Counter, Firewall, FirewallError, RuleId, Tool};

use crate::probe::Fate::{Arrived, Lost};
use crate::probe::{Packet::Udp, send};
use crate::{Test, Way, firewall, pair, planned, ways};

pub(crate) const TESTS: &[Test] = &[
    ("accept_before_drop_lets_pass_and_after_it_does_not", accept_before_drop_lets_pass, None),
    ("an_inserted_rule_stands_before_the_others", an_inserted_rule_stands_before_the_others, None),
    ("nft_keeps_the_order_too", nft_keeps_the_order_too, None),
    ("a_counter_tells_packets_and_bytes_to_the_last", a_counter_tells_packets_and_bytes, None),
    ("no_packet_is_lost_from_the_count_when_a_rule_goes", no_packet_is_lost_from_the_count, None),
    ("a_rule_without_verdict_only_counts", a_rule_without_verdict_only_counts, None),
    ("delete_takes_the_first_equal_rule", delete_takes_the_first_equal_rule, None),
    ("delete_of_no_rule_is_an_error", delete_of_no_rule_is_an_error, None),
    ("a_rule_can_be_removed_once", a_rule_can_be_removed_once, None),
    ("the_kernel_is_quoted_when_it_refuses", the_kernel_is_quoted_when_it_refuses, None),
    ("applying_and_removing_take_microseconds", applying_and_removing_take_microseconds, None),
];

fn apply(firewall: &mut Firewall, tool: Tool, line: &str, way: Way) -> Applied {
    let prepared = firewall.prepare(&planned(tool, line, way)).expect("the line can be prepared");
    firewall.apply(prepared).expect("the line can be applied")
}

fn add(firewall: &mut Firewall, tool: Tool, line: &str, way: Way) -> RuleId {
    apply(firewall, tool, line, way).added.expect("the line adds a rule")
}

fn accept_before_drop_lets_pass() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    for way in ways(Tool::Iptables) {
        let accept = add(&mut firewall, Tool::Iptables, "-A OUTPUT -p udp --dport 7 -j ACCEPT", way);
        let drop = add(&mut firewall, Tool::Iptables, "-A OUTPUT -p udp -j DROP", way);
        assert_eq!(send(&pair, Udp(1, 7)), Arrived, "{way:?}");
        assert_eq!(send(&pair, Udp(1, 8)), Lost, "{way:?}");
        firewall.remove(accept).expect("remove");
        assert_eq!(send(&pair, Udp(1, 7)), Lost, "{way:?}");
        let late = add(&mut firewall, Tool::Iptables, "-A OUTPUT -p udp --dport 7 -j ACCEPT", way);
        assert_eq!(send(&pair, Udp(1, 7)), Lost, "{way:?}");
        let dropped = firewall.remove(drop).expect("remove").counter.expect("it counts");
        assert_eq!(dropped.packets, 3, "{way:?}");
        assert_eq!(firewall.remove(late).expect("remove").counter, Some(Counter { packets: 0, bytes: 0 }));
    }
}

fn an_inserted_rule_stands_before_the_others() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    for way in ways(Tool::Iptables) {
        let drop = add(&mut firewall, Tool::Iptables, "-A OUTPUT -p udp -j DROP", way);
        assert_eq!(send(&pair, Udp(1, 7)), Lost, "{way:?}");
        let accept = add(&mut firewall, Tool::Iptables, "-I OUTPUT -p udp --dport 7 -j ACCEPT", way);
        assert_eq!(send(&pair, Udp(1, 7)), Arrived, "{way:?}");
        let first = add(&mut firewall, Tool::Iptables, "-I OUTPUT 1 -p udp --dport 7 -j DROP", way);
        assert_eq!(send(&pair, Udp(1, 7)), Lost, "{way:?}");
        for id in [first, accept, drop] {
            firewall.remove(id).expect("remove");
        }
    }
}

fn nft_keeps_the_order_too() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    for way in ways(Tool::Nft) {
        let drop = add(&mut firewall, Tool::Nft, "add rule inet filter output meta l4proto udp drop", way);
        let late = add(&mut firewall, Tool::Nft, "add rule inet filter output udp dport 7 accept", way);
        assert_eq!(send(&pair, Udp(1, 7)), Lost, "{way:?}");
        let early = add(&mut firewall, Tool::Nft, "insert rule inet filter output udp dport 7 accept", way);
        assert_eq!(send(&pair, Udp(1, 7)), Arrived, "{way:?}");
        for id in [drop, late, early] {
            firewall.remove(id).expect("remove");
        }
    }
}

fn a_counter_tells_packets_and_bytes() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    let id = add(&mut firewall, Tool::Iptables, "-A OUTPUT -p udp --dport 7 -j DROP", Way::Netlink);
    for sent in 1..=100 {
        assert_eq!(send(&pair, Udp(1, 7)), Lost);
        // IPv4 and UDP headers, and 6 bytes of payload.
        let expected = Counter { packets: sent, bytes: sent * (20 + 8 + 6) };
        assert_eq!(firewall.counter(id).expect("the counter can be read"), Some(expected));
    }
    let removed = firewall.remove(id).expect("remove");
    assert_eq!(removed.counter, Some(Counter { packets: 100, bytes: 3400 }));
}

/// A sender that never pauses sees its packets refused by its own `output`, so it knows their number.
fn no_packet_is_lost_from_the_count() {
    const ROUNDS: usize = 200;
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    let line = planned(Tool::Iptables, "-A OUTPUT -p udp --dport 7 -j DROP", Way::Netlink);
    let from = SocketAddr::new(pair.client.address(), 0);
    let socket = pair.client.namespace().enter(|| UdpSocket::bind(from)).expect("enter").expect("bind");
    socket.connect((pair.server.address(), 7)).expect("connect");
    let stop = AtomicBool::new(false);
    let (refused, passed) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut missed = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // Whatever else is told (no one listens there) means that it was not refused.
                let eaten = socket.send(b"x").is_err_and(|error| error.raw_os_error() == Some(libc::EPERM));
                if eaten { &refused } else { &passed }.fetch_add(1, Ordering::SeqCst);
            }
        });
        for _ in 0..ROUNDS {
            let before = refused.load(Ordering::SeqCst);
            let prepared = firewall.prepare(&line).expect("prepare");
            let id = firewall.apply(prepared).expect("apply").added.expect("added");
            std::thread::sleep(Duration::from_micros(500));
            let counted = firewall.remove(id).expect("remove").counter.expect("it counts").packets;
            // Once a packet has passed, the sender knows of all those that did not.
            let known = passed.load(Ordering::SeqCst) + 2;
            while passed.load(Ordering::SeqCst) < known {
                std::thread::yield_now();
            }
            missed.push((refused.load(Ordering::SeqCst) - before).abs_diff(counted));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let total = refused.into_inner();
    let wrong = missed.iter().filter(|missed| **missed > 0).count();
    println!("{wrong} of {ROUNDS} removals missed a packet; {total} packets in all");
    assert!(total > ROUNDS as u64, "the sender hardly ran: {total} packets");
    // The one packet that is being counted by another CPU at that very moment.
    assert!(missed.iter().all(|missed| *missed <= 1), "{missed:?}");
}

fn a_rule_without_verdict_only_counts() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    for (tool, line) in [
        (Tool::Iptables, "-A OUTPUT -p udp --dport 7"),
        (Tool::Nft, "add rule ip f output udp dport 7 counter"),
    ] {
        for way in ways(tool) {
            let id = add(&mut firewall, tool, line, way);
            assert_eq!(send(&pair, Udp(1, 7)), Arrived);
            let removed = firewall.remove(id).expect("remove");
            assert_eq!(removed.counter.map(|counter| counter.packets), Some(1), "{way:?} {line}");
        }
    }
}

fn delete_takes_the_first_equal_rule() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    for way in ways(Tool::Iptables) {
        let appended = add(&mut firewall, Tool::Iptables, "-A OUTPUT -p udp --dport 7 -j DROP", way);
        let inserted = add(&mut firewall, Tool::Iptables, "-I OUTPUT -p udp --dport 7 -j DROP", way);
        assert_eq!(send(&pair, Udp(1, 7)), Lost, "{way:?}");
        let applied = apply(&mut firewall, Tool::Iptables, "-D OUTPUT -p udp --dport 7 -j DROP", way);
        assert_eq!(applied.added, None, "{way:?}");
        let [deleted] = applied.deleted.as_slice() else { panic!("{way:?}: {applied:?}") };
        assert_eq!(deleted.id, inserted, "{way:?}");
        assert_eq!(deleted.counter.map(|counter| counter.packets), Some(1), "{way:?}");
        assert!(matches!(firewall.remove(inserted), Err(FirewallError::NotInForce(_))), "{way:?}");
        assert_eq!(send(&pair, Udp(1, 7)), Lost, "{way:?}");
        firewall.remove(appended).expect("remove");
        assert_eq!(send(&pair, Udp(1, 7)), Arrived, "{way:?}");
    }
}

fn delete_of_no_rule_is_an_error() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    for way in ways(Tool::Iptables) {
        add(&mut firewall, Tool::Iptables, "-A OUTPUT -p udp --dport 8 -j DROP", way);
        let line = planned(Tool::Iptables, "-D OUTPUT -p udp --dport 7 -j DROP", way);
        let prepared = firewall.prepare(&line).expect("a rule may still come");
        let error = firewall.apply(prepared).expect_err("there is no such rule");
        match way {
            Way::Netlink => assert!(matches!(error, FirewallError::NoSuchRule(_)), "{error}"),
            Way::Program => assert!(matches!(error, FirewallError::ProgramFailed { .. }), "{error}"),
        }
    }
}

fn a_rule_can_be_removed_once() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    let id = add(&mut firewall, Tool::Iptables, "-A OUTPUT -j DROP", Way::Netlink);
    firewall.remove(id).expect("it is in force");
    assert!(matches!(firewall.remove(id), Err(FirewallError::NotInForce(_))));
    assert!(matches!(firewall.counter(id), Err(FirewallError::NotInForce(_))));
}

fn the_kernel_is_quoted_when_it_refuses() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    // A packet that has left can't be rejected: `nft_reject_validate()` in the kernel.
    let line = "add rule inet filter postrouting reject with tcp reset";
    let prepared =
        firewall.prepare(&planned(Tool::Nft, line, Way::Netlink)).expect("only the rule is refused");
    let error = firewall.apply(prepared).expect_err("no reject in postrouting");
    let told = error.to_string();
    assert!(told.starts_with("the kernel refused to take the rule `add rule inet"), "{told}");
    assert!(told.contains("EOPNOTSUPP") || told.contains("EINVAL"), "{told}");
    // The socket is fit for the next request.
    add(&mut firewall, Tool::Nft, "add rule inet filter postrouting udp dport 7 drop", Way::Netlink);
    assert_eq!(send(&pair, Udp(1, 7)), Lost);
}

fn applying_and_removing_take_microseconds() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    let line = planned(Tool::Iptables, "-A OUTPUT -p tcp --sport 7654 -j DROP", Way::Netlink);
    let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..200 {
        let prepared = firewall.prepare(&line).expect("prepare");
        let before = Monotonic::now();
        let applied = firewall.apply(prepared).expect("apply");
        let removed = firewall.remove(applied.added.expect("added")).expect("remove");
        let after = Monotonic::now();
        let stamps =
            [before, applied.called, applied.acknowledged, removed.called, removed.acknowledged, after];
        assert!(stamps.is_sorted(), "{stamps:?}");
        times[0].push(applied.acknowledged - applied.called);
        times[1].push(removed.acknowledged - removed.called);
    }
    for (what, times) in ["apply", "remove"].into_iter().zip(&mut times) {
        times.sort();
        println!("{what}: median {:?}, p99 {:?}, max {:?}", times[100], times[197], times[199]);
        // A hundred times what it takes here, in a debug build: a machine can be very busy.
        assert!(times[100] < Duration::from_millis(10), "{what}: median {:?}", times[100]);
    }
}
