//! What this machine allows, found out by the program itself (`doctor`) and by trying.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// As whom the program is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    Plain,
}

/// `nobody`, on every distribution.
pub(crate) const NOBODY: u32 = 65534;

/// A need that `doctor` knows nothing of: mounts that nobody else sees.
pub(crate) const MOUNTS: &str = "private mounts";

/// Likewise: a user namespace to set limits in.
pub(crate) const LIMITS: &str = "limits of a user namespace";

/// Likewise: a terminal made by script(1).
pub(crate) const TERMINAL: &str = "a terminal";

pub(crate) struct Machine {
    /// Where a plain user finds the program: the folder it was built in may be closed to him.
    folder: TempDir,
    is_root: bool,
    findings: [Result<Vec<Value>, String>; 2],
}

impl Who {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Plain => "plain user",
        }
    }
}

impl Machine {
    pub(crate) fn examine() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        fs::copy(env!("CARGO_BIN_EXE_keepalive-lab"), folder.path().join("keepalive-lab")).expect("a copy");
        let is_root = nix::unistd::geteuid().is_root();
        let mut machine = Self { folder, is_root, findings: [Ok(Vec::new()), Ok(Vec::new())] };
        machine.findings = [Who::Root, Who::Plain].map(|who| machine.findings_of(who));
        machine
    }

    fn findings_of(&self, who: Who) -> Result<Vec<Value>, String> {
        if who == Who::Root && !self.is_root {
            return Err("the tests were not started as root".into());
        }
        let doctor = self.program(who).args(["doctor", "--json"]).stdin(Stdio::null()).output();
        let doctor = doctor.map_err(|error| format!("setpriv (package util-linux): {error}"))?;
        serde_json::from_slice(&doctor.stdout)
            .map_err(|_| format!("doctor failed: {}", String::from_utf8_lossy(&doctor.stderr)))
    }

    /// Why a test cannot be done: `needs` are names of `doctor`'s powers, or of this module.
    pub(crate) fn lacks(&self, who: Who, needs: &[&str]) -> Option<String> {
        let findings = match &self.findings[usize::from(who == Who::Plain)] {
            Ok(findings) => findings,
            Err(reason) => return Some(reason.clone()),
        };
        let lacking = findings.iter().find(|finding| {
            let is_needed =
                finding["weight"] == "needed" || needs.iter().any(|need| finding["power"] == *need);
            is_needed && finding["works"] == false
        });
        let told = |finding: &Value| format!("{}: {}", finding["power"], finding["detail"]);
        lacking.map(told).or_else(|| {
            let private = if who == Who::Root { "-m" } else { "-Urm" };
            let own = [
                (MOUNTS, "unshare", &[private, "true"][..]),
                (LIMITS, "unshare", &["-Ur", "nsenter", "--version"]),
                (TERMINAL, "script", &["-qec", "true", "/dev/null"]),
            ];
            own.into_iter().filter(|(need, ..)| needs.contains(need)).find_map(
                |(need, program, arguments)| {
                    let tried = self.starter(who, program).args(arguments).stdin(Stdio::null()).output();
                    let works = tried.is_ok_and(|tried| tried.status.success());
                    (!works).then(|| format!("{program} {} does not work: no {need}", arguments.join(" ")))
                },
            )
        })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("keepalive-lab")
    }

    /// The program, as that user.
    pub(crate) fn program(&self, who: Who) -> Command {
        self.starter(who, self.path())
    }

    /// Any program, as that user.
    pub(crate) fn starter(&self, who: Who, program: impl AsRef<std::ffi::OsStr>) -> Command {
        if who == Who::Root || !self.is_root {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
        command.args([user, group, "--clear-groups".into()]).arg(program);
        command
    }
}
