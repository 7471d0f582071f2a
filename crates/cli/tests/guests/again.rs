//! The same command again gives the same bytes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::ground::{CACHE, Ground, RunFolder, Seen};
use crate::shipped::file;
use crate::{NEWER, Test};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "two_runs_of_one_command_give_the_same_bytes_also_on_a_busy_machine",
    needs: NEWER,
    what: same_bytes,
}];

/// Threads that keep processors busy while one of the runs goes on.
const BUSY: usize = 4;

/// Timers of all kinds, several cells at once.
const SWEEP: &str = r#"
[server]
send = { every = "1s", bytes = 13 }
[client]
send = { once = "hello" }
keepalive = { idle = "20s", interval = "5s", count = 4 }
[[fault]]
at = "3s"
on = "server"
nft = "add rule inet filter output tcp sport 7654 drop"
[[fault]]
after = "client.error"
plus = "1500ms"
heal = "all"
[stop]
when = "both-closed"
limit = "5m"
[sweep]
"client.keepalive.idle" = ["7s", "20s"]
"client.keepalive.interval" = ["3s", "5s", "11s"]
"#;

fn same_bytes(ground: &Ground) {
    ground.scenario("sweep", SWEEP);
    let words = |name: &str| {
        let files = [file("quick"), file("zero-window"), file("connect")].join(" ");
        format!(
            "run {files} sweep.toml --virtual-time --kernel debian:6.12 --csv {name}.csv --results {name} --json"
        )
    };
    // The first run boots and saves the machine, the second resumes it.
    let cache = ground.fresh_cache();
    let command = |name: &str| {
        let mut command = ground.command(&words(name));
        command.env(CACHE, &cache);
        command
    };
    Seen::of(command("idle")).ended(0);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..BUSY {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::black_box(0_u64);
                }
            });
        }
        Seen::of(command("busy")).ended(0);
        is_over.store(true, Ordering::Relaxed);
    });

    let text = |name: &str| std::fs::read_to_string(ground.path().join(name)).expect("a CSV");
    assert_eq!(text("idle.csv"), text("busy.csv"));
    assert_eq!(text("idle.csv").lines().count(), 1 + 2 * (3 + 6), "a row for each end of each cell");
    for name in ["quick", "zero-window", "connect", "sweep"] {
        let [idle, busy] = ["idle", "busy"].map(|results| ground.folders_in(results, name).remove(0));
        let cells = files_of(&idle);
        assert_eq!(cells, files_of(&busy));
        for file in cells.iter().map(String::as_str).chain(["results.csv"]) {
            assert!(idle.text(file) == busy.text(file), "{name}: {file} differs");
        }
    }
}

/// What was written of each cell.
fn files_of(folder: &RunFolder) -> Vec<String> {
    let cells = std::fs::read_dir(folder.0.join("cells")).expect("cells");
    let mut files: Vec<String> = cells
        .map(|cell| format!("cells/{}/events.jsonl", cell.expect("a cell").file_name().to_string_lossy()))
        .collect();
    files.sort();
    files
}
