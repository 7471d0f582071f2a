use keepalive_lab_results::{Clock, Verdict};
use keepalive_lab_scenario::expect::Outcome;
use keepalive_lab_scenario::{Options, Scenario};

use super::*;

fn cells(text: &str) -> Vec<Cell> {
    Scenario::parse("busy", text, &Options::default()).expect("a scenario").cells
}

/// A row of an end that died after `seconds`, or that lives on.
fn row(cell: &Cell, endpoint: End, errno: Option<&str>, seconds: f64) -> Row {
    Row {
        scenario: cell.scenario.clone(),
        cell: cell.id.clone(),
        repeat: cell.repeat,
        endpoint,
        kernel: "6.18.44".into(),
        hz: Some(250),
        clock: Clock::Real,
        keepidle_s: None,
        keepintvl_s: None,
        keepcnt: None,
        user_timeout_s: None,
        tcp_retries2: Some(15),
        outcome: if errno.is_some() { Outcome::Error } else { Outcome::Alive },
        errno: errno.map(str::to_owned),
        syscall: errno.map(|_| "read".to_owned()),
        time_to_error_s: errno.map(|_| seconds),
        kernel_time_to_error_s: None,
        predicted_min_s: None,
        predicted_max_s: None,
        predicted_errno: None,
        verdict: Verdict::Unpredicted,
        silent_s: errno.map(|_| seconds + 0.5),
        armed_timer: Some("keepalive".into()),
        keepalive_probes: Some(1),
        retransmits: Some(0),
        phase_s: None,
        parameters: Vec::new(),
    }
}

fn digest(cells: &[Cell], server: impl Fn(usize) -> f64) -> Digest {
    let mut digest = Digest::default();
    for (number, cell) in cells.iter().enumerate() {
        let client = row(cell, End::Client, None, 0.0);
        digest.add(cell, &Ends { client, server: row(cell, End::Server, Some("ETIMEDOUT"), server(number)) });
    }
    digest
}

const EXPECT: &str = "[expect]\nclient = { outcome = \"alive\" }\n\
                      server = { errno = \"ETIMEDOUT\", syscall = \"read\", within = [\"4s\", \"4.3s\"] }\n";

#[test]
fn a_run_without_cells_has_no_table() {
    assert_eq!(Digest::default().text(), None);
}

#[test]
fn what_is_as_expected_shows_its_window_only_and_what_is_not_the_whole_expectation() {
    let cells = cells(&format!("{EXPECT}[sweep]\nrepeat = 2\n"));
    insta::assert_snapshot!(digest(&cells, |number| [4.13, 742.9][number]).text().expect("a table"));
}

#[test]
fn swept_keys_have_a_column_each() {
    let sweep = "[sweep]\n\"client.keepalive.idle\" = [\"2s\", \"1m\"]\n\"client.nodelay\" = [true]\n";
    insta::assert_snapshot!(digest(&cells(sweep), |_| 9.0).text().expect("a table"));
}

#[test]
fn of_hundreds_of_cells_fifty_are_shown_and_first_those_that_are_not_as_expected() {
    let cells = cells(&format!("{EXPECT}[sweep]\nrepeat = 300\n"));
    let all_well = digest(&cells, |_| 4.1).text().expect("a table");
    assert_eq!(all_well.lines().count(), 1 + 2 * 50 + 1);
    assert!(all_well.ends_with("\n.. and 250 more cells in results.csv"), "{all_well}");
    let one_late = digest(&cells, |number| if number == 298 { 9.0 } else { 4.1 }).text().expect("a table");
    assert!(one_late.starts_with("not as expected:\n"), "{one_late}");
    assert_eq!(one_late.lines().count(), 1 + 1 + 2 + 1);
    assert!(one_late.contains("busy #299") && one_late.ends_with(".. and 299 more cells in results.csv"));
}
