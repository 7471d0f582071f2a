//! Places of the timer wheel: where a cell begins decides how late its timers fire.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::ground::{Ground, Row, seconds};
use crate::shipped::file;
use crate::{NEWER, Test};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "eight_phases_are_eight_rows_for_each_end_and_spread_within_a_step_of_the_wheel",
    needs: NEWER,
    what: eight,
}];

fn eight(ground: &Ground) {
    let run = format!("run {} --virtual-time --kernel debian:6.12 --quiet --phases 8", file("test1"));
    ground.run(&format!("{run} --csv all.csv")).ended(0);
    let rows = ground.rows("all.csv");
    // The step by which a timer of 75 s is rounded up.
    let step = tcp_timers::wheel::granularity(250, Duration::from_secs(75)).as_secs_f64();
    for end in ["client", "server"] {
        let of_end: Vec<&Row> = rows.iter().filter(|row| row["endpoint"] == end).collect();
        assert_eq!(of_end.len(), 8, "a row for each phase of the {end}");
        let phases: BTreeSet<&str> = of_end.iter().map(|row| row["phase_s"].as_str()).collect();
        assert_eq!(phases.len(), 8, "{phases:?}");
        assert!(
            of_end.iter().all(|row| (0.0..step).contains(&seconds(row, "phase_s"))),
            "{phases:?} within {step}"
        );
    }
    let silent: Vec<f64> =
        rows.iter().filter(|row| row["endpoint"] == "client").map(|row| seconds(row, "silent_s")).collect();
    let (least, most) = silent.iter().fold((f64::MAX, f64::MIN), |(a, b), s| (a.min(*s), b.max(*s)));
    assert!(742.0 <= least && most <= 744.0, "{silent:?}");
    assert!(
        most - least > step / 2.0 && most - least < step,
        "spread over {} s of {step}: {silent:?}",
        most - least
    );
}
