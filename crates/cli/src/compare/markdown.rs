//! A comparison as a table of GitHub's Markdown.

use keepalive_lab_results::compare::{Against, Change, Comparison};

use super::words;

/// A table and a line of sums for each side that was compared with the baseline.
pub(super) fn text(comparison: &Comparison, all: bool) -> String {
    let baseline = &comparison.baseline.label;
    let blocks = comparison.others.iter().map(|against| {
        let mut parts = Vec::new();
        if words::shown(against, all).next().is_some() {
            parts.push(table(against, baseline, all));
        }
        let (label, here, there) = (&against.side.label, &against.only_in_baseline, &against.only_in_other);
        let lonely = [words::only_in(here, baseline, all), words::only_in(there, label, all)];
        parts.extend(lonely.iter().flatten().map(|line| escaped(line)));
        let sums = escaped(&words::summary(against, baseline));
        parts.push(format!("{} against {}: {sums}", escaped(label), escaped(baseline)));
        parts.join("\n\n")
    });
    blocks.collect::<Vec<_>>().join("\n\n")
}

fn table(against: &Against, baseline: &str, all: bool) -> String {
    let header = ["judged", "cell", "end", baseline, &against.side.label, "why"].map(str::to_owned);
    let mut lines = vec![row(&header), "|---|---|---|---|---|---|".to_owned()];
    for end in words::shown(against, all) {
        let mut fields = [
            end.judgement.change.name().to_owned(),
            words::cell(&end.key),
            end.key.endpoint.to_string(),
            words::result(&end.baseline),
            words::result(&end.other),
            words::reasons(end).join("; "),
        ]
        .map(|field| escaped(&field));
        if end.judgement.change == Change::Changed {
            fields[0] = format!("**{}**", fields[0]);
        }
        lines.push(format!("| {} |", fields.join(" | ")));
    }
    lines.join("\n")
}

fn row(fields: &[String]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| escaped(field)).collect();
    format!("| {} |", fields.join(" | "))
}

/// Text in which nothing means anything to Markdown or HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in words::plain(text).chars() {
        if matches!(character, '\\' | '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '#' | '~') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
