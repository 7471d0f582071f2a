//! A run as JSON lines, for programs.

use std::io::Write;

use keepalive_lab_scenario::cell::Cell;
use serde_json::{Value, json};

use super::news::{News, Reporter};
use crate::exit::Exit;
use crate::output::Output;

/// Writes one JSON object a line: `event` names its kind.
#[derive(Debug)]
pub(crate) struct Json<W> {
    out: W,
    output: Output,
}

impl<W> Json<W> {
    /// Writes to `out`.
    pub(crate) fn new(out: W) -> Self {
        Self { out, output: Output::default() }
    }
}

impl<W: Write> Reporter for Json<W> {
    fn tell(&mut self, news: &News<'_>) {
        let line = match news {
            News::RunStarted { scenario, folder, kernel } => json!({
                "event": "run_started",
                "scenario": scenario.name,
                "cells": scenario.cells.len(),
                "folder": folder,
                "kernel": kernel,
            }),
            News::CellStarted { cell } => with_cell(cell, json!({ "event": "cell_started" })),
            News::Recorded { cell, record } => {
                with_cell(cell, json!({ "event": "record", "record": record }))
            }
            News::Waiting => return,
            News::CellEnded { cell, rows, unmet, took } => {
                let unmet: Vec<_> = unmet
                    .iter()
                    .map(|(end, unmet)| {
                        json!({ "endpoint": end, "expected": unmet.expected, "happened": unmet.happened })
                    })
                    .collect();
                let rows = [&rows.client, &rows.server];
                let took = took.as_secs_f64();
                with_cell(
                    cell,
                    json!({ "event": "cell_ended", "rows": rows, "unmet": unmet, "took_s": took }),
                )
            }
            News::CellFailed { cell, complaint } => with_cell(
                cell,
                json!({ "event": "cell_failed", "message": complaint.message, "reason": complaint.reason }),
            ),
            News::RunEnded { scenario, folder, state, tally, took } => json!({
                "event": "run_ended",
                "scenario": scenario.name,
                "folder": folder,
                "state": state,
                "cells": tally.cells,
                "cells_met": tally.met,
                "cells_unmet": tally.unmet,
                "cells_failed": tally.failed,
                "took_s": took.as_secs_f64(),
            }),
        };
        self.output.note(writeln!(self.out, "{line}").and_then(|()| self.out.flush()));
    }

    fn end(self: Box<Self>, exit: Exit) -> Exit {
        self.output.end(exit)
    }
}

fn with_cell(cell: &Cell, mut line: Value) -> Value {
    line["scenario"] = json!(cell.scenario);
    line["cell"] = json!(cell.id);
    line["repeat"] = json!(cell.repeat);
    for parameter in &cell.parameters {
        line["parameters"][&parameter.key] = json!(parameter.value);
    }
    line
}
