//! What breaks, what is mended, and when: told by the events of a cell.

use serde_json::Value;

use crate::ground::{Ground, RunFolder};
use crate::{BOTH, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "a_cell_that_cannot_be_carried_out_is_told_and_the_next_is_run",
        who: BOTH,
        needs: &[],
        what: broken,
    },
    Test {
        name: "one_several_and_all_faults_are_healed_and_their_packets_counted",
        who: BOTH,
        needs: &[],
        what: heals,
    },
    Test { name: "a_rule_with_d_undoes_the_one_that_is_equal", who: BOTH, needs: &[], what: delete },
    Test { name: "a_link_goes_down_and_up_again", who: BOTH, needs: &[], what: link },
    Test { name: "a_fault_waits_for_an_event_and_the_time_after_it", who: BOTH, needs: &[], what: after },
    Test { name: "a_fault_whose_event_does_not_come_says_so", who: BOTH, needs: &[], what: never },
    Test {
        name: "a_rule_by_the_real_iptables_counts_its_packets",
        who: BOTH,
        needs: &["rules by iptables"],
        what: by_iptables,
    },
    Test {
        name: "a_rule_by_the_real_nft_counts_its_packets",
        who: BOTH,
        needs: &["rules by nft"],
        what: by_nft,
    },
];

/// Tried in the order of the file it works; in the order of time there is nothing to delete.
fn broken(ground: &Ground) {
    let text = format!(
        "{TALK}[stop]\nwhen = \"limit\"\nlimit = \"300ms\"\n\
         [[fault]]\nname = \"on\"\nat = \"200ms\"\non = \"server\"\niptables = \"-A INPUT -p tcp -j DROP\"\n\
         [[fault]]\nname = \"off\"\nat = \"100ms\"\non = \"server\"\niptables = \"-D INPUT -p tcp -j DROP\"\n\
         [sweep]\n\"fault.1.at\" = [\"100ms\", \"250ms\"]\n"
    );
    let seen = ground.run_text(&text, &[]);
    seen.ended(4)
        .told(&["BROKEN x fault.1.at=100ms\n", "error: fault `off` on the server could not be carried out"]);
    seen.told(&["x.toml:17:12", "no rule in force is equal"]);
    assert!(seen.out.contains("2 cells: 1 as expected, 1 not carried out in "), "{}", seen.out);
    let folder = ground.folder_of("x");
    let cells: Vec<_> = folder.rows().iter().map(|row| row["cell"].clone()).collect();
    assert_eq!(cells, ["2", "2"], "the cells after it are run all the same");
    assert_eq!(folder.metadata()["state"], "failed");
}

/// A client that sends 20 times a second, and a server that answers.
const TALK: &str = "[client]\nsend = { every = \"50ms\", bytes = 10 }\n[server]\nreply = true\n";

fn run(ground: &Ground, faults: &str, limit: &str) -> RunFolder {
    let stop = format!("[stop]\nwhen = \"limit\"\nlimit = \"{limit}\"\n");
    ground.run_text(&format!("{TALK}{faults}{stop}"), &[]).ended(0);
    ground.folder_of("x")
}

/// The `fault` of each event of a kind, in their order.
fn faults(folder: &RunFolder, kind: &str) -> Vec<String> {
    let name = |event: &Value| event["fault"].as_str().expect("a name").to_owned();
    folder.events("1", kind).iter().map(name).collect()
}

fn at(event: &Value) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a year in nanoseconds has 55 bits: exact to 8 ns")]
    let nanoseconds = event["at"].as_u64().expect("nanoseconds") as f64;
    nanoseconds / 1e9
}

fn heals(ground: &Ground) {
    let folder = run(
        ground,
        r#"
        [[fault]]
        name = "a"
        at = "200ms"
        on = "server"
        iptables = "-A INPUT -p tcp --dport 7654 -j DROP"
        [[fault]]
        name = "b"
        at = "400ms"
        on = "server"
        nft = "add rule inet filter output tcp sport 7654 drop"
        [[fault]]
        name = "c"
        at = "400ms"
        on = "client"
        link = "down"
        [[fault]]
        name = "mend-a"
        at = "700ms"
        heal = ["a"]
        [[fault]]
        name = "mend-b-c"
        at = "800ms"
        heal = ["b", "c"]
        [[fault]]
        name = "d"
        at = "900ms"
        on = "client"
        iptables = "-I OUTPUT -p tcp --dport 7654 -j DROP"
        [[fault]]
        name = "e"
        at = "900ms"
        on = "client"
        iptables = "-A INPUT -p tcp --sport 7654 -j DROP"
        [[fault]]
        name = "mend-all"
        at = "1300ms"
        heal = "all"
        "#,
        "1600ms",
    );
    assert_eq!(faults(&folder, "fault_in_force"), ["a", "b", "c", "d", "e"]);
    let undone = folder.events("1", "fault_undone");
    let by = |event: &Value| format!("{} by {}", event["fault"], event["by"]).replace('"', "");
    let order: Vec<_> = undone.iter().map(by).collect();
    assert_eq!(order, ["a by mend-a", "c by mend-b-c", "b by mend-b-c", "e by mend-all", "d by mend-all"]);
    assert!(
        undone[0]["packets"].as_u64() >= Some(1) && undone[0]["bytes"].as_u64() >= Some(62),
        "{}",
        undone[0]
    );
    assert_eq!(undone[1]["packets"], Value::Null, "a link counts no packets");
    assert!(undone[4]["packets"].as_u64() >= Some(1), "{}", undone[4]);
    assert_eq!(folder.events("1", "rule_counted"), [Value::Null; 0], "none is left at the end");
    // Each stands between the moments of call and acknowledgement, at or after its time.
    for event in folder.events("1", "fault_in_force").iter().chain(&undone) {
        let [due, called, at] = ["due", "called", "at"].map(|key| event[key].as_u64().expect("a stamp"));
        assert!(due <= called && called <= at, "{event}");
    }
}

