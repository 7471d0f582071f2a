//! A folder of a test's own, the program started in it, and what it left there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::machine::{Machine, fresh_cache};

pub(crate) struct Ground<'a> {
    pub(crate) machine: &'a Machine,
    folder: TempDir,
}

/// The variable that names the cache.
pub(crate) const CACHE: &str = "KEEPALIVE_LAB_CACHE";

/// What one run showed.
pub(crate) struct Seen {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// One line of a CSV, by column.
pub(crate) type Row = BTreeMap<String, String>;

impl<'a> Ground<'a> {
    pub(crate) fn new(machine: &'a Machine) -> Self {
        Self { machine, folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a scenario, `NAME.toml`.
    pub(crate) fn scenario(&self, name: &str, text: &str) {
        fs::write(self.path().join(format!("{name}.toml")), text).expect("a scenario");
    }

    /// The program with these words as arguments.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(self.machine.program());
        command
            .args(words.split_whitespace())
            .current_dir(self.path())
            .stdin(Stdio::null())
            .env("NO_COLOR", "1");
        command.env(CACHE, self.machine.cache());
        command.env_remove("SUDO_UID").env_remove("SUDO_GID").env_remove("RUST_BACKTRACE");
        command
    }

    /// A cache of its own, with the kernels of the user's, but no machine that was booted before.
    pub(crate) fn fresh_cache(&self) -> PathBuf {
        let cache = self.path().join("cache");
        fresh_cache(&cache, self.machine.kernel("6.12"));
        cache
    }

    pub(crate) fn run(&self, words: &str) -> Seen {
        Seen::of(self.command(words))
    }

    /// The folders of the runs of scenario `name` under `results`, in the order they began.
    pub(crate) fn folders_in(&self, results: &str, name: &str) -> Vec<RunFolder> {
        let entries = fs::read_dir(self.path().join(results).join(name)).expect("its results");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths.into_iter().map(RunFolder).collect()
    }

    /// The folder of the only run of scenario `name`.
    #[track_caller]
    pub(crate) fn folder_of(&self, name: &str) -> RunFolder {
        let mut folders = self.folders_in("results", name);
        assert_eq!(folders.len(), 1, "one run of {name}");
        folders.remove(0)
    }

    /// The rows of a CSV in this folder.
    pub(crate) fn rows(&self, name: &str) -> Vec<Row> {
        rows(&self.path().join(name))
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

    /// The text of one of its files.
    #[track_caller]
    pub(crate) fn text(&self, file: &str) -> String {
        let path = self.0.join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn metadata(&self) -> Value {
        serde_json::from_str(&self.text("run.json")).expect("JSON")
    }

    /// The events of one cell, of one kind.
    pub(crate) fn events(&self, cell: &str, kind: &str) -> Vec<Value> {
        let text = self.text(&format!("cells/{cell}/events.jsonl"));
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        events.filter(|event| event["event"] == kind).collect()
    }
}

/// The rows of a CSV, each of which must be whole.
#[track_caller]
fn rows(path: &Path) -> Vec<Row> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text.ends_with('\n'), "no half row: {text}");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().collect::<Result<_, _>>().expect("whole rows")
}

/// The row of one end.
#[track_caller]
pub(crate) fn row_of<'a>(rows: &'a [Row], scenario: &str, endpoint: &str) -> &'a Row {
    let mut of_end = rows.iter().filter(|row| row["scenario"] == scenario && row["endpoint"] == endpoint);
    let row = of_end.next().unwrap_or_else(|| panic!("no row of the {endpoint} of {scenario}"));
    assert!(of_end.next().is_none(), "one row of the {endpoint} of {scenario}");
    row
}

/// The seconds of a column that is not empty.
#[track_caller]
pub(crate) fn seconds(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} is {:?} in {row:?}", row[column]))
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

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("a signal can be sent");
    }

    pub(crate) fn pid(&self) -> Pid {
        pid(self.child.id())
    }

    /// Reads on to the end.
    pub(crate) fn end(self) -> Seen {
        let Self { child, lines } = self;
        let out: Vec<String> = lines.map(|line| line.expect("a line")).collect();
        let seen = Seen::from(child.wait_with_output().expect("it ends"));
        Seen { out: out.join("\n"), ..seen }
    }
}

pub(crate) fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).expect("a process id"))
}
