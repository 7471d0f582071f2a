//! The lab's own speed and precision, beside what the machine can do at all.
//!
//! `scripts/bench` builds and runs this. Everything measured has its bare counterpart measured in the
//! same run, because machines differ and are noisy: what the lab adds is the difference. A figure
//! beyond its limit is marked with `!`; the exit code says only whether everything could be measured.

mod bare;
mod cells;
mod deaths;
mod faults;
mod figure;
mod network;
mod start;
mod virtual_time;

use std::process::ExitCode;

use keepalive_lab_experiment::lab::Lab;
use keepalive_lab_netlab::userns;

use crate::figure::{Figure, Style};

type Failure = Box<dyn std::error::Error>;

/// What one part measured, or why it could not.
type Part = Result<Vec<Figure>, Failure>;

/// A part's name and what measures it.
type Named<'a> = (&'static str, &'a dyn Fn(&Lab) -> Part);

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1);
    let (options, asked): (Vec<String>, Vec<String>) =
        arguments.partition(|argument| argument.starts_with('-'));
    let kernel = options.iter().find_map(|option| option.strip_prefix("--kernel="));
    let (kernel, fetches) =
        (kernel.unwrap_or(virtual_time::KERNEL), options.iter().any(|option| option == "--fetch"));
    let parts: [Named; 6] = [
        ("network", &|_| network::measure()),
        ("netlink", &faults::by_netlink),
        ("programs", &faults::by_programs),
        ("deaths", &deaths::measure),
        ("start", &|_| start::measure()),
        ("virtual", &|_| virtual_time::measure(kernel, fetches)),
    ];
    let style = if options.iter().any(|option| option == "--json") { Style::JsonLines } else { Style::Table };
    let is_known =
        |option: &String| ["--json", "--fetch"].contains(&option.as_str()) || option.starts_with("--kernel=");
    if !options.iter().all(is_known) {
        return usage(&parts);
    }
    if asked.iter().any(|asked| parts.iter().all(|(name, _)| name != asked)) {
        return usage(&parts);
    }
    // Before the first thread: a user namespace is for processes with one thread.
    let lab = userns::acquire().map_err(Failure::from).and_then(|_| Ok(Lab::open(&[cells::PORT])?));
    let lab = match lab {
        Ok(lab) => lab,
        Err(error) => {
            eprintln!("bench: no lab: {error}");
            return ExitCode::from(3);
        }
    };
    style.heading();
    let mut exit = ExitCode::SUCCESS;
    for (name, measure) in parts {
        if !asked.is_empty() && asked.iter().all(|asked| name != asked) {
            continue;
        }
        match measure(&lab) {
            Ok(figures) => figures.iter().for_each(|figure| style.show(figure)),
            Err(error) => {
                eprintln!("bench: {name}: {error}");
                exit = ExitCode::FAILURE;
            }
        }
    }
    exit
}

fn usage(parts: &[Named]) -> ExitCode {
    let names: Vec<_> = parts.iter().map(|(name, _)| *name).collect();
    eprintln!("usage: bench [--json] [--kernel=SPEC] [--fetch] [{}]...", names.join("|"));
    ExitCode::from(2)
}
