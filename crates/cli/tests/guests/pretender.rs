//! A QEMU that is none: what comes out of it is not believed, and what it says of itself is shown.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::Test;
use crate::ground::{Ground, Seen};
use crate::lacking::TINY;
use crate::machine::Need;

pub(crate) const TESTS: &[Test] = &[
    Test { name: "garbage_on_the_channel_ends_the_guest_with_a_word_about_it", needs: KERNEL, what: channel },
    Test { name: "garbage_on_the_console_is_kept_and_hides_nothing", needs: KERNEL, what: console },
    Test { name: "what_qemu_itself_complains_of_is_shown", needs: KERNEL, what: complaint },
    Test { name: "a_qemu_that_ends_without_a_word_is_told_as_such", needs: KERNEL, what: silent },
    Test {
        name: "a_machine_that_does_not_boot_with_kvm_is_tried_without",
        needs: &[Need::Kernel("6.1"), Need::Kvm],
        what: no_kvm,
    },
];

const KERNEL: &[Need] = &[Need::Kernel("6.1")];

/// Runs with this script as QEMU. In it `$channel` and `$console` are the files to write to.
fn with(ground: &Ground, script: &str, words: &str) -> Seen {
    let folder = ground.path().join("bin");
    fs::create_dir_all(&folder).expect("a folder");
    let program = folder.join("qemu-system-x86_64");
    let script = format!(
        "#!/bin/sh\n\
         [ \"$1\" = --version ] && {{ echo 'QEMU emulator version 9.9.9'; exit; }}\n\
         for word; do case $word in\n\
         file,id=output,path=*) channel=${{word#*path=}};;\n\
         file,id=console,path=*) console=${{word#*path=}};;\n\
         esac; done\n{script}\n"
    );
    fs::write(&program, script).expect("a script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("chmod");
    ground.scenario("x", TINY);
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = ground.command(&format!("run x.toml --kernel debian:6.1 {words}"));
    command.env("PATH", path);
    Seen::of(command)
}

fn channel(ground: &Ground) {
    let seen = with(
        ground,
        "printf '\\377\\001 what is this\\n' >$channel; exec sleep 60",
        "--virtual-time --patience 3s",
    );
    let release = &ground.machine.kernel("6.1").release;
    seen.ended(4).told(&[release, "it sent what is no message", "what is this", "console.log"]);
    assert_eq!(ground.folder_of("x").metadata()["state"], "failed");
}

fn console(ground: &Ground) {
    let script =
        "printf '\\377\\000\\033[2J\\n[    1.0] Kernel panic - not syncing: made up\\n\\377' >$console";
    let seen = with(ground, script, "--virtual-time");
    seen.ended(4).told(&["Kernel panic - not syncing: made up"]);
    assert!(!seen.err.contains('\u{1b}'), "nothing that a terminal would obey: {:?}", seen.err);
    let log = fs::read(ground.folder_of("x").0.join("console.log")).expect("the log");
    assert!(String::from_utf8_lossy(&log).contains("made up"));
}

fn complaint(ground: &Ground) {
    let script = "echo 'qemu-system-x86_64: could not load kernel: made up' >&2; exit 1";
    let seen = with(ground, script, "--virtual-time");
    seen.ended(4).told(&["could not load kernel: made up"]);
}

fn silent(ground: &Ground) {
    with(ground, "exit 0", "--virtual-time").ended(4).told(&["it ended without a word"]);
}

fn no_kvm(ground: &Ground) {
    let script = "case \"$*\" in *'-accel kvm'*) echo 'no KVM' >&2; exit 1;; *) echo 'not even without' >&2; exit 1;; esac";
    let seen = with(ground, script, "");
    seen.ended(4).told(&["not even without"]);
    let metadata = ground.folder_of("x").metadata();
    assert_eq!(metadata["machine"]["accelerator"], "tcg", "{metadata:#}");
}
