//! Our comparison of versions against dpkg's own.

use std::process::Command;

use keepalive_lab_kernels::compare_versions;
use libtest_mimic::Completion;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

/// How many pairs; each takes a process or two.
const PAIRS: usize = 200;

pub(crate) fn as_dpkg_has_it() -> Completion {
    if let Err(error) = Command::new("dpkg").arg("--version").output() {
        return Completion::ignored_with(format!("dpkg: {error}"));
    }
    let mut runner = TestRunner::deterministic();
    // Few different signs, so that most pairs share a beginning.
    let version = "([0-1]:)?[0-2][0-2a.+~]{0,4}(-[0-2a.+~]{1,3})?";
    for _ in 0..PAIRS {
        let pair = (version, version).new_tree(&mut runner).expect("the pattern is sound");
        let (a, b) = pair.current();
        let says = |relation: &str| {
            let status = Command::new("dpkg").args(["--compare-versions", &a, relation, &b]).status();
            status.expect("dpkg is there").success()
        };
        let order = compare_versions(&a, &b);
        let relation = match order {
            std::cmp::Ordering::Less => "lt",
            std::cmp::Ordering::Equal => "eq",
            std::cmp::Ordering::Greater => "gt",
        };
        assert!(says(relation), "{a} {relation} {b}");
    }
    Completion::Completed
}
