//! The scenarios that come with the program, in real time: what their comments say is so.

use std::fs;
use std::path::Path;

use crate::ground::{Ground, Row, Running};
use crate::{BOTH, ROOT, Test};

/// All but the two of thirteen minutes.
pub(crate) const TESTS: &[Test] = &[
    Test { name: "idle_forever", who: ROOT, needs: &[], what: |ground| as_expected(ground, "idle-forever") },
    Test { name: "zero_window", who: BOTH, needs: &[], what: |ground| as_expected(ground, "zero-window") },
    Test { name: "quick", who: BOTH, needs: &[], what: |ground| as_expected(ground, "quick") },
    Test { name: "link_down", who: BOTH, needs: &[], what: |ground| as_expected(ground, "link-down") },
    Test { name: "connect", who: BOTH, needs: &[], what: |ground| as_expected(ground, "connect") },
    Test { name: "user_timeout", who: BOTH, needs: &[], what: |ground| as_expected(ground, "user-timeout") },
    Test {
        name: "busy_path_and_busy_own_output_differ_in_timer_and_time",
        who: BOTH,
        needs: &[],
        what: busy,
    },
    Test { name: "every_scenario_is_held_to_its_word_here", who: ROOT, needs: &[], what: none_forgotten },
];

/// Those of thirteen minutes.
const LONG: [&str; 2] = ["test1", "test1-as-asked"];

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

fn start(ground: &Ground, name: &str) -> Running {
    // A plain user may not be let into the folder of the sources.
    let text = fs::read_to_string(folder().join(format!("{name}.toml"))).expect("a scenario");
    ground.scenario(name, &text);
    Running::start(ground.command(&["run", &format!("{name}.toml")]))
}

fn as_expected(ground: &Ground, name: &str) {
    start(ground, name).end().ended(0);
}

fn busy(ground: &Ground) {
    let runs = ["busy-path", "busy-own-output"].map(|name| (name, start(ground, name)));
    let servers = runs.map(|(name, run)| {
        run.end().ended(0);
        let rows = ground.folder_of(name).rows();
        rows.into_iter().find(|row| row["endpoint"] == "server").expect("a row for each end")
    });
    let [path, own] = &servers;
    assert_eq!(path["tcp_retries2"], own["tcp_retries2"], "the same setting");
    assert_eq!([&path["armed_timer"], &own["armed_timer"]], ["retransmission", "persist-local-refusal"]);
    let seconds = |row: &Row| row["time_to_etimedout_s"].parse::<f64>().expect("seconds");
    // Counted from the fault; the write is a second later.
    assert!(seconds(path) - 1.0 > 2.0 * (seconds(own) - 1.0), "{} and {}", seconds(path), seconds(own));
    let sent_again = |row: &Row| row["retransmits"].parse::<u32>().expect("a number");
    assert!(sent_again(path) > sent_again(own));
}

fn none_forgotten(_: &Ground) {
    let files = fs::read_dir(folder()).expect("scenarios/").map(|file| file.expect("a file").path());
    for file in files {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let test = name.replace('-', "_");
        let is_tested = TESTS.iter().any(|known| known.name.contains(&test));
        assert!(is_tested || LONG.contains(&name.as_str()), "{name}");
    }
}
