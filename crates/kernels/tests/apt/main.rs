//! Kernels from the real apt and the real mirrors. Where there is no apt, no mirror of Debian or no
//! network, the tests report themselves as ignored, with the reason.
//!
//! About 80 MB are downloaded: a kernel two or three times, and lists of packages.

mod bad_luck;
mod child;
mod fetching;
mod ground;
mod order;
mod suites;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Completion, Trial};

use crate::ground::Ground;

/// A test: its name, a sentence, and what it does.
type Test = (&'static str, fn(&Ground) -> Completion);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(child::OBTAIN) {
        return child::obtain();
    }
    let mut arguments = Arguments::from_args();
    // The tests share one cache, which the first one fills, and compare apt's own folders before and
    // after.
    arguments.test_threads = Some(1);
    // Looked at when the first test wants it, and gone with the last.
    let ground = Arc::new(OnceLock::<Result<Ground, String>>::new());
    let tests = [fetching::TESTS, suites::TESTS, bad_luck::TESTS].concat();
    let trials = tests.into_iter().map(|(name, test): Test| {
        let ground = Arc::clone(&ground);
        Trial::ignorable_test(name, move || match ground.get_or_init(Ground::look) {
            Ok(ground) => Ok(test(ground)),
            Err(reason) => Ok(Completion::ignored_with(reason)),
        })
    });
    let order = Trial::ignorable_test("versions_are_in_the_order_of_dpkg", || Ok(order::as_dpkg_has_it()));
    let trials = trials.chain([order]).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
