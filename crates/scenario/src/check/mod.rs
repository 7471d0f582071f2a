//! A scenario as written into an experiment that needs no further checks.

pub(crate) mod end;
pub(crate) mod expect;
pub(crate) mod fault;
pub(crate) mod findings;
pub(crate) mod heal;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::cell::{Experiment, Stop, StopWhen};
use crate::check::end::{check_end, check_port};
use crate::check::expect::check_expectation;
use crate::check::fault::check_faults;
use crate::check::findings::Findings;
use crate::end::{End, Ends};
use crate::error::Finding;
use crate::raw::duration::Bounds;
use crate::raw::union::RawSysctl;
use crate::raw::value::Located;
use crate::raw::{RawEnd, RawScenario, RawStop};

/// When a cell ends at the latest, unless said.
const DEFAULT_LIMIT: Duration = Duration::from_mins(20);

/// Checks all of a scenario and makes one experiment of it.
pub(crate) fn check(raw: &RawScenario) -> Result<Experiment, Vec<Finding>> {
    let mut findings = Findings::default();
    let unwritten = RawEnd::default();
    let ends = Ends {
        client: raw.client.as_ref().unwrap_or(&unwritten),
        server: raw.server.as_ref().unwrap_or(&unwritten),
    };
    let network = raw.network.as_ref();
    findings.choice(network.and_then(|network| network.topology.as_ref()));
    let ip = findings.choice(network.and_then(|network| network.ip.as_ref())).unwrap_or_default();
    let stop = check_stop(&mut findings, raw.stop.as_ref());
    let port = check_port(&mut findings, &ends);
    let programs = Ends::from_fn(|end| check_end(&mut findings, end, ends.get(end), stop.limit));
    let both = check_sysctls(&mut findings, raw.sysctl.as_ref());
    let sysctls = Ends::from_fn(|end| {
        let mut merged = both.clone();
        merged.extend(check_sysctls(&mut findings, ends.get(end).sysctl.as_ref()));
        merged
    });
    let faults = check_faults(&mut findings, &raw.fault, &ends, stop.limit);
    let expect = Ends::from_fn(|end| {
        let expect = raw.expect.as_ref()?;
        let raw = match end {
            End::Client => expect.client.as_ref()?,
            End::Server => expect.server.as_ref()?,
        };
        Some(check_expectation(&mut findings, raw, stop.limit))
    });
    findings.into_result(Experiment { ip, port, programs, sysctls, faults, stop, expect })
}

fn check_stop(findings: &mut Findings, raw: Option<&RawStop>) -> Stop {
    let when = findings.choice(raw.and_then(|stop| stop.when.as_ref()));
    let limit = match raw.and_then(|stop| stop.limit.as_ref()) {
        // A wrong limit must not make every other time look too late.
        Some(limit) => findings.duration("limit", Some(limit), &Bounds::POSITIVE).unwrap_or(Duration::MAX),
        None => DEFAULT_LIMIT,
    };
    Stop { when: when.unwrap_or(StopWhen::BothClosed), limit }
}

/// One table of sysctls; names that TOML has nested are joined.
fn check_sysctls(findings: &mut Findings, raw: Option<&Located<RawSysctl>>) -> BTreeMap<String, String> {
    let mut sysctls = BTreeMap::new();
    match raw {
        Some(Located { value: RawSysctl::Table(entries), .. }) => {
            collect_sysctls(findings, &mut sysctls, "", entries);
        }
        Some(Located { value: RawSysctl::Value(_), span }) => {
            let finding = Finding::new(span, "expected a table of sysctls");
            findings.push(finding.help("such as { \"net.ipv4.tcp_retries2\" = 5 }"));
        }
        None => {}
    }
    sysctls
}

fn collect_sysctls(
    findings: &mut Findings,
    sysctls: &mut BTreeMap<String, String>,
    prefix: &str,
    entries: &[(Located<String>, RawSysctl)],
) {
    for (Located { value: key, span }, value) in entries {
        let name = format!("{prefix}{key}");
        match value {
            RawSysctl::Table(inner) => collect_sysctls(findings, sysctls, &format!("{name}."), inner),
            RawSysctl::Value(value) => {
                if let Some(finding) =
                    wrong_sysctl_name(&name, span).or_else(|| wrong_sysctl_value(value, span))
                {
                    findings.push(finding);
                } else if sysctls.insert(name.clone(), value.clone()).is_some() {
                    findings.push(Finding::new(span, format!("`{name}` stands here twice")));
                }
            }
        }
    }
}

fn wrong_sysctl_name(name: &str, span: &Range<usize>) -> Option<Finding> {
    if !name.starts_with("net.") {
        let finding = Finding::new(span, format!("`{name}` is no sysctl of the network"));
        return Some(
            finding
                .label("only those below net. belong to a network namespace")
                .help("names are written as in \"net.ipv4.tcp_retries2\""),
        );
    }
    // The name becomes a path below /proc/sys: nothing in it may lead elsewhere.
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    let well_formed = name.split('.').all(part);
    (!well_formed).then(|| {
        Finding::new(span, format!("`{name}` is no name of a sysctl"))
            .label("letters, digits, _ and - between single dots")
    })
}

fn wrong_sysctl_value(value: &str, span: &Range<usize>) -> Option<Finding> {
    value.contains(['\0', '\n']).then(|| Finding::new(span, "the value of a sysctl is one line"))
}
