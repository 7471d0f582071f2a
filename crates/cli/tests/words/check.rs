//! Scenarios that are wrong, and those that are right.

use std::path::Path;

use crate::asking::{Folder, checked, text};

#[test]
fn unknown_keys_and_wrong_types_show_the_line_and_what_was_meant() {
    insta::assert_snapshot!(checked(&[
        "[client]\nkeepalive = { idle = \"2s\", intervall = \"1s\" }\n",
        "[client]\nkeepalive = { count = \"9\" }\n",
    ]));
}

#[test]
fn durations_that_make_no_sense_are_refused() {
    insta::assert_snapshot!(checked(&[
        "[client]\nidle_timeout = \"-5s\"\n",
        "[stop]\nlimit = \"1000years\"\n",
    ]));
}

#[test]
fn faults_are_on_a_known_side_and_wait_for_events_that_can_come() {
    insta::assert_snapshot!(checked(&[
        "[[fault]]\nat = \"1s\"\non = \"sever\"\nlink = \"down\"\n",
        "[[fault]]\nafter = \"client.idle\"\non = \"server\"\nlink = \"down\"\n",
    ]));
}

#[test]
fn a_sweep_of_nothing_and_one_of_over_a_million_cells_are_refused() {
    let million: Vec<String> = (1..=1001).map(|number| format!("\"{number}ms\"")).collect();
    let million = format!(
        "[sweep]\n\"client.idle_timeout\" = [{0}]\n\"server.idle_timeout\" = [{0}]\n",
        million.join(", ")
    );
    let seen = Folder::with(&million).seen(&["check", "x.toml"]);
    assert!(seen.contains("1002001") || seen.contains("1,002,001"), "{seen}");
    assert!(seen.ends_with("exit code 2\n"), "{seen}");
    insta::assert_snapshot!(checked(&["[sweep]\n\"client.nodelay\" = []\n", "[sweep]\nrepeat = 0\n"]));
}

#[test]
fn files_that_are_no_scenario_say_so() {
    let folder =
        Folder::with("").and("prose.toml", "To whom it may concern,\n").and("latin1.toml", b"# caf\xe9");
    let folder = folder.and("huge.toml", vec![b'\n'; 2 << 20]);
    let files = ["check", "x.toml", "prose.toml", "latin1.toml", "huge.toml", "missing.toml", "."];
    insta::assert_snapshot!(folder.seen(&files));
}

#[test]
fn a_mistake_in_a_rule_is_shown_at_its_word() {
    insta::assert_snapshot!(checked(&[
        "[[fault]]\nat = \"1s\"\non = \"server\"\niptables = \"-A OUTPUT -p tcp --sport 99999 -j DROP\"\n",
        "[[fault]]\nat = \"1s\"\non = \"server\"\niptables = \"sudo iptables -A OUTPUT -p tcp -j\"\n",
        "[[fault]]\nat = \"1s\"\non = \"client\"\nnft = \"add rule inet filter input tcp dport 99999 drop\"\n",
    ]));
}

#[test]
fn every_problem_of_every_file_is_told_and_the_good_files_too() {
    let folder =
        Folder::with("[clinet]\n[client]\nport = 5\n").and("good.toml", "[client]\nnodelay = true\n");
    insta::assert_snapshot!(folder.seen(&["check", "good.toml", "x.toml"]));
    assert_eq!(text(&folder.output(&["check", "--quiet", "good.toml"]).stdout), "");
}

#[test]
fn a_wrong_scenario_is_refused_by_run_and_plan_as_by_check_and_nothing_is_written() {
    let folder = Folder::with("[client]\nidle_timeout = 75\n");
    let [run, plan, check] = ["run", "plan", "check"].map(|command| folder.output(&[command, "x.toml"]));
    for output in [&run, &plan, &check] {
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(text(&output.stderr), text(&check.stderr));
        assert_eq!(text(&output.stdout), "");
    }
    assert!(!folder.path().join("results").exists());
}

#[test]
fn every_shipped_scenario_is_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let files = std::fs::read_dir(folder).expect("scenarios/").map(|file| file.expect("a file").path());
    let files: Vec<String> = files.map(|path| path.display().to_string()).collect();
    assert!(files.len() >= 10, "{files:?}");
    let arguments: Vec<&str> = std::iter::once("check").chain(files.iter().map(String::as_str)).collect();
    let output = Folder::new().output(&arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), files.len());
}
