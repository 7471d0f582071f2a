//! Lines that only the real program understands.

use keepalive_lab_netlab::IpVersion::V4;
use keepalive_lab_netlab::firewall::{
    Applied, Firewall, FirewallError, PlannedLine, Program, Route, Tool, plan,
};

use crate::probe::Fate::{Arrived, Lost};
use crate::probe::{Packet::Udp, send};
use crate::{Test, firewall, pair};

pub(crate) const TESTS: &[Test] = &[
    (
        "an_untranslated_match_of_iptables_works",
        an_untranslated_match_of_iptables_works,
        Some(Program::Iptables),
    ),
    ("an_untranslated_match_of_nft_works", an_untranslated_match_of_nft_works, Some(Program::Nft)),
    ("another_table_of_iptables_works", another_table_of_iptables_works, Some(Program::Iptables)),
    ("a_policy_is_set_and_undone", a_policy_is_set_and_undone, Some(Program::Iptables)),
    ("lines_may_define_their_own_chain", lines_may_define_their_own_chain, Some(Program::Nft)),
    ("flush_takes_the_rules_of_others_along", flush_takes_the_rules_of_others_along, Some(Program::Nft)),
    ("a_program_is_quoted_when_it_refuses", a_program_is_quoted_when_it_refuses, Some(Program::Iptables)),
    ("one_line_of_nft_may_add_several_rules", one_line_of_nft_may_add_several_rules, Some(Program::Nft)),
    ("how_long_a_prestarted_program_takes", how_long_a_prestarted_program_takes, Some(Program::Iptables)),
];

fn lines(lines: &[(Tool, &str)]) -> Vec<PlannedLine> {
    plan(lines).into_iter().map(|line| line.expect("no mistake in it")).collect()
}

/// Applies a line that has no brothers.
fn alone(firewall: &mut Firewall, tool: Tool, line: &str) -> Applied {
    apply(firewall, &lines(&[(tool, line)])[0])
}

fn apply(firewall: &mut Firewall, line: &PlannedLine) -> Applied {
    assert!(matches!(line.route, Route::Program { .. }), "{line:?}");
    let prepared = firewall.prepare(line).expect("the line can be prepared");
    firewall.apply(prepared).expect("the line can be applied")
}

fn an_untranslated_match_of_iptables_works() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    let line = "iptables -A OUTPUT -p udp -m multiport --dports 7,9 -m comment --comment \"two \\\"ports\\\"\" -j DROP";
    let id = alone(&mut firewall, Tool::Iptables, line).added.expect("added");
    let fates = [6, 7, 8, 9].map(|port| send(&pair, Udp(1, port)));
    assert_eq!(fates, [Arrived, Lost, Arrived, Lost]);
    assert_eq!(firewall.counter(id).expect("counter").map(|counter| counter.packets), Some(2));
    assert_eq!(firewall.remove(id).expect("remove").counter.map(|counter| counter.packets), Some(2));
    assert_eq!(send(&pair, Udp(1, 7)), Arrived);
}

fn an_untranslated_match_of_nft_works() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    // The chain is there, though nobody made it.
    let line = "add rule inet filter output udp dport { 7, 9 } counter drop";
    let id = alone(&mut firewall, Tool::Nft, line).added.expect("added");
    let fates = [6, 7, 8, 9].map(|port| send(&pair, Udp(1, port)));
    assert_eq!(fates, [Arrived, Lost, Arrived, Lost]);
    assert_eq!(firewall.remove(id).expect("remove").counter.map(|counter| counter.packets), Some(2));
    assert_eq!(send(&pair, Udp(1, 7)), Arrived);
}

fn another_table_of_iptables_works() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.server);
    let line = "-t mangle -A PREROUTING -p udp --dport 7 -j DROP";
    let id = alone(&mut firewall, Tool::Iptables, line).added.expect("added");
    assert_eq!(send(&pair, Udp(1, 7)), Lost);
    assert_eq!(firewall.remove(id).expect("remove").counter.map(|counter| counter.packets), Some(1));
    assert_eq!(send(&pair, Udp(1, 7)), Arrived);
}

