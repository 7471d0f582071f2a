//! What would be done, told without doing it.

use std::path::Path;

use crate::asking::{Folder, text};

/// A scenario with something of everything.
const EVERYTHING: &str = r#"
title = "Everything at once"
[network]
ip = "ipv6"
[server]
port = 8080
send = [{ every = "500ms", bytes = 13 }, { at = "2s", bytes = 100 }, { fill = true }]
reply = false
user_timeout = "5s"
send_buffer = 4096
linger = "0s"
[server.sysctl]
"net.ipv4.tcp_retries2" = 3
[client]
send = { once = "hello\n" }
keepalive = { idle = "1m15s", count = 9 }
idle_timeout = "1500ms"
connect_timeout = "3s"
close_at = "20s"
syn_count = 2
nodelay = true
receive_buffer = 4096
rto_max = "30s"
[sysctl]
"net.ipv4.tcp_syn_retries" = 4
[[fault]]
at = "start"
on = "client"
link = "down"
name = "cable"
[[fault]]
at = "1s"
on = "server"
nft = "add rule inet filter input meta skuid 0 drop"
[[fault]]
after = "client.idle"
plus = "10s"
heal = ["cable"]
[[fault]]
after = "server.error"
heal = "all"
[stop]
when = "limit"
limit = "2h13m"
"#;

#[test]
fn everything_that_a_scenario_can_say_is_planned_in_words() {
    insta::assert_snapshot!(Folder::with(EVERYTHING).seen(&["plan", "x.toml"]));
}

#[test]
fn the_plan_of_test1() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/test1.toml");
    let folder = Folder::new().and("test1.toml", std::fs::read(path).expect("scenarios/test1.toml"));
    insta::assert_snapshot!(folder.seen(&["plan", "test1.toml"]));
}

const SWEEP: &str = "title = \"A sweep\"\n[client]\nkeepalive = {}\n[stop]\nlimit = \"30s\"\n\
                     [sweep]\n\"client.keepalive.idle\" = [\"2s\", \"1m\"]\n\"client.nodelay\" = [true, false]\n";

#[test]
fn the_cells_of_a_sweep_are_listed() {
    insta::assert_snapshot!(Folder::with(SWEEP).seen(&["plan", "x.toml", "--repeat", "2"]));
}

#[test]
fn a_key_set_on_the_command_line_takes_the_place_of_the_files() {
    let folder = Folder::with(SWEEP);
    let set = ["plan", "x.toml", "--set", "client.keepalive.idle=3s", "--set", "stop.limit=5s"];
    insta::assert_snapshot!(folder.seen(&set));
    let wrong = ["--set", "client.keepalive.idel=3s", "--set", "nonsense", "--set", "stop.limit=soon"];
    for pair in wrong.chunks(2) {
        let seen = folder.seen(&["plan", "x.toml", pair[0], pair[1]]);
        assert!(seen.contains("--set") && seen.ends_with("exit code 2\n"), "{seen}");
    }
}

#[test]
fn of_many_cells_fifty_are_listed_and_all_as_json() {
    let folder = Folder::with("[client]\nkeepalive = {}\n");
    let plan = ["plan", "x.toml", "--repeat", "300"];
    let listed = folder.seen(&plan);
    assert!(listed.contains("\n.. and 250 more (--json lists all)\n"), "{listed}");
    assert_eq!(listed.lines().filter(|line| line.starts_with(" 1 ")).count(), 50, "{listed}");

    let json = folder.output(&[&plan[..], &["--json"]].concat());
    assert_eq!(json.status.code(), Some(0));
    let cells: Vec<serde_json::Value> =
        text(&json.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(cells.len(), 300);
    assert!(cells.iter().enumerate().all(|(place, cell)| cell["repeat"] == place + 1));
    assert_eq!(cells[0]["scenario"], "x");
}

#[test]
fn a_hundred_thousand_cells_are_planned_within_seconds() {
    let before = std::time::Instant::now();
    let seen = Folder::with("[client]\nkeepalive = {}\n").seen(&["plan", "x.toml", "--repeat", "100000"]);
    assert!(seen.contains("100000 cells one after another"), "{seen}");
    assert!(before.elapsed().as_secs() < 20, "{:?}", before.elapsed());
}

#[test]
fn the_schema_is_that_of_the_scenario_crate() {
    let output = Folder::new().output(&["schema"]);
    assert_eq!(output.status.code(), Some(0));
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    // What stands in it is reviewed there, as a snapshot.
    assert_eq!(schema, serde_json::to_value(keepalive_lab_scenario::schema()).expect("JSON"));
    assert_eq!(output.stdout, Folder::new().output(&["schema"]).stdout, "the same each time");
}
