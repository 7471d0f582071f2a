//! What happens on the way to a kernel, for the user to see.

use std::fmt;
use std::path::PathBuf;

/// One step on the way to a kernel. Its text is a line in lower case, without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Another process fetches a kernel; this one waits for it.
    Waiting,
    /// apt's lists are read, about a second.
    Asking {
        /// The suite; `None`: the machine's own.
        suite: Option<String>,
    },
    /// apt's lists of a suite are fetched.
    Updating {
        /// The suite; `None`: the machine's own.
        suite: Option<String>,
    },
    /// apt's lists of a suite could not be fetched: those of an earlier day are used.
    OldLists {
        /// The suite; `None`: the machine's own.
        suite: Option<String>,
        /// What stood in the way.
        why: String,
    },
    /// A package is fetched.
    Downloading {
        /// Its name.
        package: String,
        /// Its size.
        bytes: u64,
    },
    /// A kernel's image is unpacked, some seconds at most.
    Unpacking {
        /// The kernel's release.
        release: String,
    },
    /// An image could not be unpacked, or not be kept: it is booted as it is, which takes longer.
    StaysPacked {
        /// The image.
        image: PathBuf,
        /// Why.
        why: String,
    },
    /// A kept kernel is not as it was; it is fetched anew.
    Damaged {
        /// Its release.
        release: String,
        /// What is wrong with it.
        why: String,
    },
    /// What is newest could not be found out or fetched: a kept kernel is taken.
    Kept {
        /// The kernel that is taken: its release and its package's version.
        kernel: String,
        /// What stood in the way.
        why: String,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of =
            |suite: &Option<String>| suite.as_ref().map_or(String::new(), |suite| format!(" of {suite}"));
        match self {
            Self::Waiting => f.write_str("waiting for another run that fetches a kernel"),
            Self::Asking { suite } => write!(f, "reading apt's package lists{}", of(suite)),
            Self::Updating { suite } => write!(f, "fetching the package lists{}", of(suite)),
            Self::OldLists { suite, why } => {
                write!(f, "using older package lists{}: {why}", of(suite))
            }
            Self::Downloading { package, bytes } => {
                write!(f, "downloading {package} ({})", megabytes(*bytes))
            }
            Self::Unpacking { release } => write!(f, "unpacking kernel {release}"),
            Self::StaysPacked { image, why } => write!(f, "{} stays packed: {why}", image.display()),
            Self::Damaged { release, why } => {
                write!(f, "the kept kernel {release} is damaged and fetched anew: {why}")
            }
            Self::Kept { kernel, why } => write!(f, "taking the kept kernel {kernel}: {why}"),
        }
    }
}

/// A size as people read it, in millions of bytes.
fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_a_line_of_words() {
        let suite = Some("sid".to_owned());
        let steps = [
            Step::Waiting,
            Step::Asking { suite: None },
            Step::Asking { suite: suite.clone() },
            Step::Updating { suite: suite.clone() },
            Step::OldLists { suite, why: "no network".into() },
            Step::Downloading { package: "linux-image-6.1.0-53-cloud-amd64".into(), bytes: 34_279_999 },
            Step::Unpacking { release: "6.1.0-53-cloud-amd64".into() },
            Step::StaysPacked { image: "/boot/vmlinuz".into(), why: "its compression is not known".into() },
            Step::Damaged { release: "6.1.0".into(), why: "vmlinux has 3 bytes instead of 5".into() },
            Step::Kept { kernel: "6.1.0 (6.1.187-1 of sid)".into(), why: "no network".into() },
        ];
        insta::assert_snapshot!(steps.map(|step| step.to_string()).join("\n"));
    }
}
