//! No machine survives the run that started it, however that ends.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;

use crate::dying::{CELL, ONE_AT_ONCE};
use crate::ground::{CACHE, Ground, Running};
use crate::processes::{MARK, marked, none_is_left, qemu_of};
use crate::{NEWER, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "after_its_end_a_run_has_left_no_machine", needs: NEWER, what: normal },
    Test {
        name: "sigint_ends_the_machine_and_keeps_what_ended",
        needs: NEWER,
        what: |ground| signalled(ground, Signal::SIGINT),
    },
    Test { name: "sigint_while_a_machine_boots_ends_it", needs: NEWER, what: while_it_boots },
    Test {
        name: "sigterm_ends_the_machine_and_keeps_what_ended",
        needs: NEWER,
        what: |ground| signalled(ground, Signal::SIGTERM),
    },
    Test { name: "kill_9_in_the_midst_of_cells_takes_the_machine_along", needs: NEWER, what: killed },
    Test { name: "kill_9_at_random_moments_takes_the_machine_along", needs: NEWER, what: killed_at_random },
];

/// How long the kernel may take to end a machine whose runner is gone.
const GONE_WITHIN: Duration = Duration::from_secs(1);

fn command(ground: &Ground) -> Command {
    ground.scenario("x", CELL);
    let mut command = ground.command(&format!("run x.toml --repeat 200 --json --csv all.csv {ONE_AT_ONCE}"));
    command.env(MARK, ground.path());
    command
}

fn normal(ground: &Ground) {
    ground.scenario("x", CELL);
    let mut command = ground.command("run x.toml --json --virtual-time --kernel debian:6.12");
    command.env(MARK, ground.path());
    let mut running = Running::start(command);
    running.wait_for("cell_started", 1);
    let both = marked(ground.path());
    assert!(both.iter().any(|process| process.contains("qemu-system")), "the mark finds QEMU: {both:?}");
    running.end().ended(0);
    none_is_left(ground.path(), Duration::ZERO);
}

fn signalled(ground: &Ground, signal: Signal) {
    let mut running = Running::start(command(ground));
    running.wait_for("cell_ended", 2);
    running.signal(signal);
    let before = Instant::now();
    let seen = running.end();
    seen.ended(130);
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    none_is_left(ground.path(), Duration::ZERO);
    let last = seen.out.lines().last().expect("a last event");
    assert!(last.contains("\"event\":\"run_ended\"") && last.contains("\"state\":\"interrupted\""), "{last}");
    let folder = ground.folder_of("x");
    let rows = folder.rows();
    assert!(rows.len() >= 4 && rows.len().is_multiple_of(2), "{rows:?}");
    assert_eq!(rows, ground.rows("all.csv"));
    assert_eq!(folder.metadata()["state"], "interrupted");
}

fn while_it_boots(ground: &Ground) {
    let mut command = command(ground);
    command.env(CACHE, ground.fresh_cache());
    let running = Running::start(command);
    let deadline = Instant::now() + Duration::from_secs(10);
    while qemu_of(running.pid()).is_none() {
        assert!(Instant::now() < deadline, "QEMU starts");
        sleep(Duration::from_millis(10));
    }
    running.signal(Signal::SIGINT);
    let before = Instant::now();
    running.end().ended(130);
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    none_is_left(ground.path(), Duration::ZERO);
}

fn killed(ground: &Ground) {
    let mut running = Running::start(command(ground));
    running.wait_for("cell_ended", 1);
    assert!(qemu_of(running.pid()).is_some(), "QEMU is a child of the run");
    running.child.kill().expect("kill -9");
    running.child.wait().expect("wait");
    none_is_left(ground.path(), GONE_WITHIN);
    let rows = ground.folder_of("x").rows();
    assert!(rows.len() >= 2 && rows.len().is_multiple_of(2), "whole cells");
}

fn killed_at_random(ground: &Ground) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    // The first is killed while it boots and saves a machine.
    let cache = ground.fresh_cache();
    for number in 0..6_u64 {
        let moment = Duration::from_micros(number * 350_000 + u64::from(now.subsec_micros()) % 349_000);
        println!("killed after {moment:?}");
        let mut command = command(ground);
        command.env(CACHE, &cache);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        sleep(moment);
        child.kill().expect("kill -9");
        child.wait().expect("wait");
        none_is_left(ground.path(), GONE_WITHIN);
    }
}
