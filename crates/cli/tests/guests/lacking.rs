//! What is missing is told before anything is started: exit 3.

use std::fs;
use std::path::Path;

use crate::ground::{Ground, Seen};
use crate::machine::{KeptKernel, Need};
use crate::shipped::file;
use crate::{NEWER, OLDER, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "without_qemu_its_package_is_named", needs: &[], what: no_qemu },
    Test {
        name: "a_kernel_that_is_not_to_be_had_is_told_with_those_that_are",
        needs: &[Need::Qemu],
        what: no_kernel,
    },
    Test {
        name: "a_kernel_without_veth_or_nf_tables_is_told_by_module_and_release",
        needs: OLDER,
        what: no_module,
    },
    Test { name: "where_no_rule_goes_in_no_nf_tables_is_needed", needs: NEWER, what: no_rules },
    Test {
        name: "an_option_that_an_older_kernel_lacks_is_shown_at_its_line_and_other_scenarios_run",
        needs: OLDER,
        what: no_option,
    },
];

/// Nothing but time.
pub(crate) const TINY: &str = "[stop]\nwhen = \"limit\"\nlimit = \"1s\"\n";

#[track_caller]
fn nothing_was_started(ground: &Ground, seen: &Seen) {
    seen.ended(3);
    assert!(!ground.path().join("results").exists(), "nothing was started: {}", seen.err);
}

fn no_qemu(ground: &Ground) {
    let empty = ground.path().join("empty");
    fs::create_dir(&empty).expect("a folder");
    let mut command =
        ground.command(&format!("run {} --virtual-time --kernel debian:6.12", file("busy-path")));
    let seen = Seen::of({
        command.env("PATH", &empty);
        command
    });
    nothing_was_started(ground, &seen);
    seen.told(&["qemu-system-x86_64 is not installed", "apt-get install qemu-system-x86"]);
}

fn no_kernel(ground: &Ground) {
    ground.scenario("x", TINY);
    let run = |kernel: &str| {
        let seen = ground.run(&format!("run x.toml --virtual-time --kernel {kernel}"));
        nothing_was_started(ground, &seen);
        seen
    };
    run("debian:99.9").told(&["99.9"]);
    run("./no/such/vmlinuz").told(&["./no/such/vmlinuz", "No such file"]);
    fs::write(ground.path().join("text"), "not a kernel at all\n").expect("a file");
    run("./text").told(&["/text is no image of a Linux kernel"]);
    // A spec that is none is a wrong argument.
    ground.run("run x.toml --virtual-time --kernel debian:").ended(2).told(&["debian:"]);
}

/// A copy of a kernel's modules without those whose files' names begin so.
pub(crate) fn modules_without(ground: &Ground, kernel: &KeptKernel, name: &str) -> String {
    let copy = ground.path().join(format!("without-{name}")).join(&kernel.release);
    copy_without(&kernel.modules, &copy, &format!("{name}.ko"));
    copy.display().to_string()
}

/// Only what a guest may need: the whole tree is some 100 MB, so files are linked.
fn copy_without(from: &Path, to: &Path, name: &str) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("modules") {
        let entry = entry.expect("an entry");
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_without(&path, &copy, name);
        } else if !entry.file_name().to_string_lossy().starts_with(name) {
            std::os::unix::fs::symlink(&path, &copy).expect("a link");
        }
    }
}

fn no_module(ground: &Ground) {
    let kernel = ground.machine.kernel("6.1");
    for module in ["veth", "nf_tables"] {
        let modules = modules_without(ground, kernel, module);
        let image = kernel.image.display();
        let run = format!("run {} --virtual-time --kernel {image} --modules {modules}", file("busy-path"));
        let seen = ground.run(&run);
        nothing_was_started(ground, &seen);
        seen.told(&[module, &kernel.release]);
    }
}

fn no_rules(ground: &Ground) {
    ground.scenario("x", TINY);
    ground.run("run x.toml --virtual-time --kernel debian:6.12 --quiet").ended(0);
}

fn no_option(ground: &Ground) {
    ground.scenario("newer", &format!("[client]\nrto_max = \"2s\"\n{TINY}"));
    ground.scenario("older", TINY);
    let seen = ground.run("run newer.toml older.toml --virtual-time --kernel debian:6.1 --csv all.csv");
    let release = &ground.machine.kernel("6.1").release;
    seen.ended(3).told(&["newer.toml:2", "rto_max = \"2s\"", "Linux 6.15", release]);
    assert!(!ground.path().join("results/newer").exists(), "nothing of it ran");
    assert_eq!(ground.folder_of("older").rows().len(), 2);
    assert_eq!(ground.rows("all.csv").len(), 2);
}
