//! What is expected of one end.

use std::ops::Range;
use std::time::Duration;

use crate::check::findings::Findings;
use crate::document::wording::{nearest, nearest_help};
use crate::error::Finding;
use crate::expect::{Expectation, Outcome, Window, Within};
use crate::raw::RawExpectation;
use crate::raw::duration::Bounds;
use crate::raw::union::RawWithin;
use crate::raw::value::Located;

/// Errors that the system calls on a TCP socket can give: tcp(7), ip(7), connect(2), and what ICMP is turned into
/// (`icmp_err_convert` in `net/ipv4/icmp.c`, `icmpv6_err_convert()` in `net/ipv6/icmp.c`).
const ERRNOS: [&str; 28] = [
    "ETIMEDOUT",
    "ECONNRESET",
    "ECONNREFUSED",
    "ECONNABORTED",
    "EPIPE",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "EHOSTDOWN",
    "ENETDOWN",
    "ENETRESET",
    "ENONET",
    "EACCES",
    "EPERM",
    "EPROTO",
    "ENOPROTOOPT",
    "EOPNOTSUPP",
    "EMSGSIZE",
    "EADDRINUSE",
    "EADDRNOTAVAIL",
    "EAFNOSUPPORT",
    "EALREADY",
    "EINPROGRESS",
    "EISCONN",
    "ENOTCONN",
    "EINVAL",
    "ENOBUFS",
    "ENOMEM",
    "ESHUTDOWN",
];

/// The system calls that tell an end of an error, by the words of the CSV: `poll` is `epoll_wait(2)` that tells of an
/// error while there is nothing to read or write.
const SYSCALLS: [&str; 6] = ["connect", "accept", "read", "write", "poll", "setsockopt"];

pub(crate) fn check_expectation(
    findings: &mut Findings,
    raw: &Located<RawExpectation>,
    limit: Duration,
) -> Expectation {
    let Located { value: raw, span } = raw;
    let outcome = findings.choice(raw.outcome.as_ref());
    let errno = raw.errno.as_ref().map(|errno| check_errno(findings, errno));
    let syscall = raw.syscall.as_ref().map(|syscall| check_syscall(findings, syscall));
    let within = check_within(findings, raw.within.as_ref(), limit);
    let silent_within = check_window(findings, "silent_within", raw.silent_within.as_ref(), limit);
    // Each of these describes an error, so each says that there is one.
    let of_an_error = [
        ("errno", raw.errno.is_some()),
        ("syscall", raw.syscall.is_some()),
        ("within", raw.within.is_some()),
        ("silent_within", raw.silent_within.is_some()),
    ];
    let implied = of_an_error.iter().find(|(_, written)| *written).map(|(name, _)| *name);
    match (outcome, implied, &raw.outcome) {
        (Some(outcome), Some(name), Some(written)) if outcome != Outcome::Error => {
            let message = format!("the outcome cannot be \"{outcome}\" where `{name}` expects an error");
            findings.push(Finding::new(&written.span, message).help("leave out one of them"));
        }
        (None, None, None) => {
            findings.push(Finding::new(span, "this expects nothing").help(
                "write outcome = \"alive\", errno = \"ETIMEDOUT\", within = [\"730s\", \"760s\"], or leave it out",
            ));
        }
        _ => {}
    }
    let outcome = outcome.or(implied.map(|_| Outcome::Error));
    Expectation { outcome, errno, syscall, within, silent_within }
}

fn check_errno(findings: &mut Findings, raw: &Located<String>) -> String {
    let Located { value: name, span } = raw;
    if !ERRNOS.contains(&name.as_str()) {
        let finding = Finding::new(span, format!("`{name}` is no error that a TCP socket gives"));
        findings.push(
            finding.help(match nearest(name, ERRNOS) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => {
                    "the usual ones are ETIMEDOUT, ECONNRESET, ECONNREFUSED, EPIPE, EHOSTUNREACH, ENETUNREACH"
                        .to_owned()
                }
            }),
        );
    }
    name.clone()
}

fn check_syscall(findings: &mut Findings, raw: &Located<String>) -> String {
    let Located { value: name, span } = raw;
    if !SYSCALLS.contains(&name.as_str()) {
        let finding = Finding::new(span, format!("no end learns of an error by `{name}`"));
        findings.push(finding.help(nearest_help(name, SYSCALLS.into_iter(), "the system calls are")));
    }
    name.clone()
}

/// `within`: two bounds, or the word `predicted`.
fn check_within(
    findings: &mut Findings,
    raw: Option<&Located<RawWithin>>,
    limit: Duration,
) -> Option<Within> {
    match raw {
        Some(Located { value: RawWithin::Word(word), .. }) if word == "predicted" => Some(Within::Predicted),
        _ => check_window(findings, "within", raw, limit).map(Within::Bounds),
    }
}

fn check_window(
    findings: &mut Findings,
    name: &str,
    raw: Option<&Located<RawWithin>>,
    limit: Duration,
) -> Option<Window> {
    let Located { value, span } = raw?;
    let bounds = match value {
        RawWithin::Word(word) => {
            findings.push(wrong_word(name, word, span));
            return None;
        }
        RawWithin::Bounds(bounds) => bounds,
    };
    let [min, max] = bounds.as_slice() else {
        let message = format!("`{name}` needs two durations, the least and the most, not {}", bounds.len());
        findings.push(Finding::new(span, message).help("such as [\"730s\", \"760s\"]"));
        return None;
    };
    let (min_span, max_span) = (&min.span, &max.span);
    let min = findings.duration(name, Some(min), &Bounds::ANY);
    let max = findings.duration(name, Some(max), &Bounds::ANY);
    let window = Window { min: min?, max: max? };
    if window.min > window.max {
        let message = format!("`{name}` ends before it begins");
        findings.push(Finding::new(max_span, message).help("the least comes first, then the most"));
    }
    if window.min > limit {
        let message =
            format!("this can never be met: the cell stops after {}", humantime::format_duration(limit));
        findings
            .push(Finding::new(min_span, message).help("choose a longer `limit` in [stop] (default 20m)"));
    }
    Some(window)
}

fn wrong_word(name: &str, word: &str, span: &Range<usize>) -> Finding {
    let finding = if word == "predicted" {
        Finding::new(span, format!("there is no prediction for `{name}`"))
    } else {
        Finding::new(span, format!("`{name}` needs two durations, the least and the most"))
    };
    finding.help(format!("write the bounds: {name} = [\"730s\", \"760s\"], or within = \"predicted\""))
}
