//! What the kernel, or a program, refuses: told before anything starts, at its place in the scenario.

use crate::ground::{Ground, Seen};
use crate::machine::MOUNTS;
use crate::{BOTH, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "a_sysctl_that_does_not_exist_is_told_with_the_nearest",
        who: BOTH,
        needs: &[],
        what: unknown_sysctl,
    },
    Test {
        name: "a_sysctl_of_the_whole_machine_is_not_touched",
        who: BOTH,
        needs: &[],
        what: foreign_sysctl,
    },
    Test { name: "a_value_that_a_sysctl_does_not_take_is_told", who: BOTH, needs: &[], what: refused_sysctl },
    Test {
        name: "a_rule_that_nft_does_not_understand_is_told_in_its_words",
        who: BOTH,
        needs: &["rules by nft"],
        what: refused_by_nft,
    },
    Test {
        name: "a_rule_that_iptables_does_not_understand_is_told_in_its_words",
        who: BOTH,
        needs: &["rules by iptables"],
        what: refused_by_iptables,
    },
    Test {
        name: "a_rule_to_delete_that_is_not_there_is_told",
        who: BOTH,
        needs: &[],
        what: nothing_to_delete,
    },
    Test {
        name: "a_refusal_in_one_cell_of_a_sweep_points_into_the_sweep",
        who: BOTH,
        needs: &[],
        what: refused_in_a_sweep,
    },
    Test {
        name: "a_program_that_is_not_installed_is_told_with_its_package",
        who: BOTH,
        needs: &[MOUNTS],
        what: missing_program,
    },
    Test { name: "a_machine_without_ipv6_is_told", who: BOTH, needs: &[MOUNTS], what: no_ipv6 },
];

/// A refusal: nothing was started, so nothing is written.
#[track_caller]
fn refused(ground: &Ground, text: &str, code: i32, words: &[&str]) {
    let seen = ground.run_text(text, &[]);
    seen.ended(code).told(words);
    assert_eq!(seen.out, "");
    assert!(!ground.path().join("results").exists());
}

fn unknown_sysctl(ground: &Ground) {
    refused(
        ground,
        "[client.sysctl]\n\"net.ipv4.tcp_retry2\" = 3\n",
        3,
        &["error: the client has no sysctl `net.ipv4.tcp_retry2`", "x.toml:2:", "`net.ipv4.tcp_retries2`"],
    );
}

fn foreign_sysctl(ground: &Ground) {
    let seen = ground.run_text("[sysctl]\n\"vm.swappiness\" = 3\n", &[]);
    seen.ended(2).told(&["vm.swappiness", "x.toml:2:", "net."]);
}

fn refused_sysctl(ground: &Ground) {
    refused(
        ground,
        "[sysctl]\n\"net.ipv4.tcp_retries2\" = 100000\n",
        2,
        &["error: the client refused the sysctl `net.ipv4.tcp_retries2`", "x.toml:2:27", "EINVAL"],
    );
}

fn refused_by_nft(ground: &Ground) {
    refused(
        ground,
        "[[fault]]\nat = \"1s\"\non = \"server\"\nnft = \"add rule inet filter input meta skuid 0 dorp\"\n",
        2,
        &["error: this rule was refused", "x.toml:4:7", "dorp"],
    );
}

fn refused_by_iptables(ground: &Ground) {
    refused(
        ground,
        "[[fault]]\nat = \"1s\"\non = \"server\"\niptables = \"-A NOSUCHCHAIN -m owner --uid-owner 0 -j DROP\"\n",
        2,
        &["error: this rule was refused", "x.toml:4:12", "NOSUCHCHAIN"],
    );
}

fn nothing_to_delete(ground: &Ground) {
    refused(
        ground,
        "[[fault]]\nat = \"1s\"\non = \"server\"\niptables = \"-D INPUT -p tcp -j DROP\"\n",
        2,
        &["x.toml:4:12", "no rule in force is equal"],
    );
}

fn refused_in_a_sweep(ground: &Ground) {
    refused(
        ground,
        "[sysctl]\n\"net.ipv4.tcp_retries2\" = 15\n[sweep]\n\"sysctl.\\\"net.ipv4.tcp_retries2\\\"\" = [3, 100000]\n",
        2,
        &["x.toml:4:", "100000", "EINVAL"],
    );
}

fn missing_program(ground: &Ground) {
    ground.scenario(
        "x",
        "[[fault]]\nat = \"1s\"\non = \"server\"\nnft = \"add rule inet filter input meta skuid 0 drop\"\n",
    );
    // Administration's folders are searched whatever PATH says: hide what is in them.
    let script = "mount -t tmpfs none /usr/sbin; [ -L /sbin ] || mount -t tmpfs none /sbin; PATH=/nowhere; exec \"$@\"";
    let seen = Seen::of(ground.unseen(script, &["run", "x.toml"]));
    seen.ended(3).told(&["this rule needs the program `nft`, and it is not installed", "x.toml:4:7"]);
    seen.told(&["`meta skuid` is not translated", "apt-get install nftables"]);
    assert!(!ground.path().join("results").exists());
}

fn no_ipv6(ground: &Ground) {
    ground.scenario("x", "[network]\nip = \"ipv6\"\n[stop]\nwhen = \"limit\"\nlimit = \"100ms\"\n");
    // As on a kernel without: its sysctls are not there.
    let script = "mount -t tmpfs none /proc/sys/net; exec \"$@\"";
    let seen = Seen::of(ground.unseen(script, &["run", "x.toml"]));
    seen.ended(3).told(&["error: this machine has no IPv6", "x.toml:2:6", "ip = \"ipv4\""]);
    let over_ipv4 = ground.unseen(script, &["run", "x.toml", "--set", "network.ip=ipv4"]);
    Seen::of(over_ipv4).ended(0);
}
