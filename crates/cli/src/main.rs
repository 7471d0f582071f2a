//! keepalive-lab: when the network dies silently, how many seconds pass until each end of a TCP
//! connection knows, with which error, and which settings change that?
//!
//! This crate is words and pictures for people: arguments, progress, messages and exit codes.

#![allow(clippy::result_large_err, reason = "a complaint ends the command: its size costs nothing")]

mod args;
mod check;
mod compare;
mod complaint;
mod doctor;
mod exit;
mod expected;
mod kernel;
mod kernels;
mod load;
mod output;
mod plan;
mod predict;
mod run;
mod span;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};

fn main() -> ExitCode {
    // Both stand in for other programs: the first process of a guest, and the one that becomes QEMU.
    run::inside::run_if_inside();
    keepalive_lab_vm::machine::keeper::run_if_asked();
    let cli = Cli::parse();
    let exit = match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Plan(args) => plan::plan(args),
        Command::Check(args) => check::check(args),
        Command::Schema => check::schema(),
        Command::Compare(args) => compare::compare(args),
        Command::Predict(args) => predict::predict(args),
        Command::Kernels(args) => kernels::kernels(args),
        Command::Doctor(args) => doctor::doctor(args),
    };
    exit.into()
}
