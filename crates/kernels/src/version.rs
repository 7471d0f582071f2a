//! Versions of Debian packages, and the prefixes by which a user names a kernel.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Compares two versions of Debian packages by Debian's own rule.
///
/// Source: `deb-version(7)`, "Sorting algorithm"; dpkg's `lib/dpkg/version.c`, `dpkg_version_compare()`.
/// It takes any text: what is no version in Debian's sense is ordered by the same rule.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let (a, b) = (Parts::of(a), Parts::of(b));
    a.epoch
        .cmp(&b.epoch)
        .then_with(|| compare_part(a.upstream, b.upstream))
        .then_with(|| compare_part(a.revision, b.revision))
}

/// A version's three parts: `[EPOCH:]UPSTREAM[-REVISION]`.
struct Parts<'a> {
    epoch: u64,
    upstream: &'a [u8],
    revision: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(version: &'a str) -> Self {
        let (epoch, rest) = match version.split_once(':') {
            Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
            None => (0, version),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Self { epoch, upstream: upstream.as_bytes(), revision: revision.as_bytes() }
    }
}

/// The rule for one part: stretches of non-digits and of digits in turn; see dpkg's `verrevcmp()`.
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        while starts_with_letter(a) || starts_with_letter(b) {
            let by_letter = weight(a).cmp(&weight(b));
            if by_letter != Ordering::Equal {
                return by_letter;
            }
            (a, b) = (&a[1..], &b[1..]);
        }
        let (number_a, number_b) = (take_number(&mut a), take_number(&mut b));
        let by_number = number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b));
        if by_number != Ordering::Equal {
            return by_number;
        }
    }
    Ordering::Equal
}

fn starts_with_letter(text: &[u8]) -> bool {
    text.first().is_some_and(|byte| !byte.is_ascii_digit())
}

/// What the first character weighs: `~` less than the end, letters less than all other signs.
fn weight(text: &[u8]) -> i32 {
    match text.first() {
        Some(b'~') => -1,
        None | Some(b'0'..=b'9') => 0,
        Some(&byte) if byte.is_ascii_alphabetic() => i32::from(byte),
        Some(&byte) => i32::from(byte) + 256,
    }
}

/// Cuts the digits off the front; without leading zeros, so that their count compares first.
fn take_number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    &digits[zeros..]
}

/// The beginning of a kernel's release or package version: `6.1` stands for `6.1.0-53-cloud-amd64`
/// and for `6.1.187-1`, never for `6.12`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VersionPrefix(String);

/// Text that is no prefix of a kernel version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kernel version: it begins with a digit, and has letters, digits and `.+-~` only")]
pub struct PrefixError(String);

impl VersionPrefix {
    /// The prefix as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `version` (a release, or a package's version; an epoch is left aside) begins with
    /// this prefix, and the prefix does not end within a number or a word.
    pub fn matches(&self, version: &str) -> bool {
        let version = version.split_once(':').map_or(version, |(_, rest)| rest);
        version
            .strip_prefix(&self.0)
            .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
    }

    /// Whether a kernel of this release, out of a package of this version, is meant.
    pub(crate) fn names(&self, release: &str, version: &str) -> bool {
        self.matches(release) || self.matches(version)
    }
}

impl FromStr for VersionPrefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let is_sound = text.starts_with(|first: char| first.is_ascii_digit())
            && text.ends_with(|last: char| last.is_ascii_alphanumeric())
            && text.chars().all(|sign| sign.is_ascii_alphanumeric() || ".+-~".contains(sign));
        if is_sound { Ok(Self(text.to_owned())) } else { Err(PrefixError(text.to_owned())) }
    }
}

impl fmt::Display for VersionPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The series that a version belongs to: its first two numbers, `6.12` of `6.12.117-1~deb12u1`.
pub(crate) fn series(version: &str) -> String {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let mut numbers = version.split(|sign: char| !sign.is_ascii_digit());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if !minor.is_empty() => format!("{major}.{minor}"),
        _ => version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_are_in_the_order_of_dpkg() {
        // Each less than the next; the cases of deb-version(7) and of the kernel's packages.
        let ascending = [
            "1~~",
            "1~~a",
            "1~",
            "1",
            "1a",
            "1+",
            "1.",
            "6.1.9-1",
            "6.1.187-1",
            "6.12.117-1~deb12u1",
            "6.12.117-1",
            "6.19~rc1-1~exp1",
            "6.19-1",
            "7.3.4-1~bpo13+1",
            "7.3.4-1",
            "7.3.4-1+b1",
            "7.3.4-10",
            "1:1.0",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare_versions(a, b), i.cmp(&j), "{a} and {b}");
            }
        }
    }

    #[test]
    fn leading_zeros_and_an_empty_revision_make_no_difference() {
        assert_eq!(compare_versions("1.07", "1.7"), Ordering::Equal);
        assert_eq!(compare_versions("0:1.0", "1.0-0"), Ordering::Equal);
    }

    #[test]
    fn a_prefix_ends_where_a_number_or_word_ends() {
        let prefix: VersionPrefix = "6.1".parse().unwrap();
        for version in ["6.1", "6.1.0-53-cloud-amd64", "6.1.187-1", "6.1+deb12", "1:6.1-2", "6.1~rc3"] {
            assert!(prefix.matches(version), "{version}");
        }
        for version in ["6.12.117+deb12-cloud-amd64", "6.19", "6", "5.6.1", "6.1rc3"] {
            assert!(!prefix.matches(version), "{version}");
        }
    }

    #[test]
    fn what_is_no_version_is_no_prefix() {
        for text in ["", "6.", "v6.1", ".1", "6.1 ", "6.1/..", "6.1@sid", "6.ä"] {
            assert!(text.parse::<VersionPrefix>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_order_is_total(versions in prop::collection::vec("([0-9]:)?[0-9][0-9a-z.+~]{0,6}(-[0-9a-z.+~]{0,4})?", 3)) {
            let [a, b, c] = [&versions[0], &versions[1], &versions[2]];
            prop_assert_eq!(compare_versions(a, b), compare_versions(b, a).reverse());
            prop_assert_eq!(compare_versions(a, a), Ordering::Equal);
            if compare_versions(a, b).is_le() && compare_versions(b, c).is_le() {
                prop_assert!(compare_versions(a, c).is_le());
            }
        }

        #[test]
        fn a_tilde_is_before_the_end_and_all_else_after(version in "[0-9][0-9a-z.]{0,6}", tail in "[a-z+.][0-9a-z]{0,3}") {
            let (tilde, longer) = (format!("{version}~{tail}"), format!("{version}{tail}"));
            prop_assert_eq!(compare_versions(&tilde, &version), Ordering::Less);
            prop_assert_eq!(compare_versions(&longer, &version), Ordering::Greater);
        }

        #[test]
        fn every_prefix_that_ends_at_a_dot_matches(numbers in prop::collection::vec(0u32..300, 2..5), keep in 1usize..5, digit in 0u32..10) {
            let text = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
            let keep = keep.min(numbers.len());
            let prefix: VersionPrefix = text(&numbers[..keep]).parse().unwrap();
            prop_assert!(prefix.matches(&text(&numbers)));
            let longer = format!("{}{digit}", text(&numbers[..keep]));
            prop_assert!(!prefix.matches(&longer));
        }
    }
}
