//! A run as JSON lines, for programs.

use std::io::Write;

use keepalive_lab_scenario::cell::Cell;
use serde_json::{Value, json};

use super::news::{News, Reporter, Run};
use crate::complaint::Complaint;
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

impl<W: Write> Json<W> {
    fn write(&mut self, line: &Value) {
        self.output.note(writeln!(self.out, "{line}").and_then(|()| self.out.flush()));
    }
}

impl<W: Write> Reporter for Json<W> {
    fn tell(&mut self, run: &Run<'_>, news: &News<'_>) {
        let line = match news {
            News::RunStarted => json!({
                "event": "run_started",
                "cells": run.scenario.cells.len(),
                "folder": run.folder,
                "clock": run.clock,
                "kernel": run.kernel,
            }),
            News::CellStarted { cell } => with_cell(cell, json!({ "event": "cell_started" })),
            News::Recorded { cell, record } => {
                with_cell(cell, json!({ "event": "record", "record": record }))
            }
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
            News::RunEnded { state, tally, took, lived } => json!({
                "event": "run_ended",
                "folder": run.folder,
                "state": state,
                "cells": tally.cells,
                "cells_met": tally.met,
                "cells_unmet": tally.unmet,
                "cells_failed": tally.failed,
                "took_s": took.as_secs_f64(),
                "lived_s": lived.as_secs_f64(),
            }),
        };
        self.write(&with_run(run, line));
    }

    fn waiting(&mut self) {}

    fn step(&mut self, text: &str) {
        self.write(&json!({ "event": "step", "text": text }));
    }

    fn complain(&mut self, complaint: &Complaint) {
        crate::complaint::tell(std::slice::from_ref(complaint));
    }

    fn end(self: Box<Self>, exit: Exit) -> Exit {
        self.output.end(exit)
    }
}

/// Several runs may go on at once, on several kernels: every line has the number of its own.
fn with_run(run: &Run<'_>, mut line: Value) -> Value {
    line["scenario"] = json!(run.scenario.name);
    line["run"] = json!(run.number);
    line
}

fn with_cell(cell: &Cell, mut line: Value) -> Value {
    line["cell"] = json!(cell.id);
    line["repeat"] = json!(cell.repeat);
    if let Some(phase) = cell.phase {
        line["phase"] = json!(phase);
    }
    for parameter in &cell.parameters {
        line["parameters"][&parameter.key] = json!(parameter.value);
    }
    line
}
