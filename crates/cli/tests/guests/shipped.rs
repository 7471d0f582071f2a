//! The scenarios that come with the program, those of thirteen minutes too: what their comments say is so.

use std::path::Path;

use crate::ground::{Ground, row_of, seconds};
use crate::{BOTH, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "every_shipped_scenario_is_as_expected_on_two_kernels", needs: BOTH, what: all },
    Test { name: "test1_takes_its_thirteen_minutes_in_seconds_on_two_kernels", needs: BOTH, what: test1 },
];

/// The files of the scenarios, separated by spaces.
pub(crate) fn files() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let entries = std::fs::read_dir(folder).expect("scenarios/").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<String> = entries.map(|path| path.display().to_string()).collect();
    files.sort();
    files.join(" ")
}

/// The file of one scenario.
pub(crate) fn file(name: &str) -> String {
    format!("{}/../../scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"))
}

fn all(ground: &Ground) {
    let files = files();
    let kernels = "--kernel debian:6.1 --kernel debian:6.12";
    ground.run(&format!("run {files} --virtual-time {kernels} --quiet --csv all.csv")).ended(0);
    // Each scenario is there, on each kernel.
    let rows = ground.rows("all.csv");
    let cells = files.split_whitespace().count();
    for prefix in ["6.1", "6.12"] {
        let release = &ground.machine.kernel(prefix).release;
        assert_eq!(rows.iter().filter(|row| row["kernel"] == *release).count(), 2 * cells, "{release}");
    }
    assert_eq!(rows.len(), 2 * 2 * cells);
}

fn test1(ground: &Ground) {
    let kernels = "--kernel debian:6.1 --kernel debian:6.12";
    let began = std::time::Instant::now();
    let seen = ground.run(&format!("run {} --virtual-time {kernels} --csv all.csv", file("test1")));
    seen.ended(0);
    assert!(began.elapsed().as_secs() < 120, "waiting is free, but this took {:?}", began.elapsed());
    let rows = ground.rows("all.csv");
    let written: Vec<_> = rows.iter().map(|row| (row["kernel"].as_str(), row["endpoint"].as_str())).collect();
    let [old, new] = ["6.1", "6.12"].map(|prefix| ground.machine.kernel(prefix).release.as_str());
    let expected = [(old, "client"), (old, "server"), (new, "client"), (new, "server")];
    assert_eq!(written, expected, "the kernels in the order they were asked for");
    for rows in rows.chunks(2) {
        let (client, server) = (row_of(rows, "test1", "client"), row_of(rows, "test1", "server"));
        for row in [client, server] {
            assert_eq!([&*row["clock"], &*row["hz"]], ["virtual", "250"]);
            assert!(seconds(row, "kernel_time_to_error_s") <= seconds(row, "time_to_error_s"));
        }
        assert_eq!([&*client["errno"], &*client["syscall"]], ["ETIMEDOUT", "read"]);
        assert_eq!([&*client["armed_timer"], &*client["keepalive_probes"]], ["keepalive", "9"]);
        let silent = seconds(client, "silent_s");
        assert!((742.0..=744.0).contains(&silent), "{silent}");

        assert_eq!([&*server["errno"], &*server["syscall"]], ["ECONNRESET", "read"]);
        // The rules go 42 s after the client's error, and the server writes every half second.
        let told = seconds(server, "time_to_error_s") - seconds(client, "time_to_error_s") - 42.0;
        assert!((0.0..=0.6).contains(&told), "{told} s after the rules went");
    }
    for folder in ground.folders_in("results", "test1") {
        let metadata = folder.metadata();
        assert_eq!([&metadata["clock"], &metadata["state"]], ["virtual", "complete"], "{metadata:#}");
        assert!(metadata["machine"]["asked"].as_str().is_some_and(|asked| asked.starts_with("debian:6.1")));
        assert!(folder.0.join("console.log").is_file(), "the console's log is kept");
    }
}
