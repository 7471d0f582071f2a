//! Rules that only the real programs understand, inside a guest: the programs and their modules come along.

use crate::Test;
use crate::ground::{Ground, row_of, seconds};
use crate::machine::Need;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "rules_by_iptables_itself_work_in_a_guest",
        needs: &[Need::Qemu, Need::Kernel("6.12"), Need::Program("iptables")],
        what: by_iptables,
    },
    Test {
        name: "rules_by_nft_itself_work_in_a_guest_of_an_older_kernel",
        needs: &[Need::Qemu, Need::Kernel("6.1"), Need::Program("nft")],
        what: by_nft,
    },
];

/// A client whose keepalive dies of what this line drops, unless it drops nothing.
fn scenario(line: &str) -> String {
    format!(
        "[client]\nkeepalive = {{ idle = \"2s\", interval = \"1s\", count = 3 }}\n\
         [[fault]]\nname = \"rule\"\nat = \"1s\"\non = \"server\"\n{line}\n\
         [stop]\nwhen = \"client-closed\"\nlimit = \"20s\"\n"
    )
}

/// These lines go to the program, drop what the server answers, and count it.
fn dropped_by(ground: &Ground, program: &str, kernel: &str, lines: &[&str]) {
    let mut files = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        ground.scenario(&format!("x{number}"), &scenario(line));
        files.push(format!("x{number}.toml"));
    }
    ground
        .run(&format!("run {} --virtual-time --kernel {kernel} --quiet --csv all.csv", files.join(" ")))
        .ended(0);
    let rows = ground.rows("all.csv");
    for (number, line) in lines.iter().enumerate() {
        let name = format!("x{number}");
        let client = row_of(&rows, &name, "client");
        assert_eq!(client["errno"], "ETIMEDOUT", "{line}");
        // 2 s and three times 1 s, counted from the connection; the fault was 1 s later.
        assert!((3.9..4.5).contains(&seconds(client, "time_to_error_s")), "{line}: {client:?}");
        let folder = ground.folder_of(&name);
        assert!(folder.metadata()["programs"].to_string().contains(program), "{:#}", folder.metadata());
        let counted = folder.events("1", "rule_counted");
        assert!(
            counted.iter().any(|event| event["packets"].as_u64().is_some_and(|packets| packets >= 3)),
            "{line}: {counted:?}"
        );
    }
}

fn by_iptables(ground: &Ground) {
    dropped_by(
        ground,
        "iptables",
        "debian:6.12",
        &[
            r#"iptables = "-A INPUT -p tcp --dport 7654 -m statistic --mode nth --every 1 --packet 0 -j DROP""#,
            r#"iptables = "-A OUTPUT -p tcp --sport 7654 -m comment --comment what_the_server_answers -j DROP""#,
        ],
    );
}

fn by_nft(ground: &Ground) {
    dropped_by(
        ground,
        "nft",
        "debian:6.1",
        &[
            r#"nft = "add rule inet filter input tcp dport 7654 numgen inc mod 4 < 3 counter drop""#,
            r#"nft = "add rule inet filter input tcp dport 7654 limit rate 100/second counter drop""#,
        ],
    );
}
