//! SIGINT and SIGTERM: what ended is kept.

use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::ground::{Ground, Running, rows};
use crate::{BOTH, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "sigint_in_the_second_of_three_cells_keeps_the_first", who: BOTH, needs: &[], what: sigint },
    Test {
        name: "sigterm_in_the_second_of_three_cells_keeps_the_first",
        who: BOTH,
        needs: &[],
        what: sigterm,
    },
    Test { name: "a_signal_in_the_first_scenario_starts_no_second", who: BOTH, needs: &[], what: no_second },
    Test {
        name: "a_signal_while_cells_are_tried_ends_the_trying",
        who: BOTH,
        needs: &[],
        what: while_trying,
    },
    Test { name: "a_second_signal_ends_at_once_what_hangs", who: BOTH, needs: &[], what: second },
];

const CELL: &str =
    "[client]\nsend = { every = \"50ms\", bytes = 10 }\n[stop]\nwhen = \"limit\"\nlimit = \"500ms\"\n";

fn interrupted(ground: &Ground, signal: Signal) {
    ground.scenario("x", CELL);
    let command = ground.command(&["run", "x.toml", "--repeat", "3", "--json", "--csv", "all.csv"]);
    let mut running = Running::start(command);
    running.wait_for("cell_started", 2);
    running.wait_for("record", 5);
    running.signal(signal);
    let before = Instant::now();
    let seen = running.end();
    seen.ended(130);
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    let last = seen.out.lines().last().expect("a last event");
    assert!(last.contains("\"event\":\"run_ended\"") && last.contains("\"state\":\"interrupted\""), "{last}");

    let folder = ground.folder_of("x");
    for rows in [folder.rows(), rows(&ground.path().join("all.csv"))] {
        let kept: Vec<_> = rows.iter().map(|row| format!("{} {}", row["repeat"], row["outcome"])).collect();
        assert_eq!(kept, ["1 alive", "1 alive"]);
    }
    let metadata = folder.metadata();
    assert_eq!(metadata["state"], "interrupted");
    assert!(metadata["ended"].is_string());
    assert_eq!([&metadata["cells"], &metadata["cells_ended"]], [3, 1]);
}

fn sigint(ground: &Ground) {
    interrupted(ground, Signal::SIGINT);
}

fn sigterm(ground: &Ground) {
    interrupted(ground, Signal::SIGTERM);
}

fn no_second(ground: &Ground) {
    ground.scenario("x", &CELL.replace("500ms", "20s"));
    ground.scenario("y", CELL);
    let mut command = ground.command(&["run", "x.toml", "y.toml"]);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
    let mut child = child.expect("it starts");
    // Its first words are written when the first cell has begun.
    let mut first = [0];
    std::io::Read::read_exact(child.stderr.as_mut().expect("a pipe"), &mut first).expect("a byte");
    std::thread::sleep(Duration::from_millis(200));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    nix::sys::signal::kill(pid, Signal::SIGINT).expect("a signal can be sent");
    let seen = crate::ground::Seen::from(child.wait_with_output().expect("it ends"));
    seen.ended(130);
    assert!(seen.out.starts_with("1 cell: 1 unfinished; interrupted after "), "{}", seen.out);
    assert!(!ground.path().join("results/y").exists());
    assert_eq!(ground.folder_of("x").rows().len(), 0);
}

fn while_trying(ground: &Ground) {
    // Each has options of its own, so each is tried: some ten seconds.
    let idles: Vec<String> = (1..=3000).map(|seconds| format!("\"{seconds}s\"")).collect();
    let sweep =
        format!("[client]\nkeepalive = {{}}\n[sweep]\n\"client.keepalive.idle\" = [{}]\n", idles.join(", "));
    ground.scenario("x", &sweep);
    let running = Running::start(ground.command(&["run", "x.toml", "--json"]));
    std::thread::sleep(Duration::from_secs(1));
    let before = Instant::now();
    running.signal(Signal::SIGINT);
    running.end().ended(130).told(&["error: interrupted before the first cell"]);
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    assert!(!ground.path().join("results").exists());
}

fn second(ground: &Ground) {
    ground.scenario("x", CELL);
    // A pipe that nobody reads: opening it waits for ever.
    let pipe = ground.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o666)).expect("a named pipe");
    std::fs::set_permissions(&pipe, std::os::unix::fs::PermissionsExt::from_mode(0o666)).expect("chmod");
    let mut running = Running::start(ground.command(&["run", "x.toml", "--json", "--csv", "pipe"]));
    std::thread::sleep(Duration::from_millis(700));
    running.signal(Signal::SIGINT);
    std::thread::sleep(Duration::from_millis(300));
    let waits = running.child.try_wait().expect("a child").is_none();
    assert!(waits, "the first signal ends in order, and the order is to wait for the pipe");
    running.signal(Signal::SIGINT);
    running.end().ended(130);
    // Nobody ever opened the other side.
    let open = std::fs::OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(&pipe);
    assert!(open.is_err());
}
