//! What this machine can do, found out once: whether QEMU is there, and which kernels the program can fetch.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The kernels that the tests run, by the beginnings of their versions.
pub(crate) const KERNELS: [&str; 2] = ["6.1", "6.12"];

/// What a test needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// QEMU, which runs guests.
    Qemu,
    /// A kernel of [`KERNELS`], fetched.
    Kernel(&'static str),
    /// To be root, and to be allowed what `doctor` calls needed.
    Root,
    /// A `/dev/kvm` that opens, be it of use or not.
    Kvm,
    /// A program that changes rules.
    Program(&'static str),
}

pub(crate) struct Machine {
    /// The program under test stays what it is while others build it anew; and its own cache, that the saved machines
    /// of this build do not push those of the user's out.
    folder: TempDir,
    qemu: Result<(), String>,
    kernels: Vec<(&'static str, Result<KeptKernel, String>)>,
}

/// A kernel in the cache.
pub(crate) struct KeptKernel {
    pub(crate) release: String,
    /// Its folder in the cache.
    pub(crate) folder: PathBuf,
    pub(crate) image: PathBuf,
    /// `lib/modules/RELEASE`.
    pub(crate) modules: PathBuf,
}

impl Machine {
    pub(crate) fn examine() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
        fs::copy(env!("CARGO_BIN_EXE_keepalive-lab"), folder.path().join("keepalive-lab")).expect("a copy");
        let qemu = Command::new("qemu-system-x86_64").arg("--version").output();
        let qemu = qemu
            .map(|_| ())
            .map_err(|error| format!("qemu-system-x86_64 (package qemu-system-x86): {error}"));
        let mut machine = Self { folder, qemu, kernels: Vec::new() };
        machine.kernels = KERNELS.iter().map(|prefix| (*prefix, machine.fetch(prefix))).collect();
        if let Some(kernel) = machine.kernels.iter().find_map(|(_, kernel)| kernel.as_ref().ok()) {
            fresh_cache(&machine.cache(), kernel);
        }
        machine
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.folder.path().join("keepalive-lab")
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(self.program()).args(arguments).stdin(Stdio::null()).output();
        let output = output.map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    fn fetch(&self, prefix: &str) -> Result<KeptKernel, String> {
        let fetched = self.ask(&["kernels", "fetch", prefix])?;
        // `debian:6.1: 6.1.0-56-cloud-amd64 (6.1.192-2 of bookworm-security)`
        let release = fetched.split_whitespace().nth(1).ok_or(format!("no release in {fetched:?}"))?;
        let list: Value =
            serde_json::from_str(&self.ask(&["kernels", "--json"])?).map_err(|error| error.to_string())?;
        let mut kept = list["kept"].as_array().into_iter().flatten();
        let kept = kept
            .find(|kernel| kernel["release"] == release)
            .ok_or(format!("{release} is not in {list:#}"))?;
        let folder = Path::new(kept["folder"].as_str().expect("a folder"));
        let image =
            ["vmlinux", "vmlinuz"].map(|name| folder.join(name)).into_iter().find(|image| image.is_file());
        let image = image.ok_or(format!("no image in {}", folder.display()))?;
        let modules = folder.join("lib/modules").join(release);
        Ok(KeptKernel { release: release.to_owned(), folder: folder.to_owned(), image, modules })
    }

    /// A kernel that the test has said it needs.
    pub(crate) fn kernel(&self, prefix: &str) -> &KeptKernel {
        let (_, kernel) =
            self.kernels.iter().find(|(known, _)| *known == prefix).expect("one of the kernels");
        kernel.as_ref().expect("the test said that it needs it")
    }

    /// Why a test cannot be done here, if it cannot.
    pub(crate) fn lacks(&self, need: Need) -> Option<String> {
        match need {
            Need::Qemu => self.qemu.clone().err(),
            Need::Kernel(prefix) => {
                let (_, kernel) = self.kernels.iter().find(|(known, _)| *known == prefix)?;
                kernel.as_ref().err().map(|why| format!("no kernel {prefix}: {why}"))
            }
            Need::Root => {
                if !nix::unistd::geteuid().is_root() {
                    return Some("the tests were not started as root".into());
                }
                let doctor = Command::new(self.program()).args(["doctor", "--json"]).output().ok()?;
                let findings: Vec<Value> = serde_json::from_slice(&doctor.stdout).unwrap_or_default();
                let lacking =
                    findings.iter().find(|power| power["weight"] == "needed" && power["works"] == false)?;
                Some(format!("{}: {}", lacking["power"], lacking["detail"]))
            }
            Need::Kvm => {
                let opened = fs::OpenOptions::new().read(true).write(true).open("/dev/kvm");
                opened.err().map(|error| format!("/dev/kvm: {error}"))
            }
            Need::Program(name) => {
                let found = Command::new(name).arg("--version").output();
                found.err().map(|error| format!("{name}: {error}"))
            }
        }
    }
}

/// Makes a cache that has the kernels of the user's, but no machine that was booted before.
pub(crate) fn fresh_cache(cache: &Path, kernel: &KeptKernel) {
    fs::create_dir(cache).expect("a folder");
    let of_user = kernel.folder.ancestors().nth(2).expect("CACHE/kernels/NAME");
    for folder in ["kernels", "apt"] {
        std::os::unix::fs::symlink(of_user.join(folder), cache.join(folder)).expect("a link");
    }
}
