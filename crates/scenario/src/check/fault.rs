//! Faults: what, where and when.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use crate::check::end::check_before_limit;
use crate::check::findings::Findings;
use crate::check::heal::check_heal;
use crate::document::tree::default_fault_name;
use crate::document::wording::nearest_help;
use crate::end::{End, EndEvent, Ends};
use crate::error::Finding;
use crate::fault::{Action, Fault, RuleText, Tool, Trigger};
use crate::raw::duration::Bounds;
use crate::raw::value::{Located, Named};
use crate::raw::{RawEnd, RawFault};

/// A host that a fault can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host(pub(crate) End);

impl Named for Host {
    const NAMES: &'static [(&'static str, Self)] =
        &[(End::Server.name(), Self(End::Server)), (End::Client.name(), Self(End::Client))];
}

/// The keys of which each fault has exactly one.
const KINDS: [&str; 5] = ["iptables", "ip6tables", "nft", "link", "heal"];

pub(crate) fn check_faults(
    findings: &mut Findings,
    raws: &[Located<RawFault>],
    ends: &Ends<&RawEnd>,
    limit: Duration,
) -> Vec<Fault> {
    let names = check_names(findings, raws);
    let mut faults = Vec::new();
    for (raw, name) in raws.iter().zip(&names) {
        let trigger = check_trigger(findings, raw, ends, limit);
        let action = check_action(findings, raw, name, raws, &names);
        if let (Some(trigger), Some(action)) = (trigger, action) {
            faults.push(Fault { name: name.clone(), trigger, action });
        }
    }
    faults
}

fn check_names(findings: &mut Findings, raws: &[Located<RawFault>]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    for (index, Located { value: raw, span }) in raws.iter().enumerate() {
        let span = raw.name.as_ref().map_or(span, |name| &name.span);
        let name = raw.name.as_ref().map_or_else(|| default_fault_name(index), |name| name.value.clone());
        if let Some(why) = wrong_name(&name) {
            findings.push(Finding::new(span, format!("{name:?} cannot be the name of a fault")).label(why));
        }
        if !seen.insert(name.clone()) {
            findings.push(
                Finding::new(span, format!("an earlier fault is named `{name}` too"))
                    .help("a fault without a name is fault-1, fault-2.. by its place"),
            );
        }
        names.push(name);
    }
    names
}

fn wrong_name(name: &str) -> Option<&'static str> {
    if name == "all" {
        return Some("heal = \"all\" means all faults");
    }
    if name.is_empty() || name.chars().all(|c| c.is_ascii_digit()) {
        return Some("a name has a letter: faults are also named by number");
    }
    let fits = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    (!name.chars().all(fits) || name.len() > 64).then_some("letters, digits, - and _, at most 64 bytes")
}

fn check_trigger(
    findings: &mut Findings,
    Located { value: raw, span }: &Located<RawFault>,
    ends: &Ends<&RawEnd>,
    limit: Duration,
) -> Option<Trigger> {
    if let (Some(plus), None) = (&raw.plus, &raw.after) {
        findings.push(
            Finding::new(&plus.span, "`plus` goes with `after`").help("such as after = \"client.error\""),
        );
    }
    match (&raw.at, &raw.after) {
        (None, None) => {
            findings.push(
                Finding::new(span, "this fault does not say when")
                    .help("write at = \"5s\", at = \"start\" or after = \"client.error\""),
            );
            None
        }
        (Some(_), Some(after)) => {
            findings.push(Finding::new(&after.span, "a fault has `at` or `after`, not both"));
            None
        }
        (Some(at), None) if at.value.0 == "start" => Some(Trigger::Start),
        (Some(at), None) => {
            let time = findings.duration_text("at", &at.value.0, &at.span, &Bounds::ANY)?;
            check_before_limit(findings, "at", time, &at.span, limit);
            Some(Trigger::At(time))
        }
        (None, Some(after)) => {
            let plus = findings.duration("plus", raw.plus.as_ref(), &Bounds::ANY).unwrap_or_default();
            if let Some(written) = &raw.plus {
                check_before_limit(findings, "plus", plus, &written.span, limit);
            }
            let (end, event) = check_event(findings, after)?;
            check_event_can_come(findings, end, event, &after.span, ends);
            Some(Trigger::After { end, event, plus })
        }
    }
}

