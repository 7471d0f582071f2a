//! The world against a real kernel: as root, or as anyone whom the system lets have a user
//! namespace. Where it does not, every test reports itself as ignored, with the reason.

mod leftovers;
mod privilege;
mod settings;
mod traffic;

use std::process::ExitCode;

use keepalive_lab_netlab::{Builder, IpVersion, Pair, PairPlan, Subnet, userns};
use libtest_mimic::{Arguments, Completion, Trial};

/// A test: its name, a sentence, and what it does.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    // Before anything starts a thread.
    let acquired = userns::acquire();
    match std::env::args().nth(1).as_deref() {
        Some(leftovers::HOLD_PAIRS) => leftovers::hold_pairs(),
        Some(privilege::WITHOUT_NAMESPACES) => return privilege::without_namespaces(),
        _ => {}
    }
    let refusal = acquired.err().map(|error| error.to_string());

    let mut arguments = Arguments::from_args();
    // The tests count descriptors and namespaces: one at a time.
    arguments.test_threads = Some(1);
    let tests = [traffic::TESTS, settings::TESTS, leftovers::TESTS].concat();
    let trials = tests.into_iter().map(|(name, test)| {
        let refusal = refusal.clone();
        Trial::ignorable_test(name, move || {
            if let Some(reason) = refusal {
                return Ok(Completion::ignored_with(reason));
            }
            test();
            Ok(Completion::Completed)
        })
    });
    let limited =
        Trial::ignorable_test("where_user_namespaces_are_limited_to_none_the_setting_is_named", || {
            Ok(privilege::where_user_namespaces_are_limited_to_none_the_setting_is_named())
        });
    libtest_mimic::run(&arguments, trials.chain([limited]).collect()).exit_code()
}

const VERSIONS: [IpVersion; 2] = [IpVersion::V4, IpVersion::V6];

fn builder() -> Builder {
    Builder::new().expect("main() made sure of the privilege")
}

fn pair(builder: &Builder, index: u32, version: IpVersion) -> Pair {
    let plan = PairPlan { subnet: Subnet::nth(index, version) };
    builder.pair(&plan).expect("a pair can be built")
}
