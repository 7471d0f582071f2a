//! Guests that die or hang: what ended before is kept, and it is told which kernel, which cells and why. Exit 4.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use crate::ground::{Ground, Running};
use crate::lacking::{TINY, modules_without};
use crate::machine::Need;
use crate::processes::qemu_of;
use crate::{NEWER, OLDER, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "a_guest_killed_at_the_tenth_of_twenty_cells_keeps_the_nine_before",
        needs: NEWER,
        what: at_the_tenth,
    },
    Test { name: "a_guest_that_hangs_is_given_up_after_its_patience", needs: NEWER, what: hangs },
    Test { name: "a_guest_whose_kernel_refuses_a_module_tells_which", needs: OLDER, what: corrupted },
    Test { name: "a_guest_without_enough_memory_says_so", needs: OLDER, what: no_memory },
    Test { name: "no_more_programs_wait_at_once_than_a_guest_has_memory_for", needs: NFT, what: programs },
];

const NFT: &[Need] = &[Need::Qemu, Need::Kernel("6.12"), Need::Program("nft")];

/// A cell of some tenths of a second of real time: it has much to do.
pub(crate) const CELL: &str =
    "[server]\nsend = { every = \"10ms\", bytes = 10 }\n[stop]\nwhen = \"limit\"\nlimit = \"2s\"\n";

/// Cells of a guest with so little memory run one after another.
pub(crate) const ONE_AT_ONCE: &str = "--virtual-time --kernel debian:6.12 --memory 128";

fn at_the_tenth(ground: &Ground) {
    ground.scenario("x", CELL);
    let mut running =
        Running::start(ground.command(&format!("run x.toml --repeat 20 --json --csv all.csv {ONE_AT_ONCE}")));
    running.wait_for("cell_started", 10);
    kill(qemu_of(running.pid()).expect("QEMU runs"), Signal::SIGKILL).expect("kill -9");
    let seen = running.end();
    let release = &ground.machine.kernel("6.12").release;
    let folder = ground.folder_of("x");
    let rows = folder.rows();
    let ended = rows.len() / 2;
    assert!(rows.len().is_multiple_of(2) && (9..20).contains(&ended), "{ended} whole cells");
    assert_eq!(rows, ground.rows("all.csv"));
    for (number, row) in rows.iter().enumerate() {
        assert_eq!([&*row["repeat"], &*row["outcome"]], [&*(number / 2 + 1).to_string(), "alive"]);
    }
    // The one that it took along.
    let lost = format!("x 1-r{}", ended + 1);
    seen.ended(4).told(&[release, &lost, "SIGKILL", "console.log"]);
    let metadata = folder.metadata();
    assert_eq!([&metadata["state"], &metadata["cells"]], [&Value::from("failed"), &Value::from(20)]);
    assert!(folder.0.join("console.log").is_file());
}

fn hangs(ground: &Ground) {
    ground.scenario("x", CELL);
    let run = format!("run x.toml --repeat 50 --json --patience 12s {ONE_AT_ONCE}");
    let mut running = Running::start(ground.command(&run));
    running.wait_for("cell_ended", 2);
    kill(qemu_of(running.pid()).expect("QEMU runs"), Signal::SIGSTOP).expect("it can be stopped");
    let stopped = Instant::now();
    let seen = running.end();
    let waited = stopped.elapsed();
    assert!((Duration::from_secs(12)..Duration::from_secs(18)).contains(&waited), "{waited:?}");
    seen.ended(4).told(&["no sign of life for 12 s", &ground.machine.kernel("6.12").release, "x 1-r"]);
    let folder = ground.folder_of("x");
    assert!(folder.rows().len() >= 4);
    assert_eq!(folder.metadata()["state"], "failed");
}

fn corrupted(ground: &Ground) {
    let kernel = ground.machine.kernel("6.1");
    let modules = modules_without(ground, kernel, "veth");
    let veth = "kernel/drivers/net/veth.ko";
    // A module of another version: what the host reads of it is sound.
    let mut bytes = fs::read(kernel.modules.join(veth)).expect("veth of an older kernel is not compressed");
    let place = bytes.windows(10).position(|words| words == b"vermagic=6").expect("a version");
    bytes[place + 9] = b'9';
    fs::write(Path::new(&modules).join(veth), bytes).expect("a module");
    ground.scenario("x", TINY);
    let image = kernel.image.display();
    let seen = ground.run(&format!("run x.toml --virtual-time --kernel {image} --modules {modules}"));
    seen.ended(4).told(&["refused the module veth", &kernel.release, "before its first cell", "console.log"]);
    let log = ground.folder_of("x").text("console.log");
    assert!(log.contains("refused the module veth"), "{log}");
}

fn no_memory(ground: &Ground) {
    let kernel = ground.machine.kernel("6.1");
    let modules = modules_without(ground, kernel, "veth");
    let veth = "kernel/drivers/net/veth.ko";
    // A module of 40 MiB, in a machine of 128 that holds it twice while it unpacks it.
    let mut bytes = fs::read(kernel.modules.join(veth)).expect("veth of an older kernel is not compressed");
    bytes.resize(40 << 20, 0);
    fs::write(Path::new(&modules).join(veth), bytes).expect("a module");
    ground.scenario("x", TINY);
    let image = kernel.image.display();
    let run = format!("run x.toml --virtual-time --kernel {image} --modules {modules} --memory 128");
    ground.run(&run).ended(4).told(&[
        &kernel.release,
        "it had 128 MiB of memory, --memory gives it more",
        "console.log",
    ]);
    let folder = ground.folder_of("x");
    let log = folder.text("console.log");
    assert!(["memory", "Initramfs unpacking failed"].iter().any(|words| log.contains(words)), "{log}");
    assert_eq!(folder.metadata()["state"], "failed");
}

fn programs(ground: &Ground) {
    let rules = (0..12).map(|port| {
        format!("[[fault]]\nat = \"500ms\"\non = \"server\"\nnft = \"add rule inet filter input meta skuid 0 tcp dport {} drop\"\n", 1000 + port)
    });
    ground.scenario("x", &format!("[stop]\nwhen = \"limit\"\nlimit = \"1s\"\n{}", rules.collect::<String>()));
    // A cell of them at a time takes its share; sixteen of them would be 192 programs.
    ground.run("run x.toml --repeat 4 --virtual-time --kernel debian:6.12 --memory 144 --quiet").ended(0);
    let log = ground.folder_of("x").text("console.log");
    assert!(!log.contains("Out of memory"), "{log}");
}
