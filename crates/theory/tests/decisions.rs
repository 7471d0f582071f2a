//! One decision of the theory each.

use std::collections::BTreeMap;

use keepalive_lab_scenario::Scenario;
use keepalive_lab_scenario::end::Ends;
use keepalive_lab_theory::{Ground, Prediction, predict};
use tcp_timers::{Errno, Kernel, KernelVersion, Timer};

const KEEPALIVE: &str = "keepalive = { idle = \"2s\", interval = \"1s\", count = 3 }";
const STREAM: &str = "send = { every = \"500ms\", bytes = 13 }";
const ONCE: &str = "send = { at = \"2s\", bytes = 100 }";

const SERVER_OUTPUT: &str = "on = \"server\"\niptables = \"-A OUTPUT -p tcp --sport 7654 -j DROP\"";
const SERVER_INPUT: &str = "on = \"server\"\niptables = \"-A INPUT -p tcp --dport 7654 -j DROP\"";
const CLIENT_INPUT: &str = "on = \"client\"\niptables = \"-A INPUT -p tcp --sport 7654 -j DROP\"";

/// A scenario of these programs, faults (each with its time before it) and whatever else.
fn theory(client: &str, server: &str, faults: &[(&str, &str)], rest: &str) -> Ends<Prediction> {
    let faults: Vec<String> =
        faults.iter().map(|(when, what)| format!("[[fault]]\n{when}\n{what}\n")).collect();
    let faults = faults.concat();
    let stop = if rest.contains("[stop]") { "" } else { "[stop]\nlimit = \"40s\"\n" };
    let text = format!(
        "[client]\n{client}\n[server]\n{server}\n[sysctl]\n\"net.ipv4.tcp_retries2\" = 3\n{faults}{stop}{rest}\n"
    );
    let scenario = Scenario::parse("decision", &text, &keepalive_lab_scenario::Options::default())
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    let kernel = Kernel { version: KernelVersion::new(6, 12), hz: 250 };
    predict(&scenario.cells[0].experiment, &Ground { kernel, sysctls: BTreeMap::new() })
}

/// `ETIMEDOUT 4.1-5.1`, `alive`, `unpredicted`..; and the reason.
fn short(prediction: &Prediction) -> (String, String) {
    let text = |text: &str| text.to_owned();
    match prediction {
        Prediction::Error { after, errno, why, .. } => {
            (format!("{errno} {:.2}-{:.2}", after.min.as_secs_f64(), after.max.as_secs_f64()), why.clone())
        }
        Prediction::Alive { why } => (text("alive"), why.clone()),
        Prediction::Closed { why } => (text("closed"), why.clone()),
        Prediction::Unconnected { why } => (text("unconnected"), why.clone()),
        Prediction::Unpredicted { because } => (text("unpredicted"), because.clone()),
    }
}

fn both(ends: &Ends<Prediction>) -> [String; 2] {
    [short(&ends.client).0, short(&ends.server).0]
}

#[test]
fn keepalive_death_sends_a_rst_that_the_input_rule_eats() {
    let faults = [("at = \"1200ms\"", SERVER_OUTPUT), ("at = \"1200ms\"", SERVER_INPUT)];
    let ends = theory(KEEPALIVE, STREAM, &faults, "");
    assert_eq!(both(&ends), ["ETIMEDOUT 4.87-4.91", "ETIMEDOUT 3.41-3.45"]);
    let ends = theory(KEEPALIVE, "", &faults, "");
    let (server, why) = short(&ends.server);
    assert_eq!(server, "alive");
    assert!(why.starts_with("the client's RST is lost: the server's INPUT rule `fault-2`"), "{why}");
}

#[test]
fn keepalive_death_resets_a_peer_that_it_can_reach() {
    let ends = theory(KEEPALIVE, "", &[("at = \"1s\"", SERVER_OUTPUT)], "");
    assert_eq!(both(&ends), ["ETIMEDOUT 4.07-4.11", "ECONNRESET 4.07-4.11"]);
    let Prediction::Error { death, .. } = &ends.server else { panic!() };
    assert!(death.is_none(), "the RST is no death of its own");
    let Prediction::Error { death: Some(death), .. } = &ends.client else { panic!() };
    assert_eq!((death.timer, death.attempts.len()), (Timer::Keepalive, 3));
}

#[test]
fn a_rule_for_rst_alone_leaves_the_connection_as_it_is() {
    let rst = "on = \"server\"\niptables = \"-A INPUT -p tcp --dport 7654 --tcp-flags RST RST -j DROP\"";
    let ends = theory(KEEPALIVE, "", &[("at = \"1s\"", rst)], "");
    assert_eq!(both(&ends), ["alive", "alive"]);
    let ends = theory(KEEPALIVE, "", &[("at = \"1s\"", rst), ("at = \"1s\"", SERVER_OUTPUT)], "");
    assert_eq!(both(&ends), ["ETIMEDOUT 4.07-4.11", "alive"]);
}

