//! The forms in which a run is shown: lines, a moving line, JSON, hardly anything.

use std::process::Stdio;

use serde_json::Value;

use crate::ground::{Ground, Seen};
use crate::machine::TERMINAL;
use crate::{BOTH, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "json_is_one_object_a_line_from_run_started_to_run_ended",
        who: BOTH,
        needs: &[],
        what: json,
    },
    Test { name: "quiet_says_nothing_but_what_went_wrong", who: BOTH, needs: &[], what: quiet },
    Test { name: "in_a_pipe_plain_lines_tell_what_happens", who: BOTH, needs: &[], what: pipe },
    Test { name: "on_a_terminal_a_line_moves_and_goes_away", who: BOTH, needs: &[TERMINAL], what: terminal },
    Test { name: "a_reader_that_goes_away_does_not_end_the_run", who: BOTH, needs: &[], what: reader },
    Test { name: "what_could_not_be_shown_fails_the_run_at_its_end", who: BOTH, needs: &[], what: full },
];

const FAULT: &str = "[[fault]]\nname = \"wall\"\nat = \"100ms\"\non = \"server\"\n\
                     iptables = \"-A INPUT -p tcp --dport 7654 -j DROP\"\n";
const BRIEF: &str = "title = \"A brief one\"\n[client]\nclose_at = \"50ms\"\n[stop]\nlimit = \"10s\"\n";

fn json(ground: &Ground) {
    ground.scenario(
        "a",
        "[client]\nsend = { every = \"50ms\", bytes = 1 }\n[stop]\nwhen = \"limit\"\nlimit = \"300ms\"\n",
    );
    ground.scenario("b", &format!("{BRIEF}[expect]\nclient = {{ outcome = \"alive\" }}\n"));
    let seen = ground.run(&["run", "a.toml", "b.toml", "--json", "--repeat", "2"]);
    seen.ended(1);
    assert_eq!(seen.err, "", "all that is to be known stands in the lines");
    let events: Vec<Value> = seen.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().expect("a kind")).collect();
    let main: Vec<&str> = kinds.iter().copied().filter(|kind| *kind != "record").collect();
    let one = ["run_started", "cell_started", "cell_ended", "cell_started", "cell_ended", "run_ended"];
    assert_eq!(main, [one, one].concat());
    let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).collect::<Vec<_>>();
    for record in of("record") {
        assert!(record["record"]["at"].is_u64() && record["record"]["source"].is_string(), "{record}");
        assert!(record["cell"].is_string() && record["repeat"].is_u64(), "{record}");
    }
    let sources = of("record").into_iter().filter(|record| record["record"]["event"] == "sent").count();
    assert!(sources >= 4, "records of the application are there");
    let ended = of("cell_ended");
    assert_eq!(ended[0]["unmet"], Value::Array(vec![]));
    assert_eq!(ended[0]["rows"][1]["endpoint"], "server");
    assert_eq!(ended[2]["unmet"][0]["expected"], "outcome alive");
    let summary = of("run_ended");
    assert_eq!([&summary[0]["cells_met"], &summary[0]["cells_unmet"]], [2, 0]);
    assert_eq!([&summary[1]["cells_met"], &summary[1]["cells_unmet"]], [0, 2]);
    let folder = summary[1]["folder"].as_str().expect("a path");
    assert!(ground.path().join(folder).join("results.csv").is_file());
}

fn quiet(ground: &Ground) {
    let seen = ground.run_text(BRIEF, &["--quiet"]);
    seen.ended(0);
    assert_eq!(seen.out + &seen.err, "");
    let seen = ground.run_text(&format!("{BRIEF}[expect]\nserver = {{ outcome = \"alive\" }}\n"), &["-q"]);
    seen.ended(1);
    assert_eq!(seen.err, "");
    let lines: Vec<&str> = seen.out.lines().collect();
    assert_eq!(
        lines,
        [
            "FAILED x  client closed · server closed  (0 s)",
            "       server: expected outcome alive, happened: closed"
        ]
    );
}

fn pipe(ground: &Ground) {
    let seen = ground.run_text(&format!("{BRIEF}{FAULT}"), &["--repeat", "2"]);
    seen.ended(0).told(&["x (1/2): at most 10 s\n", "x #2 (2/2): at most 10 s\n", " s  client connected\n"]);
    let lines: Vec<&str> = seen.out.lines().collect();
    assert_eq!(lines[0], "x: A brief one");
    assert_eq!(lines[1], "ok     x  client closed · server closed  (0 s)");
    assert_eq!(lines[2], "ok     x #2  client closed · server closed  (0 s)");
    assert!(lines[4].starts_with(" cell  end     result"), "{}", seen.out);
    let last = lines.last().expect("a last line");
    assert!(last.starts_with("2 cells as expected in 0 s · results/x/") && last.ends_with('/'), "{last}");
    assert!(!(seen.out.clone() + &seen.err).contains('\u{1b}'), "no escapes in a pipe");
}

fn terminal(ground: &Ground) {
    ground.scenario("x", "[stop]\nwhen = \"limit\"\nlimit = \"1300ms\"\n");
    let program = ground.machine.path();
    let mut command = ground.machine.starter(ground.who, "script");
    let asked = format!("stty cols 100 2>/dev/null; exec {} run x.toml", program.display());
    command.args(["-qec", &asked, "/dev/null"]).current_dir(ground.path()).env("TERM", "xterm");
    command.env_remove("NO_COLOR").stdin(Stdio::null());
    let seen = Seen::of(command);
    seen.ended(0);
    assert!(seen.out.contains("x (1/1)  1 s, at most 0 s left  "), "{}", seen.out);
    assert!(seen.out.contains("\u{1b}[32mok\u{1b}[0m     x  client alive"), "{:?}", seen.out);
    let after = seen.out.rsplit("1/1").next().expect("a rest");
    assert!(after.contains("\u{1b}[2K"), "the moving line is wiped: {after:?}");
}

fn reader(ground: &Ground) {
    ground.scenario("x", BRIEF);
    for form in [&["--repeat", "2"][..], &["--repeat", "2", "--json"]] {
        let mut command = ground.command(&[&["run", "x.toml"], form].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{form:?}");
    }
    for folder in ground.folders_of("x") {
        assert_eq!(crate::ground::RunFolder(folder).rows().len(), 4);
    }
}

fn full(ground: &Ground) {
    ground.scenario("x", BRIEF);
    for form in [&[][..], &["--json"]] {
        let device = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let mut command = ground.command(&[&["run", "x.toml"], form].concat());
        let seen = Seen::from(command.stdout(device).output().expect("it starts"));
        seen.ended(4).told(&["error: could not write to standard output: No space left on device"]);
    }
    assert_eq!(ground.folders_of("x").len(), 2);
}
