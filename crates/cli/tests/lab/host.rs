//! Neighbours: the host's own network, and other runs.

use std::fs;
use std::process::Command;

use crate::ground::{Ground, RunFolder, Running};
use crate::{BOTH, ROOT, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "the_hosts_own_network_is_the_same_during_a_run_and_after",
        who: ROOT,
        needs: &[],
        what: unchanged,
    },
    Test { name: "two_runs_at_once_do_not_disturb_each_other", who: BOTH, needs: &[], what: two_at_once },
];

/// Links, addresses, routes, rules, mounts and settings of the namespace that this test is in.
fn network() -> Vec<String> {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let links = fs::read_dir("/sys/class/net").expect("sysfs").map(|link| link.expect("a link").file_name());
    let mut links: Vec<String> = links.map(|name| name.to_string_lossy().into_owned()).collect();
    links.sort();
    let rules = Command::new("nft").args(["list", "ruleset"]).output();
    let rules = rules.map(|rules| String::from_utf8_lossy(&rules.stdout).into_owned()).unwrap_or_default();
    let named = fs::read_dir("/run/netns").map_or(0, Iterator::count);
    vec![
        links.join(" "),
        file("/proc/net/route"),
        file("/proc/net/if_inet6"),
        file("/proc/sys/net/ipv4/tcp_retries2"),
        file("/proc/self/mounts"),
        rules,
        format!("{named} named namespaces"),
    ]
}

fn unchanged(ground: &Ground) {
    ground.scenario(
        "x",
        "[sysctl]\n\"net.ipv4.tcp_retries2\" = 3\n[client]\nsend = { every = \"50ms\", bytes = 1 }\n\
         [[fault]]\nat = \"100ms\"\non = \"server\"\niptables = \"-A INPUT -p tcp -j DROP\"\n\
         [[fault]]\nat = \"100ms\"\non = \"client\"\nlink = \"down\"\n\
         [stop]\nwhen = \"limit\"\nlimit = \"800ms\"\n",
    );
    let before = network();
    let mut running = Running::start(ground.command(&["run", "x.toml", "--json"]));
    running.wait_for("cell_started", 1);
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert_eq!(network(), before);
    running.end().ended(0);
    assert_eq!(network(), before);
}

fn two_at_once(ground: &Ground) {
    // Both use the same addresses and the same port, in namespaces of their own.
    let text = |limit: &str, on: &str| {
        format!(
            "[client]\nsend = {{ every = \"50ms\", bytes = 10 }}\n[server]\nreply = true\n\
             [[fault]]\nname = \"wall\"\nat = \"100ms\"\non = \"{on}\"\n\
             iptables = \"-A INPUT -p tcp -j REJECT --reject-with tcp-reset\"\n\
             [stop]\nwhen = \"limit\"\nlimit = \"{limit}\"\n"
        )
    };
    ground.scenario("a", &text("1s", "server"));
    ground.scenario("b", &text("1200ms", "client"));
    ground.scenario(
        "c",
        "[client]\nsend = { every = \"50ms\", bytes = 10 }\n[stop]\nwhen = \"limit\"\nlimit = \"1s\"\n",
    );
    let runs =
        ["a.toml", "b.toml", "c.toml"].map(|file| Running::start(ground.command(&["run", file, "--json"])));
    for run in runs {
        run.end().ended(0);
    }
    let errors = |name: &str| {
        let RunFolder(path) = ground.folder_of(name);
        let rows = RunFolder(path).rows();
        rows.iter().map(|row| format!("{} {}", row["endpoint"], row["errno"])).collect::<Vec<_>>()
    };
    assert_eq!(errors("a"), ["client ECONNRESET", "server "]);
    assert_eq!(errors("b"), ["client ", "server ECONNRESET"]);
    assert_eq!(errors("c"), ["client ", "server "], "no fault of another run's reaches it");
    // When a cell stops, one end resets the other: that comes later.
    let c = ground.folder_of("c");
    let stopped = c.events("1", "stopped")[0]["at"].as_u64();
    let reported = c.events("1", "error_reported").into_iter().filter(|event| event["at"].as_u64() < stopped);
    assert_eq!(reported.count(), 0, "nor what the kernel says of it");
}
