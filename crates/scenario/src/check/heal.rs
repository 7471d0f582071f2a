//! Which faults a healing fault undoes.

use std::ops::Range;

use crate::check::findings::Findings;
use crate::document::wording::nearest_help;
use crate::error::Finding;
use crate::fault::Heal;
use crate::raw::RawFault;
use crate::raw::union::RawHeal;
use crate::raw::value::Located;

/// Checks the `heal` of the fault named `own`; `names` are those of `raws`.
pub(crate) fn check_heal(
    findings: &mut Findings,
    Located { value: heal, span }: &Located<RawHeal>,
    own: &str,
    raws: &[Located<RawFault>],
    names: &[String],
) -> Option<Heal> {
    let faults = raws.iter().zip(names).map(|(raw, name)| (raw.value.heal.is_some(), name.as_str()));
    let healable: Vec<&str> = faults.clone().filter(|(heals, _)| !heals).map(|(_, name)| name).collect();
    if healable.is_empty() {
        findings.push(Finding::new(span, "there is no fault to heal"));
        return None;
    }
    let mut check = |name: &str, span: &Range<usize>| {
        let heals = faults.clone().any(|(heals, other)| heals && other == name);
        if healable.contains(&name) {
            return;
        }
        let message = match heals {
            _ if name == own => format!("`{name}` cannot heal itself"),
            true => format!("`{name}` heals others: it cannot be healed"),
            false => format!("no fault is named `{name}`"),
        };
        let help = nearest_help(name, healable.iter().copied(), "the faults that can be healed are");
        findings.push(Finding::new(span, message).help(help));
    };
    match heal {
        RawHeal::Word(word) if word == "all" => Some(Heal::All),
        RawHeal::Word(name) => {
            check(name, span);
            Some(Heal::Named(vec![name.clone()]))
        }
        RawHeal::Names(list) => {
            for name in list {
                check(&name.value, &name.span);
            }
            if list.is_empty() {
                findings.push(
                    Finding::new(span, "this heals nothing").help("write heal = \"all\" or names of faults"),
                );
            }
            Some(Heal::Named(list.iter().map(|name| name.value.clone()).collect()))
        }
    }
}
