//! What holds for any experiment.

use std::collections::BTreeMap;

use keepalive_lab_scenario::Scenario;
use keepalive_lab_scenario::cell::Experiment;
use keepalive_lab_scenario::end::End;
use keepalive_lab_theory::{Ground, Prediction, predict};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use tcp_timers::{Kernel, KernelVersion};

fn span() -> impl Strategy<Value = &'static str> {
    select(vec!["0s", "1ms", "40ms", "500ms", "1s", "1005ms", "2s", "3s", "7s", "40s", "75s", "20m", "3h"])
}

fn whole() -> impl Strategy<Value = &'static str> {
    select(vec!["1s", "2s", "5s", "75s", "2h", "32767s"])
}

/// Lines of one end's table.
fn program(end: &'static str) -> impl Strategy<Value = String> {
    let sends = prop_oneof![
        Just("send = { once = \"x\" }".to_owned()),
        select(vec!["1ms", "30ms", "500ms", "1s", "10m"])
            .prop_map(|every| format!("send = {{ every = \"{every}\", bytes = 13 }}")),
        span().prop_map(|at| format!("send = {{ at = \"{at}\", bytes = 13 }}")),
        Just("send = { fill = true }".to_owned()),
        (span(), span()).prop_map(|(a, b)| format!(
            "send = [{{ at = \"{a}\", bytes = 1 }}, {{ at = \"{b}\", bytes = 1 }}]"
        )),
    ];
    let line = prop_oneof![
        (whole(), whole(), 1_u8..=127).prop_map(|(a, b, n)| format!(
            "keepalive = {{ idle = \"{a}\", interval = \"{b}\", count = {n} }}"
        )),
        Just("reply = true".to_owned()),
        Just("read = false".to_owned()),
        span().prop_map(|at| format!("user_timeout = \"{at}\"")),
        span().prop_map(|at| format!("close_at = \"{at}\"")),
        select(vec!["1s", "3s"]).prop_map(|at| format!("idle_timeout = \"{at}\"")),
        Just("linger = \"0s\"".to_owned()),
        select(vec!["1s", "60s"]).prop_map(|at| format!("rto_max = \"{at}\"")),
    ];
    (prop::option::of(sends), prop::collection::btree_map(0..8_u8, line, 0..4)).prop_map(
        move |(send, lines)| {
            // One line for each key: the key is what stands before the first `=`.
            let lines: BTreeMap<String, String> = lines
                .into_values()
                .chain(send)
                .map(|line| (line.split('=').next().unwrap_or_default().to_owned(), line))
                .collect();
            format!("[{end}]\n{}\n", lines.into_values().collect::<Vec<_>>().join("\n"))
        },
    )
}

fn fault() -> impl Strategy<Value = String> {
    let when = prop_oneof![
        Just("at = \"start\"".to_owned()),
        span().prop_map(|at| format!("at = \"{at}\"")),
        (select(vec!["client", "server"]), select(vec!["error", "connected", "closed", "idle"]), span())
            .prop_map(|(end, event, plus)| format!("after = \"{end}.{event}\"\nplus = \"{plus}\"")),
    ];
    let rule = select(vec![
        "iptables = \"-A INPUT -p tcp --dport 7654 -j DROP\"",
        "iptables = \"-A INPUT -p tcp --sport 7654 -j DROP\"",
        "iptables = \"-A OUTPUT -p tcp --sport 7654 -j DROP\"",
        "iptables = \"-A OUTPUT -p tcp --dport 7654 -j DROP\"",
        "iptables = \"-I INPUT -p tcp -j ACCEPT\"",
        "iptables = \"-A INPUT -p tcp -j REJECT --reject-with tcp-reset\"",
        "iptables = \"-A INPUT -p tcp -j REJECT\"",
        "iptables = \"-A OUTPUT -p tcp ! --sport 7654 -j DROP\"",
        "iptables = \"-A INPUT -p tcp --tcp-flags RST RST -j DROP\"",
        "iptables = \"-A INPUT -s 198.18.0.1 -j DROP\"",
        "iptables = \"-A INPUT -m owner --uid-owner 0 -j DROP\"",
        "iptables = \"-D INPUT -p tcp --dport 7654 -j DROP\"",
        "nft = \"add rule inet filter input drop\"",
        "nft = \"add rule inet filter output tcp sport 7654 drop\"",
        "nft = \"add rule ip6 filter input drop\"",
        "link = \"down\"",
        "link = \"up\"",
    ]);
    let on = select(vec!["client", "server"]);
    prop_oneof![
        4 => (when.clone(), on, rule).prop_map(|(when, on, rule)| format!("[[fault]]\n{when}\non = \"{on}\"\n{rule}\n")),
        1 => when.prop_map(|when| format!("[[fault]]\n{when}\nheal = \"all\"\n")),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let stop = (
        select(vec!["both-closed", "client-closed", "server-closed", "limit"]),
        select(vec!["1s", "20s", "30m", "4h"]),
    );
    let ip = select(vec!["ipv4", "ipv6"]);
    let retries = 0_u32..=20;
    (program("client"), program("server"), prop::collection::vec(fault(), 0..6), stop, ip, retries).prop_map(
        |(client, server, faults, (when, limit), ip, retries)| {
            format!(
                "[network]\nip = \"{ip}\"\n{client}{server}[sysctl]\n\"net.ipv4.tcp_retries2\" = {retries}\n{}\
                 [stop]\nwhen = \"{when}\"\nlimit = \"{limit}\"\n",
                faults.concat()
            )
        },
    )
}

fn experiment(text: &str) -> Option<Experiment> {
    let scenario = Scenario::parse("any", text, &keepalive_lab_scenario::Options::default()).ok()?;
    Some(scenario.cells[0].experiment.clone())
}

fn kernels() -> impl Strategy<Value = Kernel> {
    let version = select(vec![(3, 13), (4, 19), (5, 4), (5, 10), (6, 1), (6, 12), (6, 18), (7, 3)]);
    (version, select(vec![100, 250, 1000]))
        .prop_map(|((major, minor), hz)| Kernel { version: KernelVersion::new(major, minor), hz })
}

#[test]
fn most_of_the_texts_are_scenarios() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let good = (0..200)
        .filter(|_| {
            let text = text().new_tree(&mut runner).expect("nothing is filtered").current();
            experiment(&text).is_some()
        })
        .count();
    assert!(good > 60, "{good} of 200");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_experiment_is_predicted_without_panic_and_always_the_same(text in text(), kernel in kernels()) {
        let Some(experiment) = experiment(&text) else { return Ok(()) };
        let ground = Ground { kernel, sysctls: BTreeMap::new() };
        let both = predict(&experiment, &ground);
        prop_assert_eq!(&both, &predict(&experiment, &ground));
        for end in End::BOTH {
            match both.get(end) {
                Prediction::Error { after, why, .. } => {
                    prop_assert!(after.min <= after.max, "{text}\n{after:?}");
                    prop_assert!(after.min <= experiment.stop.limit);
                    prop_assert!(!why.is_empty());
                }
                Prediction::Alive { why } | Prediction::Closed { why } | Prediction::Unconnected { why } => {
                    prop_assert!(!why.is_empty());
                }
                Prediction::Unpredicted { because } => prop_assert!(!because.is_empty()),
            }
        }
    }
}
