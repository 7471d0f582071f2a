//! What this machine has for the tests.

use std::fs;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use keepalive_lab_kernels::{AvailableKernel, Cache, DebianSpec, KernelSpec, VersionPrefix};

/// A cache for the tests, and the kernel that they fetch.
pub(crate) struct Ground {
    pub cache: Cache,
    /// The newest of the series with the smallest that apt sees, to spare the mirrors.
    pub kernel: AvailableKernel,
    /// Removes the cache in the end.
    _folder: tempfile::TempDir,
}

impl Ground {
    /// Looks whether the tests can run; if not, says why.
    pub(crate) fn look() -> Result<Self, String> {
        let output = Command::new("apt-get").args(["indextargets", "--format", "$(SITE)"]).output();
        let output = output.map_err(|error| format!("apt-get: {error}"))?;
        let sites = String::from_utf8_lossy(&output.stdout).into_owned();
        let site = sites.lines().find(|site| site.contains("debian")).ok_or("apt has no mirror of Debian")?;
        let host = site.split('/').nth(2).ok_or_else(|| format!("apt's mirror {site} is no web server"))?;
        reach(host).map_err(|error| format!("the mirror {host} cannot be reached: {error}"))?;
        let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let cache = Cache::at(folder.path()).map_err(|error| error.to_string())?;
        let kernels = cache.available(None).expect("apt is there");
        let smallest = kernels.iter().min_by_key(|kernel| kernel.bytes).ok_or("apt sees no cloud kernel")?;
        let series: VersionPrefix =
            series(&smallest.version).parse().expect("it is the beginning of a version");
        let newest = kernels.iter().find(|kernel| series.matches(&kernel.version));
        let kernel = newest.expect("it is among them").clone();
        Ok(Self { cache, kernel, _folder: folder })
    }

    /// What a user would write for the kernel.
    pub(crate) fn spec(&self) -> KernelSpec {
        let prefix = self.kernel.version.parse().expect("it is a version");
        KernelSpec::Debian(DebianSpec { prefix, suite: None })
    }
}

/// The first two numbers of a version.
pub(crate) fn series(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

fn reach(host: &str) -> std::io::Result<()> {
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut last = std::io::Error::other("it has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, Duration::from_secs(5)) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Names, sizes and times of all that is apt's own.
pub(crate) fn state_of_apt() -> Vec<String> {
    let mut files = Vec::new();
    for folder in ["/var/lib/apt", "/var/cache/apt", "/etc/apt", "/var/lib/dpkg"] {
        collect(Path::new(folder), &mut files);
    }
    files.sort();
    files
}

fn collect(path: &Path, files: &mut Vec<String>) {
    let Ok(status) = fs::symlink_metadata(path) else { return };
    let (size, changed, nanoseconds) = (status.len(), status.ctime(), status.ctime_nsec());
    files.push(format!("{} {size} {changed}.{nanoseconds}", path.display()));
    if status.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            collect(&entry.path(), files);
        }
    }
}
