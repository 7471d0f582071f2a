//! What a scenario becomes: defaults, every key, merged sysctls, overrides, places.

mod show;

use std::time::Duration;

use keepalive_lab_scenario::cell::{IpVersion, StopWhen};
use keepalive_lab_scenario::end::{End, EndEvent};
use keepalive_lab_scenario::expect::{Expectation, Outcome, Window, Within};
use keepalive_lab_scenario::fault::{Action, Fault, Heal, LinkState, RuleText, Tool, Trigger};
use keepalive_lab_scenario::program::{Keepalive, Program, Send, Traffic};
use keepalive_lab_scenario::{KeyPath, Options, Scenario};
use show::options;

const FIREWALL: &str = include_str!("scenarios/firewall.toml");
const EVERYTHING: &str = include_str!("scenarios/everything.toml");

fn parse(text: &str, sets: &[&str]) -> Scenario {
    Scenario::parse("test", text, &options(sets)).unwrap_or_else(|error| panic!("{}", show::show(&error)))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_example_of_the_design_is_read_in_full() {
    let scenario = parse(FIREWALL, &[]);
    assert_eq!(scenario.title.as_deref(), Some("A firewall starts to drop while the server streams"));
    assert_eq!(
        (scenario.swept.as_slice(), scenario.cells.len()),
        (&["client.keepalive.idle".to_owned()][..], 9)
    );
    let cell = &scenario.cells[6];
    assert_eq!(
        (cell.scenario.as_str(), cell.id.as_str(), cell.repeat, cell.folder().as_str()),
        ("test", "3", 1, "3")
    );
    let experiment = &cell.experiment;
    assert_eq!((experiment.ip, experiment.port), (IpVersion::Ipv4, 7654));
    let client = &experiment.programs.client;
    let keepalive = Keepalive { idle: Some(seconds(60)), interval: Some(seconds(75)), count: Some(9) };
    assert_eq!(client.options.keepalive, Some(keepalive));
    assert_eq!(client.traffic.sends, [Send::Once { text: "hello".to_owned() }]);
    assert_eq!(client.traffic.idle_timeout, Some(seconds(1)));
    let every = Send::Every { period: Duration::from_millis(500), bytes: 13 };
    let server =
        Program { traffic: Traffic { sends: vec![every], ..Traffic::default() }, ..Program::default() };
    assert_eq!(experiment.programs.server, server);
    let rule = RuleText { tool: Tool::Iptables, line: "-A OUTPUT -p tcp --sport 7654 -j DROP".to_owned() };
    assert_eq!(
        experiment.faults,
        [
            Fault {
                name: "out".to_owned(),
                trigger: Trigger::At(seconds(5)),
                action: Action::Rule { on: End::Server, rule },
            },
            Fault {
                name: "fault-2".to_owned(),
                trigger: Trigger::After { end: End::Client, event: EndEvent::Error, plus: seconds(10) },
                action: Action::Heal(Heal::Named(vec!["out".to_owned()])),
            },
        ]
    );
    assert_eq!((experiment.stop.when, experiment.stop.limit), (StopWhen::BothClosed, seconds(1200)));
    let expected = Expectation {
        outcome: Some(Outcome::Error),
        errno: Some("ETIMEDOUT".to_owned()),
        within: Some(Within::Bounds(Window { min: seconds(730), max: seconds(760) })),
        ..Expectation::default()
    };
    assert_eq!(experiment.expect.client, Some(expected));
    for end in End::BOTH {
        assert_eq!(experiment.sysctls.get(end)["net.ipv4.tcp_retries2"], "15");
    }
}

#[test]
fn every_key_is_taken_over() {
    let experiment = &parse(EVERYTHING, &[]).cells[0].experiment;
    insta::assert_snapshot!(serde_json::to_string_pretty(experiment).unwrap());
}

#[test]
fn what_is_left_out_has_its_default() {
    let scenario = parse("[client]\n", &[]);
    let [cell] = scenario.cells.as_slice() else { panic!("one cell without a sweep") };
    assert_eq!((cell.id.as_str(), cell.repeat, cell.parameters.len()), ("1", 1, 0));
    let experiment = &cell.experiment;
    assert_eq!((experiment.ip, experiment.port), (IpVersion::Ipv4, 7654));
    assert_eq!((experiment.stop.when, experiment.stop.limit), (StopWhen::BothClosed, seconds(20 * 60)));
    for end in End::BOTH {
        assert_eq!(experiment.programs.get(end), &Program::default());
        assert!(experiment.sysctls.get(end).is_empty() && experiment.expect.get(end).is_none());
    }
    assert!(experiment.faults.is_empty() && scenario.title.is_none());
}

#[test]
fn keepalive_is_off_on_or_set() {
    let keepalive = |value: &str| {
        let scenario = parse(&format!("[client]\nkeepalive = {value}\n"), &[]);
        scenario.cells[0].experiment.programs.client.options.keepalive.clone()
    };
    assert_eq!(keepalive("false"), None);
    assert_eq!(keepalive("true"), Some(Keepalive::default()));
    assert_eq!(keepalive("{ count = 3 }"), Some(Keepalive { count: Some(3), ..Keepalive::default() }));
}

#[test]
fn a_sysctl_of_one_end_wins_over_that_of_both_whatever_its_spelling() {
    let text = "[sysctl]\n\"net.ipv4.tcp_retries2\" = 15\nnet.ipv4.tcp_syn_retries = 6\n\
                [client.sysctl]\nnet.ipv4.tcp_retries2 = 3\n[server]\nsysctl = { net.ipv4.tcp_sack = false }\n";
    let sysctls = parse(text, &[]).cells[0].experiment.sysctls.clone();
    assert_eq!(sysctls.client["net.ipv4.tcp_retries2"], "3");
    assert_eq!(sysctls.server["net.ipv4.tcp_retries2"], "15");
    assert_eq!((sysctls.server["net.ipv4.tcp_sack"].as_str(), sysctls.client.len()), ("0", 2));
}

#[test]
fn the_programs_name_before_a_rule_is_left_out() {
    for rule in ["-A INPUT -j DROP", "iptables -A INPUT -j DROP", " sudo iptables  -A INPUT -j DROP "] {
        let text = format!("[[fault]]\nat = \"start\"\non = \"client\"\niptables = \"{rule}\"\n");
        let Action::Rule { rule, .. } = &parse(&text, &[]).cells[0].experiment.faults[0].action.clone()
        else {
            panic!("a rule")
        };
        assert_eq!(rule.to_string(), "iptables -A INPUT -j DROP");
    }
}

#[test]
fn overrides_replace_add_and_take_bare_words() {
    let scenario = parse(
        FIREWALL,
        &[
            "client.keepalive.count=3",
            "client.user_timeout=30s",
            "client.user_timeout = \"31s\"",
            "network.ip=ipv6",
            "server.keepalive=true",
            "server.keepalive.idle=5s",
            "fault.out.at=7s",
            "fault.fault-2.plus=1s",
            "fault.0.on=client",
            "sysctl.net.ipv4.tcp_retries2=4",
            "title=Two words",
            "client.send={fill=true}",
            "fault.1.heal=[\"out\"]",
        ],
    );
    let experiment = &scenario.cells[0].experiment;
    let client = &experiment.programs.client;
    assert_eq!(client.options.keepalive.as_ref().unwrap().count, Some(3));
    assert_eq!(client.options.user_timeout, Some(seconds(31)));
    assert_eq!(client.traffic.sends, [Send::Fill]);
    assert_eq!(experiment.ip, IpVersion::Ipv6);
    assert_eq!(experiment.programs.server.options.keepalive.as_ref().unwrap().idle, Some(seconds(5)));
    assert_eq!(experiment.faults[0].trigger, Trigger::At(seconds(7)));
    assert!(matches!(experiment.faults[0].action, Action::Rule { on: End::Client, .. }));
    assert_eq!(experiment.faults[1].trigger.to_string(), "client.error + 1s");
    assert_eq!(experiment.sysctls.server["net.ipv4.tcp_retries2"], "4");
    assert_eq!(scenario.title.as_deref(), Some("Two words"));
    assert_eq!(scenario.options().overrides[3].to_string(), "network.ip=ipv6");
}

#[test]
fn an_override_of_a_sysctl_replaces_the_nested_spelling() {
    let text = "[sysctl]\nnet.ipv4.tcp_retries2 = 15\nnet.ipv4.tcp_sack = 1\n";
    let sysctls =
        &parse(text, &["sysctl.net.ipv4.tcp_retries2=4"]).cells[0].experiment.sysctls.client.clone();
    assert_eq!(
        (sysctls["net.ipv4.tcp_retries2"].as_str(), sysctls["net.ipv4.tcp_sack"].as_str()),
        ("4", "1")
    );
}

#[test]
fn a_link_fault_and_a_healed_name_are_read() {
    let faults = parse(EVERYTHING, &[]).cells[0].experiment.faults.clone();
    assert_eq!(faults[2].action, Action::Link { on: End::Client, state: LinkState::Down });
    assert_eq!(faults[3].action, Action::Heal(Heal::Named(vec!["in".to_owned()])));
    assert_eq!(faults[4].action, Action::Heal(Heal::All));
}

#[test]
fn later_errors_find_the_text_in_force() {
    let scenario = parse(FIREWALL, &["fault.out.at=6s"]);
    let written = |key: &str| {
        let place = scenario.locate(&key.parse::<KeyPath>().unwrap())?;
        Some((place.to_string(), place.text[place.range].to_owned()))
    };
    let found = |place: &str, text: &str| Some((place.to_owned(), text.to_owned()));
    let rule = "\"-A OUTPUT -p tcp --sport 7654 -j DROP\"";
    assert_eq!(written("fault.0.iptables"), found("test.toml:17:12", rule));
    assert_eq!(written("fault.out.iptables"), found("test.toml:17:12", rule));
    assert_eq!(written("fault.0.at"), found("--set:1:14", "6s"));
    assert_eq!(written("fault.1"), found("test.toml:20:1", "[[fault]]"));
    assert_eq!(written("client.sysctl.net.ipv4.tcp_retries2"), found("test.toml:12:27", "15"));
    assert_eq!(written("client.keepalive.idle"), found("test.toml:8:22", "\"60s\""));
    assert_eq!(written("client.nodelay"), None);
    assert_eq!(written("fault.7.at"), None);
    let key: KeyPath = "client.keepalive.idle".parse().unwrap();
    let in_cell = scenario.locate_in(&scenario.cells[3], &key).unwrap();
    assert_eq!((in_cell.line(), &in_cell.text[in_cell.range]), (34, "\"10s\""));
    assert_eq!(scenario.source(), FIREWALL);
}

#[test]
fn a_cell_survives_the_way_through_json() {
    for cell in parse(EVERYTHING, &[]).cells {
        let json = serde_json::to_string(&cell).unwrap();
        assert_eq!(serde_json::from_str::<keepalive_lab_scenario::Cell>(&json).unwrap(), cell);
    }
}

#[test]
fn a_repeat_from_the_command_line_replaces_that_of_the_file() {
    let with =
        |repeat| Scenario::parse("test", FIREWALL, &Options { repeat: Some(repeat), ..Options::default() });
    assert_eq!(with(5).unwrap().cells.len(), 15);
    let error = with(0).unwrap_err();
    assert_eq!(error.to_string(), "--repeat:1:1: each combination is run at least once");
}
