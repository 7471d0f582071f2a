//! Shows errors the way a person sees them.

use keepalive_lab_scenario::{Options, Override, Problem, Scenario, ScenarioError};

pub(crate) fn options(sets: &[&str]) -> Options {
    sets.iter().map(|set| set.parse().expect("an override")).collect::<Vec<Override>>().into()
}

#[allow(dead_code, reason = "not every test file shows errors")]
pub(crate) fn errors_of(text: &str, sets: &[&str]) -> String {
    match Scenario::parse("test", text, &options(sets)) {
        Ok(scenario) => panic!("accepted, {} cells:\n{text}", scenario.cells.len()),
        Err(error) => show(&error),
    }
}

pub(crate) fn show(error: &ScenarioError) -> String {
    error.problems().iter().map(show_problem).collect()
}

fn show_problem(problem: &Problem) -> String {
    let mut lines = vec![format!("error: {}", problem.message)];
    if let Some(place) = &problem.place {
        let line = place.text.lines().nth(place.line() - 1).unwrap_or_default();
        let marked = place.text[place.range.clone()].lines().next().unwrap_or_default();
        let marks = "^".repeat(marked.chars().count().max(1));
        let indent = " ".repeat(place.column() - 1);
        let label = problem.label.as_deref().unwrap_or_default();
        lines.push(format!("  --> {place}"));
        lines.push(format!("   | {line}"));
        lines.push(format!("   | {indent}{marks} {label}").trim_end().to_owned());
    }
    lines.extend(problem.help.iter().map(|help| format!("   = help: {help}")));
    lines.join("\n") + "\n"
}
