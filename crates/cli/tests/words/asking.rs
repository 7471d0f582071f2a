//! Asking the program, in a folder of the test's own.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder with scenario files in it, where the program is started.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// A folder with one scenario, `x.toml`.
    pub(crate) fn with(text: impl AsRef<[u8]>) -> Self {
        Self::new().and("x.toml", text)
    }

    /// The same with one more file.
    pub(crate) fn and(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.0.path().join(name), text).expect("a file");
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The program with these arguments, as a script would start it: no terminal, no colours.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keepalive-lab"));
        command.args(arguments).current_dir(self.path()).env("NO_COLOR", "1").stdin(Stdio::null());
        // Both change what a panic or a help text looks like.
        command.env_remove("RUST_BACKTRACE").env_remove("COLUMNS");
        command
    }

    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// What is seen of one command.
    pub(crate) fn seen(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let code = output.status.code().expect("it ended by itself");
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        format!("$ keepalive-lab {}\n{out}{err}exit code {code}\n", arguments.join(" "))
    }
}

/// What is seen of `check` of each of these scenarios.
pub(crate) fn checked(texts: &[&str]) -> String {
    texts.iter().map(|text| Folder::with(text).seen(&["check", "x.toml"])).collect::<Vec<_>>().join("\n")
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}
