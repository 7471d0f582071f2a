//! The program on a real kernel, started as a person would: as root, and as a plain user in the user
//! namespace that it makes for itself. Where this machine does not allow one of them, or lacks what a
//! test is about, the test reports itself as ignored, with the reason.

mod disk;
mod ends;
mod forms;
mod ground;
mod host;
mod interruption;
mod killing;
mod machine;
mod privilege;
mod refusals;
mod rows;
mod schedule;
mod shipped;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::ground::Ground;
use crate::machine::{Machine, Who};

/// A test: its name, a sentence; as whom the program is started in it; what it needs of the machine;
/// what it does.
struct Test {
    name: &'static str,
    who: &'static [Who],
    needs: &'static [&'static str],
    what: fn(&Ground),
}

const BOTH: &[Who] = &[Who::Root, Who::Plain];
const ROOT: &[Who] = &[Who::Root];
const PLAIN: &[Who] = &[Who::Plain];

/// How many tests run at once: they mostly wait for the kernel's timers.
const AT_ONCE: usize = 16;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let machine = Arc::new(Machine::examine());
    let tests: [&[Test]; 10] = [
        // The longest first.
        shipped::TESTS,
        killing::TESTS,
        interruption::TESTS,
        ends::TESTS,
        schedule::TESTS,
        refusals::TESTS,
        rows::TESTS,
        forms::TESTS,
        disk::TESTS,
        privilege::TESTS,
    ];
    let trials = tests.iter().copied().flatten().chain(host::TESTS).flat_map(|test| {
        let machine = &machine;
        test.who.iter().map(move |&who| trial(test, who, Arc::clone(machine)))
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    drop(machine);
    conclusion.exit_code()
}

fn trial(test: &'static Test, who: Who, machine: Arc<Machine>) -> Trial {
    let run = move || -> Result<Completion, Failed> {
        if let Some(reason) = machine.lacks(who, test.needs) {
            return Ok(Completion::ignored_with(reason));
        }
        (test.what)(&Ground::new(&machine, who));
        Ok(Completion::Completed)
    };
    Trial::ignorable_test(test.name, run).with_kind(who.name())
}
