//! What holds for any text.

use std::fmt::Write;

use keepalive_lab_scenario::{Options, Override, Scenario, ScenarioError};
use proptest::prelude::*;

/// Texts made of what scenarios are made of, so that they often get past the TOML reader.
fn fragments() -> impl Strategy<Value = String> {
    let lines = [
        "[client]",
        "[server]",
        "[[fault]]",
        "[stop]",
        "[expect]",
        "[sweep]",
        "[sysctl]",
        "[network]",
        "[client.sysctl]",
        "title = 'é'",
        "keepalive = { idle = \"2s\" }",
        "keepalive.count = 300",
        "keepalive = true",
        "at = \"5s\"",
        "at = \"start\"",
        "on = \"server\"",
        "on = \"firewall\"",
        "link = \"down\"",
        "heal = \"all\"",
        "heal = [\"é\", 5]",
        "name = \"out\"",
        "after = \"client.idle\"",
        "plus = \"-1s\"",
        "nft = \"\"",
        "limit = \"1é\"",
        "limit = 5",
        "when = 'ü'",
        "client = { within = [\"2s\", \"1s\"] }",
        "server = { errno = \"EPIP\" }",
        "send = [{}, { fill = 1 }]",
        "\"net.ipv4.x\" = 1",
        "net.ipv4.x = { y = 2024-01-01 }",
        "\"client.keepalive.idle\" = [\"2s\", 'é']",
        "repeat = 3",
        "\"fault.0.at\" = [\"1s\", {}]",
        "client.é.x = [1]",
        "\"cl\\u0069ent.x\" = [[[]]]",
        "idle_timeout = 5s",
        "port = 0x1F",
        "ip = \"ipv6\"",
        "x = [",
        "# comment é",
        "sweep = 1",
        "client = 1",
        "\u{feff}",
        "y = 1979-05-27T07:32:00Z",
    ];
    prop::collection::vec(prop::sample::select(lines.to_vec()), 0..12).prop_map(|lines| lines.join("\n"))
}

/// Every place must lie in its text, on characters.
fn places_are_sound(error: &ScenarioError) {
    assert!(!error.problems().is_empty());
    for problem in error.problems() {
        let place = problem.place.as_ref().expect("an error in a text has a place");
        assert!(place.text.get(place.range.clone()).is_some(), "{:?} of {:?}", place.range, place.text);
        assert!(place.line() >= 1 && place.column() >= 1);
        assert!(!problem.message.is_empty() && !problem.message.contains('\n'), "{:?}", problem.message);
    }
    assert_eq!(error.to_string().lines().count(), error.problems().len());
}

fn read(text: &str, sets: &[String]) {
    let overrides = sets.iter().filter_map(|set| set.parse().map_err(|error| places_are_sound(&error)).ok());
    let options = Options::from(overrides.collect::<Vec<_>>());
    if let Err(error) = Scenario::parse("test", text, &options) {
        places_are_sound(&error);
    }
}

#[derive(Clone, Debug)]
struct Known {
    idle: u64,
    count: u8,
    every_ms: u64,
    bytes: u32,
    port: u16,
    at_s: u64,
    retries: u32,
    ipv6: bool,
}

prop_compose! {
    fn known()(
        idle in 1..=32767_u64, count in 1..=127_u8, every_ms in 1..100_000_u64, bytes in 1..=16_777_216_u32,
        port in 1..=u16::MAX, at_s in 0..=1200_u64, retries: u32, ipv6: bool,
    ) -> Known {
        Known { idle, count, every_ms, bytes, port, at_s, retries, ipv6 }
    }
}

