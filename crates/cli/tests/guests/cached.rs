//! `keepalive-lab kernels`: what is kept, what can be had.

use serde_json::Value;

use crate::ground::Ground;
use crate::machine::{KERNELS, Need};
use crate::{BOTH, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "fetched_kernels_are_listed_in_words_and_as_json", needs: BOTH, what: listed },
    Test {
        name: "a_version_that_apt_does_not_see_is_told_with_those_it_sees",
        needs: &[Need::Kernel("6.1")],
        what: unknown,
    },
];

fn listed(ground: &Ground) {
    let words = ground.run("kernels");
    words.ended(0);
    let json = ground.run("kernels --json");
    json.ended(0);
    let json: Value = serde_json::from_str(&json.out).expect("JSON");
    for prefix in KERNELS {
        let release = &ground.machine.kernel(prefix).release;
        assert!(words.out.contains(release.as_str()), "{}", words.out);
        let kept =
            json["kept"].as_array().expect("a list").iter().find(|kernel| kernel["release"] == **release);
        let kept = kept.unwrap_or_else(|| panic!("{release} is not in {json:#}"));
        let checksum = kept["package"]["sha256"].as_str().unwrap_or_default();
        assert!(checksum.len() == 64 && kept["damage"].is_null(), "{kept:#}");
    }
}

fn unknown(ground: &Ground) {
    let seen = ground.run("kernels fetch 99.9");
    seen.ended(3).told(&["99.9", "6.1", "@"]);
}
