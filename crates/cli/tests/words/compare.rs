//! `compare`: what is said of results and of copies of them in which something differs.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::asking::{Folder, text};

/// Rows of five scenarios, measured on Linux 6.18.44 in real time.
const SOME: &str = include_str!("compare/some.csv");

/// The rows of one scenario.
fn rows_of(scenario: &str) -> String {
    let is_wanted = |line: &&str| line.starts_with("scenario,") || line.starts_with(scenario);
    SOME.split_inclusive('\n').filter(is_wanted).collect()
}

/// The text with the rows of one end changed: `from` to `to` wherever it stands in them.
fn changed(text: &str, row: &str, from: &str, to: &str) -> String {
    let mut changes = 0;
    let lines = text.lines().map(|line| {
        if line.starts_with(row) && line.contains(from) {
            changes += 1;
            line.replace(from, to)
        } else {
            line.to_owned()
        }
    });
    let text = lines.collect::<Vec<_>>().join("\n") + "\n";
    assert!(changes > 0, "no row {row} with {from}");
    text
}

/// The reference results on another kernel that differs in several ways.
fn another() -> String {
    let text = SOME.replace("6.18.44", "6.1.0-32");
    let text = changed(&text, "quick,1,1,client", "keepalive,3", "keepalive,4");
    let text = changed(&text, "quick,1,1,server", "7.001", "7.501");
    let text = changed(&text, "busy-path,1,1,server", "7.861", "11.002");
    let text = changed(&text, "user-timeout,1,1,server", "ETIMEDOUT", "EHOSTUNREACH");
    let text = changed(&text, "zero-window,1,1,server", "10.40", "10.60");
    text.split_inclusive('\n').filter(|line| !line.starts_with("idle-forever")).collect()
}

fn folder() -> Folder {
    Folder::new().and("a.csv", SOME).and("b.csv", another())
}

#[test]
fn what_changed_is_shown_with_its_reason_and_what_is_the_same_is_counted() {
    let folder = folder();
    insta::assert_snapshot!(folder.seen(&["compare", "a.csv", "b.csv"]));
    insta::assert_snapshot!("all_ends", folder.seen(&["compare", "a.csv", "b.csv", "--all"]));
    insta::assert_snapshot!("markdown", folder.seen(&["compare", "a.csv", "b.csv", "--markdown"]));
}

#[test]
fn json_has_every_end_and_says_the_same() {
    let output = folder().output(&["compare", "a.csv", "b.csv", "--json"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), ""));
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let comparison = &document["comparisons"][0];
    let ends = comparison["ends"].as_array().expect("a list");
    for judgement in ["same", "changed", "inconclusive"] {
        let number = ends.iter().filter(|end| end["judgement"] == judgement).count();
        assert_eq!(comparison[judgement], number, "{judgement}");
    }
    assert_eq!(comparison["only_in_baseline"].as_array().map(Vec::len), Some(2));
    let dead = |end: &&Value| end["scenario"] == "busy-path" && end["endpoint"] == "server";
    insta::assert_snapshot!(
        serde_json::to_string_pretty(ends.iter().find(dead).expect("that end")).expect("JSON")
    );
}

#[test]
fn what_fails_is_chosen() {
    let folder = folder().and("timing.csv", changed(SOME, "busy-path", "7.861", "11.002"));
    let code = |arguments: &[&str]| folder.output(arguments).status.code();
    for (on, any, timing) in [("change", 1, 1), ("errno", 1, 0), ("never", 0, 0)] {
        assert_eq!(code(&["compare", "a.csv", "b.csv", "--fail-on", on]), Some(any), "{on}");
        assert_eq!(code(&["compare", "a.csv", "timing.csv", "--fail-on", on]), Some(timing), "{on}");
    }
    assert_eq!(code(&["compare", "a.csv", "b.csv"]), Some(1));
}

#[test]
fn results_are_the_same_as_themselves() {
    insta::assert_snapshot!(folder().seen(&["compare", "a.csv", "a.csv"]));
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../results/reference");
    let mut files = 0;
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path().join("results.csv");
        let path = path.to_str().expect("UTF-8");
        let seen = Folder::new().seen(&["compare", path, path]);
        assert!(seen.ends_with("2 ends the same\nexit code 0\n"), "{seen}");
        files += 1;
    }
    assert!(files >= 10, "{files}");
}

#[test]
fn one_file_of_several_kernels_is_compared_with_itself() {
    let (one, other) = (rows_of("quick"), rows_of("quick").replace("6.18.44", "6.1.0-32"));
    let both = one + other.split_once('\n').expect("a header").1;
    let third = changed(&both, "quick", "6.1.0-32", "7.2.1");
    let third = third.lines().last().expect("a row").to_owned() + "\n";
    insta::assert_snapshot!(Folder::new().and("runs.csv", both + &third).seen(&["compare", "runs.csv"]));
}

#[test]
fn files_that_cannot_be_compared_say_why_and_where() {
    let good = rows_of("quick");
    let rows = good.split_once('\n').expect("a header").1;
    let folder = Folder::new()
        .and("good.csv", &good)
        .and("empty.csv", "")
        .and("foreign.csv", "name,age\nx,3\n")
        .and("semicolons.csv", good.replace(',', ";"))
        .and("older.csv", good.replacen(",hz,", ",", 1).replace(",250,", ","))
        .and("cut.csv", &good[..good.len() - 20])
        .and("twice.csv", format!("{good}{rows}"))
        .and("other.csv", good.replace("quick,", "slow,"));
    let wrong = [
        "empty.csv",
        "foreign.csv",
        "semicolons.csv",
        "older.csv",
        "cut.csv",
        "twice.csv",
        "other.csv",
        "none.csv",
    ];
    let mut seen: Vec<String> =
        wrong.iter().map(|name| folder.seen(&["compare", "good.csv", name])).collect();
    seen.push(folder.seen(&["compare", "good.csv"]));
    seen.push(folder.seen(&["compare", "good.csv", "."]));
    seen.push(folder.seen(&["compare", "empty.csv", "cut.csv"]));
    for seen in &seen {
        assert!(seen.ends_with("exit code 2\n"), "{seen}");
    }
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
fn what_was_left_out_of_a_file_is_said() {
    let good = rows_of("quick");
    let newer = good.replace('\n', ",x\n").replacen(",x\n", ",mood\n", 1);
    let folder =
        Folder::new().and("good.csv", &good).and("newer.csv", newer).and("bare.csv", good.trim_end());
    insta::assert_snapshot!(folder.seen(&["compare", "good.csv", "newer.csv", "bare.csv"]));
}