#[test]
fn data_lost_on_the_path_takes_longer_than_data_refused_by_its_own_host() {
    let lost = theory("", ONCE, &[("at = \"1s\"", CLIENT_INPUT)], "");
    assert_eq!(both(&lost), ["alive", "ETIMEDOUT 7.61-7.88"]);
    let refused = theory("", ONCE, &[("at = \"1s\"", SERVER_OUTPUT)], "");
    assert_eq!(both(&refused), ["alive", "ETIMEDOUT 4.11-4.15"]);
}

#[test]
fn a_heal_before_the_last_attempt_mends_the_connection() {
    let heal =
        |at: &'static str| theory("", ONCE, &[("at = \"1s\"", CLIENT_INPUT), (at, "heal = \"all\"")], "");
    assert_eq!(both(&heal("at = \"4s\"")), ["alive", "alive"]);
    // The last retransmission is at 5.4 s, the end at 8.6 to 8.9 s: a heal in between comes too late.
    assert_eq!(both(&heal("at = \"7s\"")), ["alive", "ETIMEDOUT 7.61-7.88"]);
    let (server, why) = short(&heal("at = \"5330ms\"").server);
    assert_eq!(server, "unpredicted");
    assert!(why.contains("phase"), "{why}");
}

#[test]
fn after_a_heal_a_dead_peer_answers_the_next_attempt_with_a_rst() {
    let quick = "keepalive = { idle = \"2s\", interval = \"1s\", count = 1 }";
    let faults = [
        ("at = \"1s\"", CLIENT_INPUT),
        ("at = \"1s\"", SERVER_INPUT),
        ("after = \"client.error\"\nplus = \"2s\"", "heal = \"all\""),
    ];
    let ends = theory(quick, ONCE, &faults, "");
    // The server retransmits at 5.3 s, 4.3 s after the faults.
    assert_eq!(both(&ends), ["ETIMEDOUT 2.02-2.06", "ECONNRESET 4.32-4.36"]);
}

#[test]
fn a_write_that_falls_together_with_the_fault_is_not_guessed() {
    let (server, why) = short(&theory("", ONCE, &[("at = \"2s\"", CLIENT_INPUT)], "").server);
    assert_eq!(server, "unpredicted");
    assert!(why.contains("as the path changes"), "{why}");
}

#[test]
fn what_happens_after_the_cell_stopped_does_not_count() {
    let faults = [("at = \"1s\"", SERVER_INPUT)];
    let both_keepalive = |rest: &str| {
        both(&theory(KEEPALIVE, "keepalive = { idle = \"9s\", interval = \"1s\", count = 1 }", &faults, rest))
    };
    assert_eq!(both_keepalive(""), ["ETIMEDOUT 4.07-4.11", "ETIMEDOUT 9.02-9.28"]);
    assert_eq!(
        both_keepalive("[stop]\nwhen = \"client-closed\"\nlimit = \"40s\""),
        ["ETIMEDOUT 4.07-4.11", "alive"]
    );
    assert_eq!(both_keepalive("[stop]\nlimit = \"8s\""), ["ETIMEDOUT 4.07-4.11", "alive"]);
    assert_eq!(both_keepalive("[stop]\nlimit = \"5090ms\""), ["unpredicted", "alive"]);
}

#[test]
fn a_rst_that_comes_as_the_cell_stops_may_be_read_or_not() {
    let faults = [("at = \"1s\"", SERVER_OUTPUT)];
    let ends = theory(KEEPALIVE, "", &faults, "[stop]\nwhen = \"client-closed\"\nlimit = \"40s\"");
    assert_eq!(both(&ends), ["ETIMEDOUT 4.07-4.11", "unpredicted"]);
}

#[test]
fn connect_fails_by_what_meets_the_syn() {
    let connect =
        |client: &str, what: &'static str| both(&theory(client, "", &[("at = \"start\"", what)], ""));
    assert_eq!(connect("syn_count = 2", SERVER_INPUT), ["ETIMEDOUT 7.11-7.14", "unconnected"]);
    assert_eq!(connect("syn_count = 2", SERVER_OUTPUT), ["ETIMEDOUT 7.11-7.14", "unconnected"]);
    assert_eq!(connect("connect_timeout = \"3s\"", SERVER_INPUT), ["unconnected", "unconnected"]);
    assert_eq!(connect("", "on = \"client\"\nlink = \"down\""), ["ENETUNREACH 0.00-0.00", "unconnected"]);
    let reject = "on = \"server\"\niptables = \"-A INPUT -p tcp -j REJECT --reject-with tcp-reset\"";
    assert_eq!(connect("", reject), ["ECONNREFUSED 0.00-0.01", "unconnected"]);
}

