//! Other suites of the same mirrors, in a private state of apt's.

use std::fs;

use keepalive_lab_kernels::{KernelError, compare_versions};
use libtest_mimic::Completion;

use crate::Test;
use crate::child::{lines, start};
use crate::ground::{Ground, state_of_apt};

pub(crate) const TESTS: &[Test] = &[
    (
        "another_suite_is_asked_without_a_change_to_the_machines_apt",
        another_suite_is_asked_without_a_change_to_the_machines_apt,
    ),
    ("a_suite_that_no_mirror_has_is_named", a_suite_that_no_mirror_has_is_named),
    (
        "lists_whose_key_is_not_here_are_refused_with_the_package_that_has_it",
        lists_whose_key_is_not_here_are_refused_with_the_package_that_has_it,
    ),
];

/// A suite that there always is, small, and in no machine's own sources by this name.
const SUITE: &str = "stable-backports";

fn another_suite_is_asked_without_a_change_to_the_machines_apt(ground: &Ground) -> Completion {
    let before = state_of_apt();
    let kernels = match ground.cache.available(Some(SUITE)) {
        Err(error @ KernelError::NoKey { .. }) => return Completion::ignored_with(error.to_string()),
        kernels => kernels.unwrap(),
    };
    assert!(kernels.iter().all(|kernel| kernel.suite == SUITE), "{kernels:?}");
    assert!(kernels.windows(2).all(|pair| compare_versions(&pair[0].version, &pair[1].version).is_ge()));
    assert_eq!(ground.cache.available(Some(SUITE)).unwrap(), kernels);
    assert_eq!(state_of_apt(), before);
    // What it has is now known to the one who asks for it in vain.
    if let Some(newest) = kernels.first() {
        let spec = format!("debian:{}", newest.version).parse().unwrap();
        let error = ground.cache.obtain(&spec, None, &mut |_| ()).unwrap_err();
        let help = error.help().unwrap();
        assert!(help.contains(&format!("`debian:{}@{SUITE}`", newest.version)), "{error}\n{help}");
    }
    Completion::Completed
}

fn a_suite_that_no_mirror_has_is_named(ground: &Ground) -> Completion {
    let error = ground.cache.available(Some("nosuch")).unwrap_err();
    assert!(matches!(&error, KernelError::NoSuite { suite, .. } if suite == "nosuch"), "{error}");
    Completion::Completed
}

fn lists_whose_key_is_not_here_are_refused_with_the_package_that_has_it(ground: &Ground) -> Completion {
    let folder = tempfile::tempdir().unwrap();
    let (keyring, parts) = (folder.path().join("empty.gpg"), folder.path().join("parts"));
    fs::create_dir(&parts).unwrap();
    fs::write(&keyring, "").unwrap();
    let source = format!(
        "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: sid\nComponents: main\nSigned-By: {}\nTrusted: yes\n",
        keyring.display()
    );
    fs::write(parts.join("debian.sources"), source).unwrap();
    let settings = folder.path().join("apt.conf");
    let text =
        format!("Dir::Etc::sourcelist \"/dev/null\";\nDir::Etc::sourceparts \"{}\";\n", parts.display());
    fs::write(&settings, text).unwrap();
    let child = start(&ground.cache, "debian:9@unstable", |command| {
        command.env("APT_CONFIG", &settings);
    });
    let lines = lines(child);
    assert!(lines.last().unwrap().starts_with("NoKey"), "{lines:?}");
    Completion::Completed
}
