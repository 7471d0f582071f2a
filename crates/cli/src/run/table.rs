//! The rows of a run as an aligned table.

use comfy_table::{CellAlignment, Table, presets};
use keepalive_lab_results::Row;
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::end::{End, Ends};
use keepalive_lab_scenario::expect::Expectation;

use super::story::{happened, name_of, timer};
use crate::span::measured;

/// Two lines a cell, the client's first: what happened, after how long, how long it was silent, what was
/// expected, which timer of the kernel was behind it.
pub(crate) fn table(cells: &[(Cell, Ends<Row>)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["cell", "end", "result", "after", "silent for", "expected", "kernel timer"]);
    for (cell, rows) in cells {
        for (end, row) in rows.iter() {
            let name = if end == End::Client { name_of(cell) } else { String::new() };
            let seconds = |seconds: Option<f64>| seconds.map(measured).unwrap_or_default();
            let expected = cell.experiment.expect.get(end).as_ref().map(expected).unwrap_or_default();
            table.add_row([
                name,
                end.to_string(),
                happened(row),
                seconds(row.time_to_error_s),
                seconds(row.silent_s),
                expected,
                timer(row),
            ]);
        }
    }
    for column in 3..=4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// `ETIMEDOUT within 730-760 s`
fn expected(expectation: &Expectation) -> String {
    let mut words = Vec::new();
    words.extend(expectation.errno.clone());
    words.extend(
        expectation.outcome.filter(|_| expectation.errno.is_none()).map(|outcome| outcome.to_string()),
    );
    words.extend(expectation.syscall.as_ref().map(|syscall| format!("on {syscall}")));
    for (what, window) in [("within", expectation.within), ("silent", expectation.silent_within)] {
        words.extend(
            window
                .map(|window| format!("{what} {}-{} s", window.min.as_secs_f64(), window.max.as_secs_f64())),
        );
    }
    words.join(" ")
}
