//! Machines that forbid what the program needs.

use crate::ground::{Ground, Seen};
use crate::machine::LIMITS;
use crate::{BOTH, PLAIN, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "doctor_tries_all_that_a_run_needs", who: BOTH, needs: &[], what: doctor_works },
    Test {
        name: "user_namespaces_forbidden_are_told_with_the_setting",
        who: PLAIN,
        needs: &[LIMITS],
        what: no_user_namespaces,
    },
    Test {
        name: "network_namespaces_forbidden_are_told_with_the_setting",
        who: PLAIN,
        needs: &[LIMITS],
        what: no_network_namespaces,
    },
    Test {
        name: "doctor_tells_what_a_machine_without_namespaces_lacks",
        who: PLAIN,
        needs: &[LIMITS],
        what: doctor,
    },
];

fn doctor_works(ground: &Ground) {
    let seen = ground.run(&["doctor"]);
    seen.ended(0);
    assert_eq!(seen.err, "");
    for power in ["kernel", "privilege", "network over IPv4", "rules by netlink"] {
        assert!(
            seen.out.contains(&format!("\nyes  {power} ")) || seen.out.starts_with(&format!("yes  {power} "))
        );
    }
    // Whether these work is up to the machine; all are told in any case.
    for power in ["QEMU", "kernels", "kernel image", "virtual time", "KVM"] {
        let is_told = seen
            .out
            .lines()
            .any(|line| line.get(5..).is_some_and(|told| told.starts_with(&format!("{power} "))));
        assert!(is_told, "{power}: {}", seen.out);
    }
    for (line, next) in seen.out.lines().zip(seen.out.lines().skip(1)) {
        assert!(!line.starts_with("no ") || next.starts_with("      "), "a remedy for: {line}");
    }
    assert!(
        seen.out.lines().last().is_some_and(|line| line.starts_with("this machine can ")),
        "{}",
        seen.out
    );
}

/// A limit of zero, and no power left but that which the program may get for itself.
const WITHOUT_USER: &str =
    "echo 0 >/proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"";
const WITHOUT_NETWORK: &str = "echo 0 >/proc/sys/user/max_net_namespaces; exec \"$@\"";

fn run(ground: &Ground, script: &str) -> Seen {
    ground.scenario("x", "[client]\nclose_at = \"10ms\"\n");
    let seen = Seen::of(ground.unshared(&["-Ur"], script, &["run", "x.toml"]));
    assert!(!ground.path().join("results").exists());
    seen
}

fn no_user_namespaces(ground: &Ground) {
    run(ground, WITHOUT_USER).ended(3).told(&[
        "error: this process may not make network namespaces",
        "`user.max_user_namespaces` is 0",
        "sysctl -w user.max_user_namespaces=",
        "sudo keepalive-lab run",
    ]);
}

fn no_network_namespaces(ground: &Ground) {
    run(ground, WITHOUT_NETWORK).ended(3).told(&["`user.max_net_namespaces` is 0"]);
}

fn doctor(ground: &Ground) {
    let seen = Seen::of(ground.unshared(&["-Ur"], WITHOUT_USER, &["doctor"]));
    seen.ended(3);
    let line = seen.out.lines().find(|line| line.contains("privilege")).expect("a line about it");
    assert!(line.starts_with("NO  ") && line.contains("user.max_user_namespaces"), "{}", seen.out);
    assert!(seen.out.contains("-> run as root"), "{}", seen.out);
    assert!(seen.out.ends_with("this machine cannot run scenarios: see NO above\n"), "{}", seen.out);
}