impl Known {
    fn text(&self) -> String {
        let Self { idle, count, every_ms, bytes, port, at_s, retries, ipv6 } = self;
        let ip = if *ipv6 { "ipv6" } else { "ipv4" };
        format!(
            "network.ip = \"{ip}\"\n[server]\nport = {port}\nsend = {{ every = \"{every_ms}ms\", bytes = {bytes} }}\n\
             [client]\nkeepalive = {{ idle = \"{idle}s\", count = {count} }}\n[sysctl]\n\"net.ipv4.tcp_retries2\" = {retries}\n\
             [[fault]]\nat = \"{at_s}s\"\non = \"server\"\nlink = \"down\"\n"
        )
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}", set in "\\PC{0,40}") {
        read(&text, &[set]);
    }

    #[test]
    fn near_scenarios_give_sound_errors(text in fragments(), key in "[a-z.0é]{0,12}", value in "[\\[\\]{}\"'a-z0-9é=, ]{0,12}") {
        read(&text, &[format!("{key}={value}"), "client.keepalive.idle=2s".to_owned()]);
    }

    #[test]
    fn what_is_written_is_what_is_read(known in known()) {
        let scenario = Scenario::parse("test", &known.text(), &Options::default()).expect("a valid scenario");
        let experiment = &scenario.cells[0].experiment;
        let keepalive = experiment.programs.client.options.keepalive.clone().expect("keepalive");
        let keenly = keepalive_lab_scenario::program::Send::Every {
            period: std::time::Duration::from_millis(known.every_ms),
            bytes: known.bytes,
        };
        prop_assert_eq!(keepalive.idle.expect("idle").as_secs(), known.idle);
        prop_assert_eq!(keepalive.count, Some(known.count));
        prop_assert_eq!(&experiment.programs.server.traffic.sends, &[keenly]);
        prop_assert_eq!(experiment.port, known.port);
        prop_assert_eq!(&experiment.sysctls.client["net.ipv4.tcp_retries2"], &known.retries.to_string());
        let at = keepalive_lab_scenario::fault::Trigger::At(std::time::Duration::from_secs(known.at_s));
        prop_assert_eq!(&experiment.faults[0].trigger, &at);
        prop_assert_eq!(experiment.ip == keepalive_lab_scenario::cell::IpVersion::Ipv6, known.ipv6);
    }

    #[test]
    fn a_sweep_has_as_many_cells_as_its_lists_say(lengths in prop::collection::vec(1..6_usize, 1..4), repeat in 1..4_u32) {
        let keys = ["server.port", "client.syn_count", "client.keepalive.count"];
        let mut text = format!("[sweep]\nrepeat = {repeat}\n");
        for (key, length) in keys.iter().zip(&lengths) {
            let values: Vec<String> = (1..=*length).map(|value| value.to_string()).collect();
            writeln!(text, "\"{key}\" = [{}]", values.join(", ")).expect("a string grows");
        }
        let cells = Scenario::parse("test", &text, &Options::default()).expect("a valid scenario").cells;
        prop_assert_eq!(cells.len(), lengths.iter().product::<usize>() * repeat as usize);
        let folders: std::collections::BTreeSet<String> = cells.iter().map(keepalive_lab_scenario::Cell::folder).collect();
        prop_assert_eq!(folders.len(), cells.len());
    }

    #[test]
    fn an_override_is_as_good_as_the_value_in_the_file(known in known(), other in known()) {
        let sets = [
            format!("server.port={}", other.port),
            format!("client.keepalive.idle={}s", other.idle),
            format!("fault.0.at={}s", other.at_s),
            format!("sysctl.net.ipv4.tcp_retries2={}", other.retries),
        ];
        let overrides: Vec<Override> = sets.iter().map(|set| set.parse().expect("an override")).collect();
        let changed = Scenario::parse("test", &known.text(), &overrides.into()).expect("a valid scenario");
        let mixed = Known { port: other.port, idle: other.idle, at_s: other.at_s, retries: other.retries, ..known };
        let written = Scenario::parse("test", &mixed.text(), &Options::default()).expect("a valid scenario");
        prop_assert_eq!(changed.cells, written.cells);
    }
}
