//! A folder of a test's own, the program started in it, and what it left there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::machine::{Machine, NOBODY, Who};

pub(crate) struct Ground<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) who: Who,
    folder: TempDir,
}

/// What one run showed.
pub(crate) struct Seen {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// One line of a CSV, by column.
pub(crate) type Row = BTreeMap<String, String>;

impl<'a> Ground<'a> {
    pub(crate) fn new(machine: &'a Machine, who: Who) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if who == Who::Plain && nix::unistd::geteuid().is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("chown");
        }
        Self { machine, who, folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a scenario, `NAME.toml`.
    pub(crate) fn scenario(&self, name: &str, text: &str) {
        fs::write(self.path().join(format!("{name}.toml")), text).expect("a scenario");
    }

    fn furnished(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null()).env("NO_COLOR", "1");
        command.env_remove("SUDO_UID").env_remove("SUDO_GID").env_remove("RUST_BACKTRACE");
        command
    }

    /// The program with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.furnished(self.machine.program(self.who), arguments)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Seen {
        Seen::of(self.command(arguments))
    }

    /// Runs one scenario, named `x`.
    pub(crate) fn run_text(&self, text: &str, arguments: &[&str]) -> Seen {
        self.scenario("x", text);
        self.run(&[&["run", "x.toml"], arguments].concat())
    }

    /// A shell script in a mount namespace of its own; `"$@"` in it is the program with these arguments.
    pub(crate) fn unseen(&self, script: &str, arguments: &[&str]) -> Command {
        let flags: &[&str] = if self.who == Who::Root { &["-m"] } else { &["-Urm"] };
        self.unshared(flags, script, arguments)
    }

    /// The same in namespaces of choice.
    pub(crate) fn unshared(&self, flags: &[&str], script: &str, arguments: &[&str]) -> Command {
        let mut command = self.machine.starter(self.who, "unshare");
        command.args(flags).args(["sh", "-ec", script, "sh"]).arg(self.machine.path());
        self.furnished(command, arguments)
    }

    /// The folder of the only run of scenario `name`.
    pub(crate) fn folder_of(&self, name: &str) -> RunFolder {
        let [folder] = &self.folders_of(name)[..] else { panic!("one run of {name}") };
        RunFolder(folder.clone())
    }

    pub(crate) fn folders_of(&self, name: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path().join("results").join(name)).expect("its results");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

impl Seen {
    /// Runs a command to its end.
    pub(crate) fn of(mut command: Command) -> Self {
        command.output().expect("the program starts").into()
    }

    /// The program ended with this code.
    #[track_caller]
    pub(crate) fn ended(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self
    }

    /// It said all this on standard error.
    #[track_caller]
    pub(crate) fn told(&self, words: &[&str]) -> &Self {
        for words in words {
            assert!(self.err.contains(words), "{words:?} is not in:\n{}", self.err);
        }
        self
    }
}

impl From<Output> for Seen {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// What a run left.
pub(crate) struct RunFolder(pub(crate) PathBuf);

impl RunFolder {
    pub(crate) fn rows(&self) -> Vec<Row> {
        rows(&self.0.join("results.csv"))
    }

    pub(crate) fn metadata(&self) -> Value {
        serde_json::from_slice(&fs::read(self.0.join("run.json")).expect("run.json")).expect("JSON")
    }

    /// The events of one cell, of one kind.
    pub(crate) fn events(&self, cell: &str, kind: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.0.join("cells").join(cell).join("events.jsonl")).expect("events");
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        events.filter(|event| event["event"] == kind).collect()
    }
}

/// The rows of a CSV, each of which must be whole.
pub(crate) fn rows(path: &Path) -> Vec<Row> {
    let text = fs::read_to_string(path).expect("a CSV");
    assert!(text.ends_with('\n'), "no half row: {text}");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().collect::<Result<_, _>>().expect("whole rows")
}

/// A run with `--json` that goes on while its events are read.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, lines }
    }

    /// Reads on up to the `number`th event of this kind.
    pub(crate) fn wait_for(&mut self, kind: &str, number: usize) {
        let kinds = (&mut self.lines).map(|line| {
            serde_json::from_str::<Value>(&line.expect("a line")).expect("JSON")["event"].clone()
        });
        assert_eq!(kinds.filter(|event| event == kind).take(number).count(), number, "too few {kind}");
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("a signal can be sent");
    }

    /// Reads on to the end.
    pub(crate) fn end(self) -> Seen {
        let Self { child, lines } = self;
        let out: Vec<String> = lines.map(|line| line.expect("a line")).collect();
        let seen = Seen::from(child.wait_with_output().expect("it ends"));
        Seen { out: out.join("\n"), ..seen }
    }
}
