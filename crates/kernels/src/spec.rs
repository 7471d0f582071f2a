//! What a user writes to name a kernel.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::version::{PrefixError, VersionPrefix};

/// What a user writes after `--kernel`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KernelSpec {
    /// A kernel image: a path with a `/` in it, or the name of a file that exists.
    Path(PathBuf),
    /// `host`: the image of the running kernel.
    Host,
    /// `debian:PREFIX` or `debian:PREFIX@SUITE`: a kernel of Debian's.
    Debian(DebianSpec),
}

/// A kernel out of Debian's packages: the newest that matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DebianSpec {
    /// The beginning of its release or of its package's version.
    pub prefix: VersionPrefix,
    /// The suite to look in, such as `trixie-backports`; `None`: those that the machine's apt sees.
    pub suite: Option<String>,
}

/// Text that names no kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Neither `host` nor `debian:` nor a path.
    #[error("`{0}` names no kernel")]
    Unknown(String),
    /// What follows `debian:` is no version.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// What follows `@` is no suite.
    #[error("`{0}` is no suite of Debian: it has small letters, digits, `-`, `.` and `_` only")]
    Suite(String),
}

impl SpecError {
    /// What to write instead.
    pub fn help(&self) -> String {
        match self {
            Self::Unknown(text) if text.parse::<VersionPrefix>().is_ok() => {
                format!("write `debian:{text}` for a kernel of Debian's, `./{text}` for a file")
            }
            Self::Unknown(_) => {
                "write `debian:6.12`, `debian:7.3@trixie-backports`, `host`, or the path of a kernel image"
                    .into()
            }
            Self::Prefix(_) => "write the beginning of a version, such as `debian:6.12`".into(),
            Self::Suite(_) => "write a suite's name, such as `debian:7.3@trixie-backports`".into(),
        }
    }
}

impl FromStr for KernelSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        if text == "host" {
            Ok(Self::Host)
        } else if let Some(rest) = text.strip_prefix("debian:") {
            rest.parse().map(Self::Debian)
        } else if text.contains('/') {
            Ok(Self::Path(text.into()))
        } else if !text.is_empty() && Path::new(text).exists() {
            Ok(Self::Path(Path::new(".").join(text)))
        } else {
            Err(SpecError::Unknown(text.to_owned()))
        }
    }
}

impl FromStr for DebianSpec {
    type Err = SpecError;

    /// Reads what follows `debian:`: `PREFIX`, or `PREFIX@SUITE`.
    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (prefix, suite) = match text.split_once('@') {
            Some((prefix, suite)) => (prefix, Some(suite)),
            None => (text, None),
        };
        let prefix = prefix.parse()?;
        match suite {
            Some(suite) if !is_suite(suite) => Err(SpecError::Suite(suite.to_owned())),
            suite => Ok(Self { prefix, suite: suite.map(str::to_owned) }),
        }
    }
}

/// Whether the text can be the name of a suite; such a name is also safe as a file's name and in
/// apt's settings.
pub(crate) fn is_suite(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|sign| sign.is_ascii_lowercase() || sign.is_ascii_digit() || "-._".contains(sign))
}

impl fmt::Display for KernelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) if !path.as_os_str().as_encoded_bytes().contains(&b'/') => {
                write!(f, "./{}", path.display())
            }
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Host => f.write_str("host"),
            Self::Debian(spec) => write!(f, "debian:{spec}"),
        }
    }
}

impl fmt::Display for DebianSpec {
    /// What follows `debian:`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.prefix)?;
        self.suite.as_ref().map_or(Ok(()), |suite| write!(f, "@{suite}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_form_is_read() {
        let debian = |prefix: &str, suite: Option<&str>| {
            let (prefix, suite) = (prefix.parse().unwrap(), suite.map(str::to_owned));
            Ok(KernelSpec::Debian(DebianSpec { prefix, suite }))
        };
        assert_eq!("host".parse(), Ok(KernelSpec::Host));
        assert_eq!("debian:6.1".parse(), debian("6.1", None));
        assert_eq!("debian:7.3@trixie-backports".parse(), debian("7.3", Some("trixie-backports")));
        assert_eq!("./debian:6.1".parse(), Ok(KernelSpec::Path("./debian:6.1".into())));
        assert_eq!("/boot/none".parse(), Ok(KernelSpec::Path("/boot/none".into())));
    }

    #[test]
    fn a_name_without_a_slash_is_a_path_where_the_file_exists() {
        // Tests run in the crate's own folder.
        let spec: KernelSpec = "Cargo.toml".parse().unwrap();
        assert_eq!(spec, KernelSpec::Path("./Cargo.toml".into()));
        assert_eq!(spec.to_string(), "./Cargo.toml");
    }

    #[test]
    fn what_names_no_kernel_is_refused_with_what_to_write() {
        let told =
            ["6.1", "", "hots", "debian:", "debian:six", "debian:6.1@", "debian:6.1@../x", "debian:6.1@A"]
                .map(|text| {
                    let error = text.parse::<KernelSpec>().unwrap_err();
                    format!("{error}\n  = {}", error.help())
                });
        insta::assert_snapshot!(told.join("\n"));
    }

    proptest! {
        #[test]
        fn the_text_of_a_spec_reads_back_as_the_same(text in "host|debian:[0-9]{1,2}(\\.[0-9]{1,3}){0,2}(@[a-z][a-z0-9-]{0,9})?|[a-z./:@]{0,5}/[a-z0-9./]{0,9}") {
            let spec: KernelSpec = text.parse().unwrap();
            prop_assert_eq!(&spec.to_string(), &text);
            prop_assert_eq!(text.parse::<KernelSpec>().unwrap(), spec);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(debian:)?.{0,20}") {
            let _ = text.parse::<KernelSpec>();
        }
    }
}