fn a_policy_is_set_and_undone() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    let id = alone(&mut firewall, Tool::Iptables, "-P OUTPUT DROP").added.expect("something to undo");
    assert_eq!(send(&pair, Udp(1, 7)), Lost);
    assert_eq!(firewall.remove(id).expect("undone").counter, None);
    assert_eq!(send(&pair, Udp(1, 7)), Arrived);
}

fn lines_may_define_their_own_chain() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    let lines = lines(&[
        (Tool::Nft, "add table inet mine"),
        (Tool::Nft, "nft 'add chain inet mine early { type filter hook output priority -300; }'"),
        (Tool::Nft, "add rule inet mine early udp dport 7 counter drop"),
    ]);
    let table = apply(&mut firewall, &lines[0]).added.expect("something was added");
    apply(&mut firewall, &lines[1]);
    let rule = apply(&mut firewall, &lines[2]).added.expect("added");
    assert_eq!(send(&pair, Udp(1, 7)), Lost);
    assert_eq!(firewall.remove(rule).expect("remove").counter.map(|counter| counter.packets), Some(1));
    assert_eq!(send(&pair, Udp(1, 7)), Arrived);
    assert!(matches!(firewall.remove(table), Err(FirewallError::NotUndoable(_))));
}

fn flush_takes_the_rules_of_others_along() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    let lines = lines(&[
        (Tool::Nft, "add rule inet filter output udp dport 7 counter drop"),
        (Tool::Nft, "flush ruleset"),
    ]);
    let rule = apply(&mut firewall, &lines[0]).added.expect("added");
    assert_eq!(send(&pair, Udp(1, 7)), Lost);
    let flushed = apply(&mut firewall, &lines[1]);
    assert_eq!(flushed.added, None);
    let [deleted] = flushed.deleted.as_slice() else { panic!("{flushed:?}") };
    assert_eq!((deleted.id, deleted.counter.map(|counter| counter.packets)), (rule, Some(1)));
    assert_eq!(send(&pair, Udp(1, 7)), Arrived);
}

fn a_program_is_quoted_when_it_refuses() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    let line = &lines(&[(Tool::Iptables, "-A OUTPUT -m nonsense -j DROP")])[0];
    let prepared = firewall.prepare(line).expect("the program can be started");
    let error = firewall.apply(prepared).expect_err("no such match");
    let told = error.to_string();
    assert!(told.starts_with("iptables refused `*filter\n-A OUTPUT -m nonsense -j DROP"), "{told}");
    assert!(told.contains("Couldn't load match `nonsense'"), "{told}");
}

fn one_line_of_nft_may_add_several_rules() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    let line = "add rule inet filter output udp dport 7 counter drop\nadd rule inet filter output udp dport 8 counter drop";
    let id = alone(&mut firewall, Tool::Nft, line).added.expect("added");
    assert_eq!([7, 8, 9].map(|port| send(&pair, Udp(1, port))), [Lost, Lost, Arrived]);
    assert_eq!(firewall.remove(id).expect("remove").counter.map(|counter| counter.packets), Some(2));
    assert_eq!([7, 8, 9].map(|port| send(&pair, Udp(1, port))), [Arrived; 3]);
}

fn how_long_a_prestarted_program_takes() {
    let pair = pair(V4);
    let mut firewall = firewall(&pair.client);
    for (tool, line) in [
        (Tool::Iptables, "-A OUTPUT -p udp -m multiport --dports 7,9 -j DROP"),
        (Tool::Nft, "add rule inet filter output udp dport { 7, 9 } drop"),
    ] {
        let line = &lines(&[(tool, line)])[0];
        let mut times = Vec::new();
        for _ in 0..20 {
            let Ok(prepared) = firewall.prepare(line) else { return };
            // A fault has its moment long after the program was started.
            std::thread::sleep(std::time::Duration::from_millis(20));
            let applied = firewall.apply(prepared).expect("apply");
            assert!(applied.acknowledged > applied.called);
            times.push(applied.acknowledged - applied.called);
            firewall.remove(applied.added.expect("added")).expect("remove");
        }
        times.sort();
        println!("{tool} by the program: median {:?}, max {:?}", times[10], times[19]);
    }
}
