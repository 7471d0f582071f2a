//! Real deaths in throw-away namespaces, and what the kernel tells of them. Where tracepoints may
//! not be read (not root), every test that needs them reports itself as ignored, with the reason.

mod deaths;
mod leftovers;
mod places;

use std::process::ExitCode;

use keepalive_lab_evidence::KernelWatch;
use keepalive_lab_netlab::userns;
use libtest_mimic::{Arguments, Completion, Trial};

/// A test: its name, a sentence, and what it does.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    // These must begin with one thread; each is this binary, started by a test.
    match std::env::args().nth(1).as_deref() {
        Some(leftovers::LIST) => return leftovers::list(),
        Some(leftovers::HOLD) => leftovers::hold(),
        Some(places::POWERLESS) => return places::powerless(),
        Some(places::MOUNTED) => return places::mounted(),
        _ => {}
    }
    let network = userns::acquire().err().map(|error| error.to_string());
    let tracing = KernelWatch::start(&[], drop).err().map(|error| error.to_string());

    let mut arguments = Arguments::from_args();
    // The tests count instances and mounts: one at a time.
    arguments.test_threads = Some(1);
    let trial = |(name, test): Test, refusal: Option<String>| {
        Trial::ignorable_test(name, move || {
            if let Some(reason) = refusal {
                return Ok(Completion::ignored_with(reason));
            }
            test();
            Ok(Completion::Completed)
        })
    };
    let refusal = network.or(tracing);
    let seeing = [deaths::TESTS, leftovers::TESTS, places::TESTS].concat();
    let seeing = seeing.into_iter().map(|test| trial(test, refusal.clone()));
    let blind = Trial::ignorable_test("in_a_user_namespace_the_error_says_that_only_root_may", || {
        Ok(places::in_a_user_namespace_only_root_may())
    });
    libtest_mimic::run(&arguments, seeing.chain([blind]).collect()).exit_code()
}
