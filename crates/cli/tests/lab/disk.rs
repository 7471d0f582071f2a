//! Places that cannot be written to, and disks that are full.

use std::fs;

use crate::ground::{Ground, Seen, rows};
use crate::machine::MOUNTS;
use crate::{BOTH, PLAIN, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "a_results_path_that_is_a_file_is_told", who: BOTH, needs: &[], what: results_is_a_file },
    Test {
        name: "a_results_folder_that_may_not_be_written_is_told",
        who: PLAIN,
        needs: &[],
        what: results_closed,
    },
    Test { name: "a_csv_that_takes_nothing_is_told", who: BOTH, needs: &[], what: csv_full },
    Test { name: "a_csv_in_a_folder_that_is_not_there_is_told", who: BOTH, needs: &[], what: csv_nowhere },
    Test {
        name: "a_disk_full_in_the_middle_leaves_whole_cells_in_the_csv",
        who: BOTH,
        needs: &[MOUNTS],
        what: csv_fills,
    },
    Test {
        name: "a_disk_full_of_events_leaves_whole_cells_in_the_csv",
        who: BOTH,
        needs: &[MOUNTS],
        what: results_fill,
    },
    Test {
        name: "run_and_tmp_need_not_be_writable",
        who: BOTH,
        needs: &[MOUNTS, "rules by iptables"],
        what: read_only,
    },
];

const BRIEF: &str = "[client]\nclose_at = \"10ms\"\n[stop]\nlimit = \"10s\"\n";

fn results_is_a_file(ground: &Ground) {
    fs::write(ground.path().join("taken"), "").expect("a file");
    let seen = ground.run_text(BRIEF, &["--results", "taken"]);
    seen.ended(4).told(&["error: could not create the folder taken: File exists", "--results DIR"]);
}

fn results_closed(ground: &Ground) {
    let seen = ground.run_text(BRIEF, &["--results", "/closed"]);
    seen.ended(4).told(&["error: could not create the folder /closed: Permission denied"]);
}

fn csv_full(ground: &Ground) {
    let seen = ground.run_text(BRIEF, &["--csv", "/dev/full"]);
    seen.ended(4).told(&["error: could not write to /dev/full: No space left on device", "--csv PATH"]);
}

fn csv_nowhere(ground: &Ground) {
    let seen = ground.run_text(BRIEF, &["--csv", "nowhere/all.csv"]);
    seen.ended(4).told(&["error: could not create nowhere/all.csv: No such file or directory"]);
}

fn csv_fills(ground: &Ground) {
    ground.scenario("x", BRIEF);
    // One page: some twenty cells.
    let script = "mkdir small; mount -t tmpfs -o size=4k none small\n\
                  code=0; \"$@\" || code=$?; cp small/all.csv all.csv; exit $code";
    let seen =
        Seen::of(ground.unseen(script, &["run", "x.toml", "--repeat", "60", "--csv", "small/all.csv"]));
    seen.ended(4).told(&["error: could not write to small/all.csv: No space left on device"]);
    let kept = rows(&ground.path().join("all.csv"));
    assert!(kept.len() > 10 && kept.len().is_multiple_of(2), "whole cells: {} rows", kept.len());
    for (cell, pair) in kept.chunks(2).enumerate() {
        let repeat = (cell + 1).to_string();
        let expected = ["client", &repeat, "server", &repeat];
        let [client, server] = pair else { unreachable!("chunks of two") };
        assert_eq!(
            [&client["endpoint"], &client["repeat"], &server["endpoint"], &server["repeat"]],
            expected
        );
    }
    // The run folder lies on another disk: it has the cell that did not fit too, and knows how it ended.
    let folder = ground.folder_of("x");
    assert_eq!(folder.rows().len(), kept.len() + 2);
    assert_eq!(folder.metadata()["state"], "failed");
}

fn results_fill(ground: &Ground) {
    ground.scenario("x", BRIEF);
    let script = "mkdir small; mount -t tmpfs -o size=96k none small\n\
                  code=0; \"$@\" || code=$?; cp -r small results; exit $code";
    let seen = Seen::of(ground.unseen(script, &["run", "x.toml", "--repeat", "60", "--results", "small"]));
    seen.ended(4).told(&["No space left on device", "what ended before is kept"]);
    let folder = ground.folder_of("x");
    let kept = folder.rows();
    assert!(kept.len() >= 4 && kept.len().is_multiple_of(2) && kept.len() < 120, "{} rows", kept.len());
    assert!(folder.metadata()["state"].is_string(), "run.json is whole");
    assert!(!folder.0.join(".run.json").exists(), "no draft is left");
}

fn read_only(ground: &Ground) {
    let rule = "-A OUTPUT -p tcp --dport 1 -m owner --uid-owner 0 -j DROP";
    let fault = format!("[[fault]]\nat = \"1ms\"\non = \"client\"\niptables = \"{rule}\"\n");
    ground.scenario("x", &format!("{BRIEF}{fault}"));
    let script = "here=$PWD; mount --bind /tmp /tmp; mount --bind /run /run; mount --bind $here $here; cd $here\n\
                  mount -o remount,bind,ro /tmp; mount -o remount,bind,ro /run\n\
                  ! touch /tmp/x 2>/dev/null; ! touch /run/x 2>/dev/null; exec \"$@\"";
    Seen::of(ground.unseen(script, &["run", "x.toml"])).ended(0);
    let folder = ground.folder_of("x");
    assert_eq!(folder.events("1", "fault_in_force").len(), 1);
    assert!(folder.metadata()["programs"]["iptables"].is_string());
}
