//! Guests: the program as a person starts it, with stock kernels under QEMU, most of it on a virtual clock.
//!
//! Where QEMU, a kernel or what else a test is about cannot be had, the test reports itself as ignored, with the
//! reason. The kernels come from the machine's own apt, into the cache of whoever runs the tests.

mod again;
mod alone;
mod both_ways;
mod cached;
mod dying;
mod ground;
mod lacking;
mod leaving;
mod machine;
mod phases;
mod pretender;
mod processes;
mod real_time;
mod rules;
mod shipped;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::ground::Ground;
use crate::machine::{Machine, Need};

/// A test: its name, a sentence; what it needs of the machine; what it does.
struct Test {
    name: &'static str,
    needs: &'static [Need],
    what: fn(&Ground),
}

const BOTH: &[Need] = &[Need::Qemu, Need::Kernel("6.1"), Need::Kernel("6.12")];
const OLDER: &[Need] = &[Need::Qemu, Need::Kernel("6.1")];
const NEWER: &[Need] = &[Need::Qemu, Need::Kernel("6.12")];

/// How many tests run at once: a guest takes a processor of its own.
const AT_ONCE: usize = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let machine = Arc::new(Machine::examine());
    let tests: [&[Test]; 12] = [
        // Those that mostly wait go first, beside those that mostly calculate.
        real_time::TESTS,
        both_ways::TESTS,
        shipped::TESTS,
        again::TESTS,
        alone::TESTS,
        phases::TESTS,
        rules::TESTS,
        lacking::TESTS,
        dying::TESTS,
        leaving::TESTS,
        pretender::TESTS,
        cached::TESTS,
    ];
    let trials = tests.iter().copied().flatten().map(|test| trial(test, Arc::clone(&machine)));
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    drop(machine);
    conclusion.exit_code()
}

fn trial(test: &'static Test, machine: Arc<Machine>) -> Trial {
    let run = move || -> Result<Completion, Failed> {
        if let Some(reason) = test.needs.iter().find_map(|need| machine.lacks(*need)) {
            return Ok(Completion::ignored_with(reason));
        }
        (test.what)(&Ground::new(&machine));
        Ok(Completion::Completed)
    };
    Trial::ignorable_test(test.name, run)
}