fn delete(ground: &Ground) {
    let folder = run(
        ground,
        r#"
        [[fault]]
        name = "on"
        at = "200ms"
        on = "server"
        iptables = "-A INPUT -p tcp --dport 7654 -j DROP"
        [[fault]]
        name = "off"
        at = "500ms"
        on = "server"
        iptables = "iptables -D INPUT -p tcp --dport 7654 -j DROP"
        "#,
        "1s",
    );
    assert_eq!(faults(&folder, "fault_in_force"), ["on"]);
    let [undone] = &folder.events("1", "fault_undone")[..] else { panic!("one is undone") };
    assert_eq!([&undone["fault"], &undone["by"]], ["on", "off"]);
    assert!(undone["packets"].as_u64() >= Some(1), "{undone}");
}

fn link(ground: &Ground) {
    let folder = run(
        ground,
        r#"
        [[fault]]
        name = "down"
        at = "200ms"
        on = "server"
        link = "down"
        [[fault]]
        name = "up"
        at = "500ms"
        on = "server"
        link = "up"
        "#,
        "1500ms",
    );
    let in_force = folder.events("1", "fault_in_force");
    assert_eq!(in_force.len(), 2);
    let received: Vec<f64> = folder.events("1", "received").iter().map(at).collect();
    let (down, up) = (at(&in_force[0]), at(&in_force[1]));
    // Data told as received is stamped with its last read; what was in flight may just have arrived.
    assert!(!received.iter().any(|&at| at > down + 0.02 && at < up), "{received:?} between {down} and {up}");
    assert!(received.iter().any(|&at| at > up), "the connection survives");
}

fn after(ground: &Ground) {
    let folder = run(
        ground,
        r#"
        [[fault]]
        name = "wall"
        at = "100ms"
        on = "server"
        iptables = "-A INPUT -p tcp --dport 7654 -j REJECT --reject-with tcp-reset"
        [[fault]]
        name = "mend"
        after = "client.error"
        plus = "300ms"
        heal = "all"
        "#,
        "1s",
    );
    let [failed] = &folder.events("1", "failed")[..] else { panic!("only the client fails") };
    assert_eq!([&failed["end"], &failed["errno"]], ["client", "ECONNRESET"]);
    let [undone] = &folder.events("1", "fault_undone")[..] else { panic!("one is undone") };
    let waited = at(undone) - at(failed);
    assert!((0.3..0.4).contains(&waited), "{waited} s");
    let due = undone["due"].as_u64().zip(failed["at"].as_u64()).map(|(due, failed)| due - failed);
    assert_eq!(due, Some(300_000_000));
}

fn never(ground: &Ground) {
    let faults = "[[fault]]\nname = \"late\"\nafter = \"server.error\"\non = \"client\"\nlink = \"down\"\n";
    let folder = run(ground, faults, "200ms");
    assert_eq!(folder.events("1", "fault_never_due")[0]["fault"], "late");
    assert_eq!(folder.events("1", "fault_in_force"), [Value::Null; 0]);
}

/// A rule that goes to the program, and is taken back.
fn by_program(ground: &Ground, rule: &str, program: &str) {
    let faults = format!(
        "[[fault]]\nname = \"on\"\nat = \"200ms\"\non = \"client\"\n{rule}\n\
         [[fault]]\nname = \"off\"\nat = \"600ms\"\nheal = \"all\"\n"
    );
    let folder = run(ground, &faults, "800ms");
    let [undone] = &folder.events("1", "fault_undone")[..] else { panic!("one is undone") };
    assert!(undone["packets"].as_u64() >= Some(1), "{undone}");
    let version = &folder.metadata()["programs"][program];
    assert!(version.as_str().is_some_and(|version| version.contains('v')), "{version}");
}

fn by_iptables(ground: &Ground) {
    by_program(ground, "iptables = \"-A OUTPUT -p tcp -m owner --uid-owner 0 -j DROP\"", "iptables");
}

fn by_nft(ground: &Ground) {
    by_program(ground, "nft = \"add rule inet filter output meta skuid 0-65535 counter drop\"", "nft");
}
