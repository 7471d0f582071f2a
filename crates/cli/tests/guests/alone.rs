//! Cells that run at once in one guest do not know of one another.

use crate::ground::{Ground, Row, seconds};
use crate::shipped::file;
use crate::{NEWER, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "thirty_cells_at_once_end_as_each_does_alone_in_a_guest", needs: NEWER, what: thirty },
    Test { name: "cells_that_stream_at_once_end_as_each_does_alone", needs: NEWER, what: streaming },
];

/// How far the seconds of a cell may be from those it has alone: less than two ticks at 250 Hz.
const APART_S: f64 = 0.005;

/// Too little memory for two cells at once.
const ONE_AT_ONCE: &str = "--memory 128";

/// Keepalive at one end, data in flight at the other, on a path that one rule cuts for 40 s.
const CELL: &str = r#"
[client]
send = { once = "hello" }
keepalive = { idle = "2s", interval = "2s", count = 3 }
[server]
send = { at = "1500ms", bytes = 1000 }
[sysctl]
"net.ipv4.tcp_retries2" = 3
[[fault]]
at = "1s"
on = "client"
iptables = "-A INPUT -p tcp --sport 7654 -j DROP"
[[fault]]
at = "41s"
heal = "all"
[stop]
when = "both-closed"
limit = "60s"
"#;

const SWEPT: [(&str, &[&str]); 3] = [
    ("client.keepalive.idle", &["2s", "7s", "11s"]),
    ("server.send.at", &["500ms", "1300ms", "2s", "2500ms", "17s"]),
    ("sysctl.\"net.ipv4.tcp_retries2\"", &["3", "5"]),
];

fn thirty(ground: &Ground) {
    let sweep = SWEPT.map(|(key, values)| {
        let values = values
            .iter()
            .map(|value| if value.ends_with('s') { format!("{value:?}") } else { (*value).into() });
        format!("{key:?} = [{}]\n", values.collect::<Vec<_>>().join(", "))
    });
    ground.scenario("sweep", &format!("{CELL}[sweep]\n{}", sweep.concat()));
    ground.scenario("cell", CELL);
    let run = "--virtual-time --kernel debian:6.12 --quiet";
    ground.run(&format!("run sweep.toml {run} --csv at-once.csv")).ended(0);
    ground.run(&format!("run sweep.toml {run} --csv alone.csv {ONE_AT_ONCE}")).ended(0);
    let at_once = ground.rows("at-once.csv");
    assert_eq!(at_once.len(), 2 * 30);
    same(&at_once, &ground.rows("alone.csv"), &["cell"]);

    // And in a guest that has nothing else to do.
    let set =
        "--set client.keepalive.idle=7s --set server.send.at=17s --set sysctl.\"net.ipv4.tcp_retries2\"=5";
    ground.run(&format!("run cell.toml {run} --csv only.csv {set}")).ended(0);
    let only = ground.rows("only.csv");
    let is_that = |row: &&Row| row["client.keepalive.idle"] == "7s" && row["server.send.at"] == "17s";
    let that: Vec<Row> =
        at_once.iter().filter(is_that).filter(|row| row["tcp_retries2"] == "5").cloned().collect();
    assert_eq!(that.len(), 2);
    same(&that, &only, &[]);
}

fn streaming(ground: &Ground) {
    let run = format!("run {} --virtual-time --kernel debian:6.12 --quiet --phases 4", file("test1"));
    ground.run(&format!("{run} --csv at-once.csv")).ended(0);
    ground.run(&format!("{run} --csv alone.csv {ONE_AT_ONCE}")).ended(0);
    let at_once = ground.rows("at-once.csv");
    assert_eq!(at_once.len(), 2 * 4);
    same(&at_once, &ground.rows("alone.csv"), &["phase_s"]);
}

/// The same ends, told apart by these columns, came to the same: the same words, and seconds close by.
#[track_caller]
fn same(some: &[Row], others: &[Row], told_apart_by: &[&str]) {
    assert_eq!(some.len(), others.len());
    let key = |row: &Row| -> Vec<String> {
        told_apart_by
            .iter()
            .chain(&["scenario", "endpoint"])
            .skip(usize::from(told_apart_by.is_empty()))
            .map(|column| row[*column].clone())
            .collect()
    };
    let mut apart = Vec::new();
    for row in some {
        let other = others.iter().find(|other| key(other) == key(row)).expect("the same cells");
        for column in ["outcome", "errno", "syscall", "armed_timer", "keepalive_probes", "retransmits"] {
            if row[column] != other[column] {
                apart.push(format!("{:?}: {column} {:?} and {:?}", key(row), row[column], other[column]));
            }
        }
        for column in ["time_to_error_s", "kernel_time_to_error_s", "silent_s"] {
            let both = [row, other].map(|row| (!row[column].is_empty()).then(|| seconds(row, column)));
            let is_close = match both {
                [Some(one), Some(other)] => (one - other).abs() <= APART_S,
                both => both[0] == both[1],
            };
            if !is_close {
                apart.push(format!("{:?}: {column} {both:?}", key(row)));
            }
        }
    }
    assert!(apart.is_empty(), "{} things differ:\n{}", apart.len(), apart.join("\n"));
}
