//! The theory alone.

use serde_json::Value;

use crate::asking::Folder;

/// The kernel asked about is named, so that the answer is the same on every machine.
const KERNEL: [&str; 4] = ["--release", "6.12", "--hz", "250"];

fn seen(options: &[&str]) -> String {
    let arguments: Vec<&str> = ["predict"].iter().chain(options).chain(&KERNEL).copied().collect();
    Folder::new().seen(&arguments)
}

#[test]
fn the_sum_is_spelled_out_term_by_term() {
    insta::assert_snapshot!(seen(&["--idle", "2s", "--interval", "75s", "--count", "9"]));
}

#[test]
fn a_user_timeout_takes_the_place_of_the_count() {
    insta::assert_snapshot!(seen(&[
        "--idle",
        "2s",
        "--interval",
        "75s",
        "--user-timeout",
        "5s",
        "--retries2",
        "3"
    ]));
}

#[test]
fn programs_are_given_the_same_figures() {
    let seen = seen(&["--idle", "60s", "--json"]);
    let (start, end) = (seen.find('{').expect("an object"), seen.rfind('}').expect("an object"));
    let answer: Value = serde_json::from_str(&seen[start..=end]).expect("JSON");
    let silent = &answer["cases"][0];
    assert_eq!((&answer["hz"], &silent["errno"]), (&250.into(), &"ETIMEDOUT".into()));
    let (min, max) =
        (silent["min_s"].as_f64().expect("a number"), silent["max_s"].as_f64().expect("a number"));
    assert!((741.9..742.1).contains(&min) && (744.0..744.1).contains(&max), "{min}-{max}");
}

#[test]
fn what_no_kernel_takes_is_refused() {
    for wrong in [["--idle", "1500ms"], ["--count", "128"], ["--interval", "0s"], ["--hz", "1"]] {
        let arguments: Vec<&str> = ["predict"].into_iter().chain(wrong).collect();
        let seen = Folder::new().seen(&arguments);
        assert!(seen.ends_with("exit code 2\n"), "{seen}");
    }
}
