//! Trying a cell's world before anything starts, so that what the kernel refuses is told in time.

use std::collections::HashSet;

use keepalive_lab_netlab::Builder;
use keepalive_lab_scenario::cell::Cell;

use crate::interrupt::Interrupt;
use crate::world::{self, Subject, WorldError};

/// The subnet of throw-away worlds: nobody ever talks in them.
const SUBNET: u32 = u32::MAX;

/// Builds the world of each cell in turn, with its sysctls, socket options and rules, carries its
/// schedule out from top to bottom, and throws it away. Cells that differ in nothing that the kernel
/// could refuse (traffic, times, expectations) are tried once.
///
/// Returns the first refusal with the number of its cell. Blocks, some milliseconds for each different cell;
/// ends early, without a refusal, once it is interrupted.
pub fn rehearse(builder: &Builder, cells: &[Cell], interrupt: &Interrupt) -> Result<(), (usize, WorldError)> {
    let mut tried = HashSet::new();
    for (number, cell) in cells.iter().enumerate() {
        if interrupt.is_interrupted() {
            break;
        }
        if tried.insert(what_can_be_refused(cell)) {
            rehearse_one(builder, cell).map_err(|error| (number, error))?;
        }
    }
    Ok(())
}

fn rehearse_one(builder: &Builder, cell: &Cell) -> Result<(), WorldError> {
    let mut world = world::build(builder, &cell.experiment, SUBNET)?;
    for index in 0..cell.experiment.faults.len() {
        if let Some(failure) = world.breaker.carry_out(index, None).failures.into_iter().next() {
            return Err(WorldError { subject: Subject::Fault(failure.index), source: failure.source.into() });
        }
    }
    Ok(())
}

/// The parts of a cell that the kernel has a say in, as a text that is equal where they are.
fn what_can_be_refused(cell: &Cell) -> String {
    let experiment = &cell.experiment;
    let options = (&experiment.programs.client.options, &experiment.programs.server.options);
    let actions: Vec<_> = experiment.faults.iter().map(|fault| &fault.action).collect();
    format!("{:?} {} {options:?} {:?} {actions:?}", experiment.ip, experiment.port, experiment.sysctls)
}