fn check_event(
    findings: &mut Findings,
    Located { value: text, span }: &Located<String>,
) -> Option<(End, EndEvent)> {
    let events: Vec<(String, (End, EndEvent))> = End::BOTH
        .into_iter()
        .flat_map(|end| EndEvent::ALL.map(|event| (format!("{end}.{event}"), (end, event))))
        .collect();
    let known = events.iter().find(|(name, _)| name == text).map(|(_, event)| *event);
    if known.is_none() {
        let help = nearest_help(text, events.iter().map(|(name, _)| name.as_str()), "the events are");
        findings.push(Finding::new(span, format!("`{text}` is no event")).help(help));
    }
    known
}

fn check_event_can_come(
    findings: &mut Findings,
    end: End,
    event: EndEvent,
    span: &Range<usize>,
    ends: &Ends<&RawEnd>,
) {
    if event == EndEvent::Idle && ends.get(end).idle_timeout.is_none() {
        findings.push(
            Finding::new(span, format!("`{end}.idle` can never come"))
                .label(format!("the {end} has no idle_timeout"))
                .help(format!("write idle_timeout = \"1s\" in [{end}]")),
        );
    }
}

fn check_action(
    findings: &mut Findings,
    fault: &Located<RawFault>,
    name: &str,
    raws: &[Located<RawFault>],
    names: &[String],
) -> Option<Action> {
    let Located { value: raw, span } = fault;
    let spans = [
        raw.iptables.as_ref().map(|it| &it.span),
        raw.ip6tables.as_ref().map(|it| &it.span),
        raw.nft.as_ref().map(|it| &it.span),
        raw.link.as_ref().map(|it| &it.span),
        raw.heal.as_ref().map(|it| &it.span),
    ];
    let mut written = KINDS.iter().zip(spans).filter_map(|(kind, span)| Some((*kind, span?)));
    let Some((kind, kind_span)) = written.next() else {
        let help =
            "write iptables = \"...\", ip6tables = \"...\", nft = \"...\", link = \"down\" or heal = [...]";
        findings.push(Finding::new(span, "this fault does nothing").help(help));
        return None;
    };
    if let Some((second, span)) = written.next() {
        let message = format!("one fault does one thing, not both `{kind}` and `{second}`");
        findings.push(Finding::new(span, message).help("write a [[fault]] for each"));
        return None;
    }
    if let Some(heal) = &raw.heal {
        if let Some(on) = &raw.on {
            findings.push(Finding::new(&on.span, "`heal` has no `on`: a fault is healed wherever it is"));
        }
        return check_heal(findings, heal, name, raws, names).map(Action::Heal);
    }
    let on = check_host(findings, raw, kind, kind_span);
    let rules = [(Tool::Iptables, &raw.iptables), (Tool::Ip6tables, &raw.ip6tables), (Tool::Nft, &raw.nft)];
    if let Some((tool, raw)) = rules.into_iter().find_map(|(tool, rule)| Some((tool, rule.as_ref()?))) {
        let rule = check_rule(findings, tool, raw)?;
        return Some(Action::Rule { on: on?, rule });
    }
    let state = findings.choice(raw.link.as_ref())?;
    Some(Action::Link { on: on?, state })
}

fn check_host(findings: &mut Findings, raw: &RawFault, kind: &str, kind_span: &Range<usize>) -> Option<End> {
    match &raw.on {
        None => {
            findings.push(
                Finding::new(kind_span, format!("`{kind}` needs a host"))
                    .help("write on = \"server\" or on = \"client\""),
            );
            None
        }
        Some(on) if on.value.word == "firewall" => {
            findings.push(
                Finding::new(
                    &on.span,
                    "this network has no firewall host: its two hosts are joined by one link",
                )
                .help("a rule for on = \"server\" or on = \"client\" drops in that host's own hooks"),
            );
            None
        }
        Some(on) => findings.choice(Some(on)).map(|Host(end)| end),
    }
}

/// The rule without the name of its program, which people paste along.
fn check_rule(
    findings: &mut Findings,
    tool: Tool,
    Located { value: text, span }: &Located<String>,
) -> Option<RuleText> {
    let line = text.trim();
    let line = line.strip_prefix("sudo ").unwrap_or(line).trim_start();
    let line = match line.strip_prefix(tool.name()) {
        Some(rest) if rest.is_empty() || rest.starts_with(' ') => rest.trim_start(),
        _ => line,
    };
    if line.is_empty() {
        findings.push(Finding::new(span, format!("`{}` is an empty rule", tool.name())));
        return None;
    }
    if line.contains('\0') {
        findings.push(Finding::new(span, "a rule cannot hold a null character"));
        return None;
    }
    Some(RuleText { tool, line: line.to_owned() })
}
