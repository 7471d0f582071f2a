//! Machines without a network, without package lists, or without apt.

use std::fs;
use std::path::Path;
use std::process::Command;

use keepalive_lab_kernels::Cache;
use libtest_mimic::Completion;

use crate::Test;
use crate::child::{lines, start};
use crate::ground::{Ground, series};

pub(crate) const TESTS: &[Test] = &[
    (
        "without_a_network_the_kept_kernel_is_taken_and_nothing_else_can_be_had",
        without_a_network_the_kept_kernel_is_taken_and_nothing_else_can_be_had,
    ),
    ("a_machine_without_package_lists_gets_private_ones", a_machine_without_package_lists_gets_private_ones),
    (
        "without_apt_the_kept_kernel_is_taken_or_the_program_named",
        without_apt_the_kept_kernel_is_taken_or_the_program_named,
    ),
    (
        "where_the_machines_lists_promise_what_is_gone_newer_private_ones_are_taken_and_remembered",
        where_the_machines_lists_promise_what_is_gone_newer_private_ones_are_taken_and_remembered,
    ),
];

/// Settings of a machine whose apt has no lists, in `folder`; `more` is added.
fn settings(folder: &Path, more: &str) -> std::path::PathBuf {
    let lists = folder.join("lists");
    fs::create_dir_all(lists.join("partial")).unwrap();
    let settings = folder.join("apt.conf");
    fs::write(&settings, format!("Dir::State::lists \"{}\";\n{more}", lists.display())).unwrap();
    settings
}

fn where_the_machines_lists_promise_what_is_gone_newer_private_ones_are_taken_and_remembered(
    ground: &Ground,
) -> Completion {
    let kept = ground.cache.obtain(&ground.spec(), None, &mut |_| ()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), "");
    let series = series(&ground.kernel.version);
    let gone = format!(
        "\nPackage: linux-image-{series}.0-999-cloud-amd64\nVersion: {series}.9999-1\nArchitecture: amd64\n\
         Maintainer: nobody\nDescription: gone\nFilename: pool/main/l/linux/gone.deb\nSize: 1\nSHA256: {}\n",
        "0".repeat(64)
    );
    if let Err(reason) = copy_lists(&folder.path().join("lists"), &gone) {
        return Completion::ignored_with(reason);
    }
    let ask = || {
        lines(start(&ground.cache, &format!("debian:{series}"), |command| {
            command.env("APT_CONFIG", &settings);
        }))
    };
    let told = ask();
    assert!(told.iter().any(|line| line.starts_with("downloading") && line.contains("-999-")), "{told:?}");
    assert!(told.iter().any(|line| line == "fetching the package lists"), "{told:?}");
    assert_eq!(told.last().unwrap(), &kept.image.display().to_string(), "{told:?}");
    assert_eq!(ask(), [kept.image.display().to_string()]);
    Completion::Completed
}

/// Removes what another test fetched for the machine's own suites.
fn forget_private_lists(cache: &Cache) {
    let folder = cache.folder().join("apt/own");
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
}

/// Copies the machine's lists, with a stanza more in the lists of packages.
fn copy_lists(to: &Path, stanza: &str) -> Result<(), String> {
    let from = Path::new("/var/lib/apt/lists");
    let mut changed = 0;
    for entry in fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))?.flatten() {
        let name = entry.file_name().into_string().unwrap();
        if let Some(end) = name.find("_Packages") {
            let helper = Command::new("/usr/lib/apt/apt-helper").arg("cat-file").arg(entry.path()).output();
            let mut text = helper.map_err(|error| format!("apt-helper: {error}"))?.stdout;
            text.extend(stanza.bytes());
            fs::write(to.join(&name[..end + "_Packages".len()]), text).unwrap();
            changed += 1;
        } else if name.contains("Release") {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
    if changed > 0 { Ok(()) } else { Err("apt has no lists of packages".into()) }
}

fn without_a_network_the_kept_kernel_is_taken_and_nothing_else_can_be_had(ground: &Ground) -> Completion {
    let kept = ground.cache.obtain(&ground.spec(), None, &mut |_| ()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    forget_private_lists(&ground.cache);
    // Port 9 (discard) is closed on every machine today.
    let closed =
        "Acquire::http::Proxy \"http://127.0.0.1:9\";\nAcquire::https::Proxy \"http://127.0.0.1:9\";\n";
    let settings = settings(folder.path(), closed);
    let ask = |spec: &str| {
        lines(start(&ground.cache, spec, |command| {
            command.env("APT_CONFIG", &settings);
        }))
    };
    let told = ask(&ground.spec().to_string());
    assert_eq!(told.last().unwrap(), &kept.image.display().to_string(), "{told:?}");
    assert!(told[told.len() - 2].starts_with("taking the kept kernel"), "{told:?}");
    let told = ask("debian:0.9");
    assert!(told.last().unwrap().starts_with("Program"), "{told:?}");
    Completion::Completed
}

fn a_machine_without_package_lists_gets_private_ones(ground: &Ground) -> Completion {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), "");
    forget_private_lists(&ground.cache);
    let before = fs::read_dir(folder.path().join("lists")).unwrap().count();
    let told = lines(start(&ground.cache, "debian:0.9", |command| {
        command.env("APT_CONFIG", &settings);
    }));
    assert!(told.iter().any(|line| line == "fetching the package lists"), "{told:?}");
    let error = told.last().unwrap();
    assert!(error.starts_with("NoMatch") && !error.contains("series: []"), "{told:?}");
    assert_eq!(fs::read_dir(folder.path().join("lists")).unwrap().count(), before);
    Completion::Completed
}

fn without_apt_the_kept_kernel_is_taken_or_the_program_named(ground: &Ground) -> Completion {
    let kept = ground.cache.obtain(&ground.spec(), None, &mut |_| ()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let without_apt = |cache: &Cache, spec: &str| {
        lines(start(cache, spec, |command| {
            // The remembered answer of another apt does not count.
            command.env("PATH", folder.path()).env("APT_CONFIG", folder.path().join("none"));
        }))
    };
    let told = without_apt(&ground.cache, &ground.spec().to_string());
    assert_eq!(told.last().unwrap(), &kept.image.display().to_string(), "{told:?}");
    let told = without_apt(&Cache::at(folder.path()).unwrap(), "debian:6.1");
    assert!(told.last().unwrap().starts_with("ProgramMissing"), "{told:?}");
    Completion::Completed
}
