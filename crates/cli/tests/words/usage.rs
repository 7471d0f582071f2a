//! The command line itself.

use crate::asking::{Folder, text};

#[test]
fn the_help_of_every_command() {
    let folder = Folder::new();
    for command in ["", "run", "plan", "check", "schema", "compare", "predict", "kernels", "doctor"] {
        let arguments: Vec<&str> = [command, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
        let name = if command.is_empty() { "help".to_owned() } else { format!("help_{command}") };
        insta::assert_snapshot!(name, folder.seen(&arguments));
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let seen = Folder::new().seen(&["--version"]);
    assert_eq!(
        seen,
        format!("$ keepalive-lab --version\nkeepalive-lab {}\nexit code 0\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn wrong_arguments_are_told_with_the_usage_and_exit_2() {
    let folder = Folder::with("[client]\nnodelay = true\n");
    let wrong: [&[&str]; 8] = [
        &[],
        &["rnu", "x.toml"],
        &["run"],
        &["run", "x.toml", "--quiet", "--json"],
        &["run", "x.toml", "--repeat", "0"],
        &["run", "x.toml", "--repeat", "-1"],
        &["plan", "x.toml", "--csv", "y.csv"],
        &["schema", "x.toml"],
    ];
    let seen: Vec<String> = wrong.iter().map(|arguments| folder.seen(arguments)).collect();
    for seen in &seen {
        assert!(seen.ends_with("exit code 2\n"), "{seen}");
    }
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
fn colours_are_for_terminals() {
    let folder = Folder::with("[clinet]\n");
    let coloured = |name: &str, value: &str| {
        let mut command = folder.command(&["check", "x.toml"]);
        let output = command.env_remove("NO_COLOR").env(name, value).output().expect("the program starts");
        text(&output.stderr).contains('\u{1b}')
    };
    assert!(!coloured("CLICOLOR", "1"), "standard error is a pipe");
    assert!(coloured("CLICOLOR_FORCE", "1"), "somebody insists");
}
