//! The cross-check: what is short enough in real time comes to the same in virtual time.

use std::fs;

use crate::Test;
use crate::ground::{Ground, Running};
use crate::machine::Need;
use crate::shipped::file;

pub(crate) const TESTS: &[Test] = &[Test {
    name: "short_scenarios_come_to_the_same_in_real_time_here_and_in_virtual_time",
    needs: &[Need::Qemu, Need::Kernel("6.12"), Need::Root],
    what: agree,
}];

/// Those that take at most fifteen seconds.
const SHORT: [&str; 7] =
    ["quick", "busy-path", "busy-own-output", "user-timeout", "link-down", "connect", "zero-window"];

fn agree(ground: &Ground) {
    // All at once in real time: they only wait.
    let runs: Vec<Running> = SHORT
        .iter()
        .map(|name| Running::start(ground.command(&format!("run {} --csv {name}.csv --json", file(name)))))
        .collect();
    let files = SHORT.map(file).join(" ");
    ground
        .run(&format!("run {files} --virtual-time --kernel debian:6.12 --quiet --csv virtual.csv"))
        .ended(0);
    for run in runs {
        run.end().ended(0);
    }
    let mut real = String::new();
    for name in SHORT {
        let text = fs::read_to_string(ground.path().join(format!("{name}.csv"))).expect("a CSV");
        let from = if real.is_empty() { 0 } else { text.find('\n').expect("a header") + 1 };
        real += &text[from..];
    }
    fs::write(ground.path().join("real.csv"), real).expect("a CSV");
    ground.run("compare real.csv virtual.csv --fail-on change --all").ended(0);
}
