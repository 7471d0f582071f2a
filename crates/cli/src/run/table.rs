//! The rows of a run as an aligned table.

use comfy_table::{CellAlignment, Table, presets};
use keepalive_lab_results::{Row, unmet};
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::end::{End, Ends};

use super::story::{happened, timer};
use crate::expected;
use crate::span::{counted, measured};

/// Cells shown at most: what does not fit a few screens is for `results.csv`.
const SHOWN: usize = 50;

/// What is shown of a run at its end. Of a run of many cells, those that were not as expected come first.
#[derive(Debug, Default)]
pub(crate) struct Digest {
    cells: usize,
    first: Vec<(Cell, Ends<Row>)>,
    unmet: Vec<(Cell, Ends<Row>)>,
}

impl Digest {
    /// Adds a cell that ended.
    pub(crate) fn add(&mut self, cell: &Cell, rows: &Ends<Row>) {
        self.cells += 1;
        let is_met = End::BOTH.iter().all(|&end| is_met(cell, rows, end));
        let list = |cells: &mut Vec<(Cell, Ends<Row>)>| {
            if cells.len() < SHOWN {
                cells.push((cell.clone(), rows.clone()));
            }
        };
        list(&mut self.first);
        if !is_met {
            list(&mut self.unmet);
        }
    }

    /// The table; `None` where no cell ended.
    pub(crate) fn text(&self) -> Option<String> {
        if self.cells <= SHOWN {
            return (self.cells > 0).then(|| table(&self.first));
        }
        let (heading, shown) = match self.unmet.as_slice() {
            [] => ("", &self.first),
            _ => ("not as expected:\n", &self.unmet),
        };
        let more = counted(self.cells - shown.len(), "more cell");
        Some(format!("{heading}{}\n.. and {more} in results.csv", table(shown)))
    }
}

/// Two lines a cell, the client's first: what happened, after how long, how long it was silent, what was
/// expected, which timer of the kernel was behind it.
fn table(cells: &[(Cell, Ends<Row>)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut keys = Vec::<&str>::new();
    for parameter in cells.iter().flat_map(|(cell, _)| &cell.parameters) {
        if !keys.contains(&parameter.key.as_str()) {
            keys.push(&parameter.key);
        }
    }
    let measured_columns = ["end", "result", "after", "silent for", "expected", "kernel timer"];
    table.set_header(["cell"].iter().chain(&keys).chain(&measured_columns));
    for (cell, rows) in cells {
        for (end, row) in rows.iter() {
            let seconds = |seconds: Option<f64>| seconds.map(measured).unwrap_or_default();
            let mut line = of_cell(cell, &keys, end);
            line.extend([
                end.to_string(),
                happened(row),
                seconds(row.time_to_error_s),
                seconds(row.silent_s),
                expected(cell, rows, end),
                timer(row),
            ]);
            table.add_row(line);
        }
    }
    for name in ["after", "silent for"] {
        let place = measured_columns.iter().position(|column| *column == name);
        if let Some(column) = place.and_then(|place| table.column_mut(1 + keys.len() + place)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Which cell it is: told in the client's line only.
fn of_cell(cell: &Cell, keys: &[&str], end: End) -> Vec<String> {
    if end == End::Server {
        return vec![String::new(); keys.len() + 1];
    }
    let name = if keys.is_empty() { &cell.scenario } else { &cell.id };
    let name = if cell.repeat > 1 { format!("{name} #{}", cell.repeat) } else { name.clone() };
    let value = |key: &&str| {
        let parameter = cell.parameters.iter().find(|parameter| parameter.key == **key);
        parameter.map(|parameter| parameter.value.clone()).unwrap_or_default()
    };
    std::iter::once(name).chain(keys.iter().map(value)).collect()
}

fn is_met(cell: &Cell, rows: &Ends<Row>, end: End) -> bool {
    let expectation = cell.experiment.expect.get(end).as_ref();
    expectation.is_none_or(|expectation| unmet(expectation, rows.get(end)).is_empty())
}

/// Only the windows where all is as expected, for the rest stands in the line already, or `yes` without a
/// window; in full where it is not.
fn expected(cell: &Cell, rows: &Ends<Row>, end: End) -> String {
    match cell.experiment.expect.get(end) {
        None => String::new(),
        Some(expectation) if is_met(cell, rows, end) => {
            expected::windows(expectation).unwrap_or_else(|| "yes".into())
        }
        Some(expectation) => expected::words(expectation),
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
