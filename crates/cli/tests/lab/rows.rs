//! The CSV, the run folder, and whose they are.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::ground::{Ground, Row, rows};
use crate::{BOTH, PLAIN, ROOT, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "a_sweep_with_repeats_gives_rows_in_order", who: BOTH, needs: &[], what: sweep },
    Test { name: "one_csv_takes_scenarios_with_different_sweeps", who: BOTH, needs: &[], what: csv_of_two },
    Test {
        name: "the_kernels_own_time_is_just_before_the_applications",
        who: ROOT,
        needs: &["tracepoints"],
        what: kernel_time,
    },
    Test {
        name: "without_root_the_kernels_columns_are_empty_and_one_line_says_why",
        who: PLAIN,
        needs: &[],
        what: no_kernel_time,
    },
    Test {
        name: "under_sudo_all_that_is_written_belongs_to_the_caller_of_sudo",
        who: ROOT,
        needs: &[],
        what: sudo,
    },
    Test { name: "run_json_tells_all_that_is_needed_to_know_the_run", who: BOTH, needs: &[], what: metadata },
    Test {
        name: "names_that_are_no_unicode_are_written_down_all_the_same",
        who: BOTH,
        needs: &[],
        what: strange_names,
    },
];

/// A client that is reset within 150 ms.
const RESET: &str = "[client]\nsend = { every = \"50ms\", bytes = 10 }\n\
                     [[fault]]\nat = \"100ms\"\non = \"server\"\n\
                     iptables = \"-A INPUT -p tcp --dport 7654 -j REJECT --reject-with tcp-reset\"\n\
                     [stop]\nwhen = \"client-closed\"\nlimit = \"10s\"\n";

/// Two ends that are closed within 50 ms.
const BRIEF: &str = "[client]\nclose_at = \"50ms\"\n[stop]\nlimit = \"10s\"\n";

fn columns(rows: &[Row], names: &[&str]) -> Vec<String> {
    let of_row = |row: &Row| names.iter().map(|name| row[*name].as_str()).collect::<Vec<_>>().join(" ");
    rows.iter().map(of_row).collect()
}

fn sweep(ground: &Ground) {
    let sweep = "[sweep]\n\"client.close_at\" = [\"40ms\", \"20ms\"]\n\"server.nodelay\" = [true, false]\nrepeat = 2\n";
    ground.run_text(&format!("{BRIEF}{sweep}"), &[]).ended(0);
    let folder = ground.folder_of("x");
    let mut expected = Vec::new();
    for (cell, values) in [("1", "40ms true"), ("2", "40ms false"), ("3", "20ms true"), ("4", "20ms false")] {
        for repeat in ["1", "2"] {
            for end in ["client", "server"] {
                expected.push(format!("{cell} {repeat} {end} {values}"));
            }
        }
    }
    let named = ["cell", "repeat", "endpoint", "client.close_at", "server.nodelay"];
    assert_eq!(columns(&folder.rows(), &named), expected);
    let header = fs::read_to_string(folder.0.join("results.csv")).expect("a CSV");
    assert!(header.lines().next().is_some_and(|line| line.ends_with(",client.close_at,server.nodelay")));
    for cell in ["1", "1-r2", "4", "4-r2"] {
        assert_eq!(folder.events(cell, "stopped").len(), 1, "{cell}");
    }
}

fn csv_of_two(ground: &Ground) {
    ground.scenario("a", &format!("{BRIEF}[sweep]\n\"client.close_at\" = [\"10ms\", \"20ms\"]\n"));
    ground.scenario("b", &format!("{BRIEF}[sweep]\n\"server.nodelay\" = [true]\n"));
    fs::write(ground.path().join("all.csv"), "what was there before").expect("a file");
    if ground.who == crate::Who::Plain {
        fs::remove_file(ground.path().join("all.csv")).expect("it is root's");
    }
    ground.run(&["run", "a.toml", "b.toml", "--csv", "all.csv", "--results", "elsewhere/deep"]).ended(0);
    let all = rows(&ground.path().join("all.csv"));
    let named = ["scenario", "cell", "endpoint", "client.close_at", "server.nodelay"];
    assert_eq!(
        columns(&all, &named),
        [
            "a 1 client 10ms ",
            "a 1 server 10ms ",
            "a 2 client 20ms ",
            "a 2 server 20ms ",
            "b 1 client  true",
            "b 1 server  true"
        ]
    );
    for scenario in ["a", "b"] {
        assert!(ground.path().join("elsewhere/deep").join(scenario).is_dir());
    }
    assert!(!ground.path().join("results").exists());
}

