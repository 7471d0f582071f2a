//! What the two ends can come to, and when a cell stops.

use crate::ground::{Ground, Row};
use crate::{BOTH, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "an_end_that_closes_and_its_peer_are_closed", who: BOTH, needs: &[], what: closed },
    Test {
        name: "a_client_that_gives_up_connecting_and_its_server_are_unconnected",
        who: BOTH,
        needs: &[],
        what: unconnected,
    },
    Test { name: "a_refused_connection_is_an_error_of_connect", who: BOTH, needs: &[], what: refused },
    Test { name: "silence_is_reported_and_changes_nothing", who: BOTH, needs: &[], what: idle },
    Test { name: "a_cell_runs_over_ipv6", who: BOTH, needs: &["network over IPv6"], what: ipv6 },
    Test { name: "an_expectation_that_is_not_met_fails_the_run", who: BOTH, needs: &[], what: unmet },
    Test {
        name: "options_are_read_back_from_the_socket_and_the_namespace",
        who: BOTH,
        needs: &[],
        what: options,
    },
];

fn end<'r>(rows: &'r [Row], end: &str) -> &'r Row {
    rows.iter().find(|row| row["endpoint"] == end).expect("a row for each end")
}

#[track_caller]
fn came_to(rows: &[Row], client: &str, server: &str) {
    assert_eq!([&end(rows, "client")["outcome"], &end(rows, "server")["outcome"]], [client, server]);
}

fn closed(ground: &Ground) {
    let seen = ground.run_text("[client]\nclose_at = \"200ms\"\n[stop]\nlimit = \"10s\"\n", &[]);
    seen.ended(0);
    assert!(seen.err.contains("server: the peer has closed"), "{}", seen.err);
    came_to(&ground.folder_of("x").rows(), "closed", "closed");
    assert_eq!(ground.folder_of("x").events("1", "stopped")[0]["because"], "condition");
}

fn unconnected(ground: &Ground) {
    let text = "[client]\nconnect_timeout = \"300ms\"\n\
                [[fault]]\nat = \"start\"\non = \"server\"\niptables = \"-A INPUT -p tcp --syn -j DROP\"\n\
                [stop]\nlimit = \"10s\"\n[expect]\nclient = { outcome = \"unconnected\" }\n";
    ground.run_text(text, &[]).ended(0);
    let folder = ground.folder_of("x");
    came_to(&folder.rows(), "unconnected", "unconnected");
    assert_eq!(folder.events("1", "connect_timeout").len(), 1);
    assert_eq!(folder.events("1", "rule_counted")[0]["packets"], 1);
}

fn refused(ground: &Ground) {
    let text = "[[fault]]\nat = \"start\"\non = \"server\"\n\
                iptables = \"-A INPUT -p tcp -j REJECT --reject-with tcp-reset\"\n\
                [stop]\nlimit = \"10s\"\n[expect]\nclient = { errno = \"ECONNREFUSED\", syscall = \"connect\" }\n";
    ground.run_text(text, &[]).ended(0);
    came_to(&ground.folder_of("x").rows(), "error", "unconnected");
}

fn idle(ground: &Ground) {
    let text = "[client]\nidle_timeout = \"300ms\"\n[server]\nsend = { at = \"500ms\", bytes = 1 }\n\
                [stop]\nwhen = \"limit\"\nlimit = \"1s\"\n";
    let seen = ground.run_text(text, &[]);
    seen.ended(0).told(&["client: its idle timer ran out"]);
    let folder = ground.folder_of("x");
    came_to(&folder.rows(), "alive", "alive");
    assert_eq!(folder.events("1", "idle").len(), 2, "once for each silence");
    assert_eq!(folder.events("1", "stopped")[0]["because"], "limit");
}

fn ipv6(ground: &Ground) {
    let text = "[network]\nip = \"ipv6\"\n[client]\nsend = { every = \"50ms\", bytes = 10 }\n\
                [[fault]]\nname = \"wall\"\nat = \"100ms\"\non = \"server\"\n\
                ip6tables = \"-A INPUT -p tcp --dport 7654 -j REJECT --reject-with tcp-reset\"\n\
                [stop]\nwhen = \"client-closed\"\nlimit = \"10s\"\n[expect]\nclient = { errno = \"ECONNRESET\" }\n";
    ground.run_text(text, &[]).ended(0);
    let folder = ground.folder_of("x");
    assert!(folder.events("1", "connected")[0]["remote"].as_str().expect("text").starts_with("[2001:db8:"));
    assert!(folder.events("1", "rule_counted")[0]["packets"].as_u64() >= Some(1));
    assert_ne!(end(&folder.rows(), "client")["time_to_econnreset_s"], "");
}

fn unmet(ground: &Ground) {
    let text = "[client]\nsend = { every = \"50ms\", bytes = 10 }\n\
                [[fault]]\nat = \"100ms\"\non = \"server\"\n\
                nft = \"add rule inet filter input tcp dport 7654 reject with tcp reset\"\n\
                [stop]\nwhen = \"client-closed\"\nlimit = \"10s\"\n\
                [expect]\nclient = { errno = \"ETIMEDOUT\", within = [\"2s\", \"3s\"] }\nserver = { outcome = \"alive\" }\n";
    let seen = ground.run_text(text, &[]);
    seen.ended(1);
    for words in [
        "FAILED x  client ECONNRESET on ",
        "       client: expected ETIMEDOUT, happened: ECONNRESET on ",
        "       client: expected within 2-3 s, happened: 0.0",
        " s too early",
    ] {
        assert!(seen.out.contains(words), "{words}: {}", seen.out);
    }
    assert!(!seen.out.contains("server: expected"), "{}", seen.out);
    assert!(seen.out.contains("1 cell: 1 not as expected in "), "{}", seen.out);
    assert_eq!(ground.folder_of("x").metadata()["state"], "complete");
    assert_eq!(ground.folder_of("x").rows().len(), 2);
}

fn options(ground: &Ground) {
    let text = "[client]\nkeepalive = { idle = \"7s\", count = 3 }\nuser_timeout = \"2500ms\"\n\
                [sysctl]\n\"net.ipv4.tcp_retries2\" = 9\n[server.sysctl]\n\"net.ipv4.tcp_retries2\" = 4\n\
                [stop]\nwhen = \"limit\"\nlimit = \"100ms\"\n";
    ground.run_text(text, &[]).ended(0);
    let rows = ground.folder_of("x").rows();
    let columns = ["keepidle_s", "keepintvl_s", "keepcnt", "user_timeout_s", "tcp_retries2"];
    assert_eq!(columns.map(|column| end(&rows, "client")[column].as_str()), ["7", "75", "3", "2.5", "9"]);
    assert_eq!(columns.map(|column| end(&rows, "server")[column].as_str()), ["", "", "", "", "4"]);
}