#[test]
fn rules_are_read_in_the_order_of_their_chain() {
    let accept = "on = \"client\"\niptables = \"-I INPUT -p tcp --sport 7654 -j ACCEPT\"";
    let before = [("at = \"1s\"", CLIENT_INPUT), ("at = \"1s\"", accept)];
    assert_eq!(both(&theory(KEEPALIVE, "", &before, "")), ["alive", "alive"]);
    let append = "on = \"client\"\niptables = \"-A INPUT -p tcp --sport 7654 -j ACCEPT\"";
    let after = [("at = \"1s\"", CLIENT_INPUT), ("at = \"1s\"", append)];
    assert_eq!(both(&theory(KEEPALIVE, "", &after, ""))[0], "ETIMEDOUT 4.07-4.11");
    let delete = "on = \"client\"\niptables = \"-D INPUT -p tcp --sport 7654 -j DROP\"";
    let deleted = [("at = \"1s\"", CLIENT_INPUT), ("at = \"3s\"", delete)];
    assert_eq!(both(&theory(KEEPALIVE, "", &deleted, "")), ["alive", "alive"]);
}

#[test]
fn a_rule_that_hits_only_some_segments_or_needs_its_program_is_not_guessed() {
    for line in [
        "-A INPUT -p tcp --tcp-flags PSH PSH -j DROP",
        "-A INPUT -s 198.18.0.2 -j DROP",
        "-A INPUT -m limit --limit 1/s -j DROP",
    ] {
        let rule = format!("on = \"client\"\niptables = \"{line}\"");
        let ends = theory(KEEPALIVE, STREAM, &[("at = \"1200ms\"", &rule)], "");
        assert_eq!(both(&ends), ["unpredicted", "unpredicted"], "{line}");
    }
    for line in [
        "-A INPUT -p udp -j DROP",
        "-A INPUT -p tcp --dport 80 -j DROP",
        "-A FORWARD -j DROP",
        "-A INPUT -s 10.0.0.0/8 -j DROP",
        "-A INPUT -i lo -j DROP",
    ] {
        let rule = format!("on = \"client\"\niptables = \"{line}\"");
        let ends = theory(KEEPALIVE, STREAM, &[("at = \"1200ms\"", &rule)], "");
        assert_eq!(both(&ends), ["alive", "alive"], "{line}");
    }
}

#[test]
fn a_close_in_order_ends_both_or_leaves_the_other_alone() {
    assert_eq!(both(&theory("close_at = \"3s\"", STREAM, &[], "")), ["closed", "closed"]);
    assert_eq!(
        both(&theory("close_at = \"3s\"", "", &[("at = \"1s\"", SERVER_INPUT)], "")),
        ["closed", "alive"]
    );
    assert_eq!(
        both(&theory("close_at = \"3s\"\nlinger = \"0s\"", "", &[], "")),
        ["closed", "ECONNRESET 3.00-3.01"]
    );
}

#[test]
fn a_fault_that_waits_for_silence_comes_when_the_application_notices_it() {
    let faults = [("after = \"client.idle\"\nplus = \"1s\"", SERVER_INPUT)];
    let client = format!("{KEEPALIVE}\nidle_timeout = \"2s\"");
    let server = "send = { at = \"1s\", bytes = 3 }";
    // Silent since 1.0 s: the fault comes at 4.0 s, between two probes.
    assert_eq!(both(&theory(&client, server, &faults, ""))[0], "ETIMEDOUT 4.08-4.13");
}

#[test]
fn keepalive_may_give_up_before_the_first_write() {
    let server = format!("{KEEPALIVE}\nsend = {{ at = \"9s\", bytes = 3 }}");
    let ends = theory("", &server, &[("at = \"1s\"", CLIENT_INPUT)], "");
    assert_eq!(both(&ends), ["alive", "ETIMEDOUT 4.07-4.11"]);
}

#[test]
fn probes_of_keepalive_count_as_attempts_to_send_refused_data() {
    // Both count in icsk_probes_out; how many there were depends on the phase.
    let server = format!("{KEEPALIVE}\nsend = {{ at = \"4s\", bytes = 3 }}");
    let (server, why) = short(&theory("", &server, &[("at = \"1s\"", SERVER_OUTPUT)], "").server);
    assert_eq!(server, "unpredicted");
    assert!(why.contains("count"), "{why}");
}

#[test]
fn a_sysctl_beyond_the_theory_is_said() {
    let ends =
        theory("", ONCE, &[("at = \"1s\"", CLIENT_INPUT)], "[server.sysctl]\n\"net.ipv4.tcp_frto\" = 0");
    let (server, why) = short(&ends.server);
    assert_eq!(server, "unpredicted");
    assert_eq!(why, "what the sysctl net.ipv4.tcp_frto = 0 does is not part of the theory");
}

#[test]
fn a_peer_that_does_not_read_kills_a_sender_with_a_user_timeout_only() {
    let fill = "send = { fill = true }";
    assert_eq!(both(&theory("read = false", fill, &[], "")), ["alive", "alive"]);
    let ends = theory("read = false", &format!("{fill}\nuser_timeout = \"10s\""), &[], "");
    let Prediction::Error { errno: Errno::Etimedout, death: Some(death), .. } = &ends.server else {
        panic!()
    };
    assert_eq!(death.timer, Timer::Persist);
}
