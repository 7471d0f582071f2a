//! Why there is no kernel, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::modules::ModuleError;
use crate::spec::DebianSpec;

/// Why a kernel could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// This machine is not of the architecture that the guests are of.
    #[error("only kernels for x86-64 can be had, on x86-64; this machine is {0}")]
    Architecture(&'static str),
    /// Neither `XDG_CACHE_HOME` nor `HOME` says where the user's files are.
    #[error("there is no folder for the kernels: neither XDG_CACHE_HOME nor HOME is set")]
    NoCache,
    /// A file or folder could not be read or written.
    #[error("could not {doing} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program of Debian's is not installed.
    #[error("kernels of Debian's are fetched with `{program}`, which this machine does not have")]
    ProgramMissing {
        /// Its name.
        program: &'static str,
    },
    /// apt or dpkg failed.
    #[error("`{program}` failed: {said}")]
    Program {
        /// The program, with its command.
        program: String,
        /// Its own words.
        said: String,
    },
    /// apt's settings on this machine name no mirror of Debian.
    #[error("apt's sources on this machine name no mirror of Debian")]
    NoMirror,
    /// No mirror in apt's settings has the suite.
    #[error("no mirror in apt's sources gives the suite `{suite}`: {said}")]
    NoSuite {
        /// The suite.
        suite: String,
        /// What apt said.
        said: String,
    },
    /// The key that signed a suite's lists is not on this machine.
    #[error("the lists of {} are signed with a key that this machine does not have: {said}", of_suite(suite.as_deref()))]
    NoKey {
        /// The suite; `None`: the machine's own.
        suite: Option<String>,
        /// What apt said.
        said: String,
    },
    /// No package matches.
    #[error("no cloud kernel matches {}; {}", spec.prefix, seen(series, spec.suite.as_deref(), lacks.as_deref()))]
    NoMatch {
        /// What was looked for.
        spec: DebianSpec,
        /// The series that apt sees there, newest first, such as `6.12`.
        series: Vec<String>,
        /// Where a kernel that matches is known to be.
        elsewhere: Vec<DebianSpec>,
        /// A package that a kernel that matches needs, and the mirror no longer has.
        lacks: Option<String>,
    },
    /// What was fetched is not what apt's lists promised.
    #[error("the package {package} is not as promised: {why}")]
    Package {
        /// The package.
        package: String,
        /// What is wrong.
        why: String,
    },
    /// The running kernel's image is not where Debian has it.
    #[error("the image of the running kernel could not be read ({}): {source}", path.display())]
    HostImage {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no kernel that can be booted here.
    #[error("{} is no image of a Linux kernel for x86-64", .0.display())]
    NotAKernel(PathBuf),
    /// The folder given for the modules has none.
    #[error("there are no modules of kernel {release} in {}", folder.display())]
    NoModules {
        /// The folder.
        folder: PathBuf,
        /// The kernel's release.
        release: String,
    },
    /// The folder given for the modules has those of another kernel.
    #[error("the modules in {} are for kernel {theirs}, not for {release}", folder.display())]
    OtherModules {
        /// The folder.
        folder: PathBuf,
        /// What the modules were built for.
        theirs: String,
        /// The kernel's release.
        release: String,
    },
    /// The modules could not be looked at.
    #[error(transparent)]
    Modules(#[from] ModuleError),
}

fn of_suite(suite: Option<&str>) -> String {
    suite.map_or_else(|| "Debian".into(), |suite| format!("the suite `{suite}`"))
}

fn seen(series: &[String], suite: Option<&str>, lacks: Option<&str>) -> String {
    let place = suite.map_or_else(|| "apt here".into(), |suite| format!("the suite `{suite}`"));
    let has = match series {
        [] => format!("{place} has none at all"),
        series => format!("{place} has {}", series.join(", ")),
    };
    match lacks {
        Some(package) => format!("{has} (and of one that matches no longer the package {package})"),
        None => has,
    }
}

impl KernelError {
    /// What the user can do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoCache => "set KEEPALIVE_LAB_CACHE to a folder".into(),
            Self::ProgramMissing { .. } => {
                "this machine is not Debian: give the path of a kernel image, and `--modules DIR`".into()
            }
            Self::Program { .. } => {
                "is the network there? A kernel image of your own can be given by its path".into()
            }
            Self::NoMirror => "give the path of a kernel image, and `--modules DIR`".into(),
            Self::NoSuite { .. } => {
                "look for the name among the suites of Debian, such as `trixie-backports` or `sid`".into()
            }
            Self::NoKey { .. } => {
                "apt-get install debian-archive-keyring (a newer one, where it is already installed)".into()
            }
            Self::NoMatch { spec, elsewhere, .. } if elsewhere.is_empty() => {
                let other = match spec.suite.as_deref() {
                    Some("trixie-backports") => "sid",
                    _ => "trixie-backports",
                };
                let example = DebianSpec { suite: Some(other.into()), ..spec.clone() };
                format!("another suite may have it: `debian:{example}`, for instance")
            }
            Self::NoMatch { elsewhere, .. } => {
                let known: Vec<_> = elsewhere.iter().map(|spec| format!("`debian:{spec}`")).collect();
                format!("another suite has it: {}", known.join(" or "))
            }
            Self::HostImage { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "run as root, or take a kernel of Debian's: `debian:6.12`".into()
            }
            Self::HostImage { .. } => {
                "take a kernel of Debian's (`debian:6.12`), or give the path of an image".into()
            }
            Self::NotAKernel(_) => "give a bzImage (vmlinuz) or an ELF vmlinux".into(),
            Self::NoModules { release, .. } => {
                format!("give the folder lib/modules/{release}, or one that holds it")
            }
            Self::Architecture(_)
            | Self::File { .. }
            | Self::Package { .. }
            | Self::OtherModules { .. }
            | Self::Modules(_) => return None,
        })
    }

    /// For `map_err`: `doing` failed on `path`.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { doing, path: path.to_owned(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_says_what_to_do_where_something_can_be_done() {
        let spec = |text: &str| text.parse::<DebianSpec>().unwrap();
        let no_match =
            |text, series: &[&str], elsewhere: &[&str], lacks: Option<&str>| KernelError::NoMatch {
                spec: spec(text),
                series: series.iter().map(|&text| text.into()).collect(),
                elsewhere: elsewhere.iter().map(|text| spec(text)).collect(),
                lacks: lacks.map(str::to_owned),
            };
        let host =
            |kind| KernelError::HostImage { path: "/boot/vmlinuz-6.1".into(), source: io::Error::from(kind) };
        let errors = [
            KernelError::Architecture("aarch64"),
            KernelError::NoCache,
            KernelError::ProgramMissing { program: "apt-get" },
            KernelError::Program { program: "apt-get download".into(), said: "Failed to fetch".into() },
            KernelError::NoMirror,
            no_match("6.13", &["6.12", "6.1"], &[], None),
            no_match("6.13@trixie-backports", &["7.3", "6.18"], &[], None),
            no_match("7.3", &["6.12", "6.1"], &["7.3@sid", "7.3@trixie-backports"], None),
            no_match("7.0@sid", &[], &[], Some("linux-modules-7.0.4+deb13-cloud-amd64")),
            KernelError::Package {
                package: "linux-image-6.1".into(),
                why: "it holds no vmlinuz of 6.1".into(),
            },
            host(io::ErrorKind::NotFound),
            host(io::ErrorKind::PermissionDenied),
            KernelError::NotAKernel("/bin/ls".into()),
            KernelError::NoModules { folder: "/m".into(), release: "6.1.0".into() },
            KernelError::OtherModules {
                folder: "/m".into(),
                theirs: "6.12.1".into(),
                release: "6.1.0".into(),
            },
        ];
        let told = errors.map(|error| format!("{error}\n  = {}", error.help().unwrap_or_default()));
        insta::assert_snapshot!(told.join("\n"));
    }
}