fn kernel_time(ground: &Ground) {
    let seen = ground.run_text(RESET, &["--repeat", "5"]);
    seen.ended(0);
    assert!(!seen.err.contains("note:"), "{}", seen.err);
    let seconds = |row: &Row, column: &str| row[column].parse::<f64>().expect("seconds");
    let rows = ground.folder_of("x").rows();
    let failed = rows.iter().filter(|row| row["outcome"] == "error");
    let lags: Vec<f64> =
        failed.map(|row| seconds(row, "time_to_error_s") - seconds(row, "kernel_time_to_error_s")).collect();
    assert_eq!(lags.len(), 5, "the client of each repeat");
    assert!(lags.iter().all(|lag| (0.0..0.1).contains(lag)), "{lags:?}");
    // Other tests keep this machine busy: most, not all, are as quick as on an idle one.
    assert!(lags.iter().filter(|&&lag| lag < 0.001).count() >= 3, "{lags:?}");
    assert_eq!(ground.folder_of("x").metadata()["kernel_events"], "recorded from tracepoints");
}

fn no_kernel_time(ground: &Ground) {
    let seen = ground.run_text(RESET, &["--repeat", "2"]);
    seen.ended(0);
    let notes: Vec<_> = seen.err.lines().filter(|line| line.starts_with("note:")).collect();
    let [note] = &notes[..] else { panic!("said once: {}", seen.err) };
    assert!(note.starts_with("note: kernel_time_to_error_s stays empty: only root may"), "{note}");
    let rows = ground.folder_of("x").rows();
    assert!(rows.iter().all(|row| row["kernel_time_to_error_s"].is_empty()));
    assert!(rows.iter().any(|row| !row["time_to_econnreset_s"].is_empty()));
}

/// Calls `check` with all files and folders below a folder, and itself.
fn walk(path: &Path, check: &mut impl FnMut(&Path)) {
    check(path);
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder") {
            walk(&entry.expect("an entry").path(), check);
        }
    }
}

fn sudo(ground: &Ground) {
    ground.scenario("x", BRIEF);
    let mut command = ground.command(&["run", "x.toml", "--csv", "all.csv"]);
    let output = command.env("SUDO_UID", "4711").env("SUDO_GID", "4712").output().expect("it starts");
    assert_eq!(output.status.code(), Some(0));
    let mut seen = Vec::new();
    for written in ["results", "all.csv"] {
        walk(&ground.path().join(written), &mut |path| {
            let found = fs::metadata(path).expect("there");
            assert_eq!((found.uid(), found.gid()), (4711, 4712), "{}", path.display());
            seen.push(path.file_name().expect("a name").to_owned());
        });
    }
    for name in ["results.csv", "run.json", "events.jsonl", "cells", "all.csv"] {
        assert!(seen.iter().any(|seen| seen == name), "{name}");
    }
}

fn metadata(ground: &Ground) {
    let set = ["--set", "client.close_at=20ms", "--repeat", "2"];
    ground.run_text(BRIEF, &set).ended(0);
    let metadata = ground.folder_of("x").metadata();
    let release = nix::sys::utsname::uname().expect("uname");
    assert_eq!(metadata["kernel"]["release"], release.release().to_str().expect("a release"));
    assert_eq!(metadata["kernel"]["hz"], keepalive_lab_clock::ticks_per_second().expect("HZ"));
    assert_eq!(metadata["state"], "complete");
    assert_eq!([&metadata["cells"], &metadata["cells_ended"]], [2, 2]);
    assert_eq!(metadata["scenario"]["text"], BRIEF);
    assert_eq!(metadata["scenario"]["overrides"][0], "--set client.close_at=20ms");
    assert_eq!(metadata["scenario"]["overrides"][1], "--repeat 2");
    assert_eq!(metadata["command"][2], "x.toml");
    assert!(metadata["sysctls"]["net.ipv4.tcp_retries2"].is_string());
}

fn strange_names(ground: &Ground) {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.toml");
    fs::write(ground.path().join(name), BRIEF).expect("a scenario");
    let output = ground.command(&["run", "--quiet"]).arg(name).output().expect("it starts");
    let seen = crate::ground::Seen::from(output);
    seen.ended(0);
    let folder = ground.folder_of("caf\u{fffd}");
    assert_eq!(folder.metadata()["command"][3], "caf\u{fffd}.toml");
    assert_eq!(columns(&folder.rows(), &["scenario", "outcome"])[0], "caf\u{fffd} closed");
}
