//! A comparison as an aligned table for a terminal.

use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};
use keepalive_lab_results::compare::{Against, Change, Comparison};

use super::words;

const CHANGED: Style = AnsiColor::Red.on_default().bold();
const INCONCLUSIVE: Style = AnsiColor::Yellow.on_default();

/// Reasons are broken into lines of this width, their indentation not counted.
const REASON_WIDTH: usize = 90;

/// A table and a line of sums for each side that was compared with the baseline.
pub(super) fn text(comparison: &Comparison, all: bool) -> String {
    let baseline = &comparison.baseline.label;
    let are_several = comparison.others.len() > 1;
    let blocks = comparison.others.iter().map(|against| {
        let mut parts = Vec::new();
        if words::shown(against, all).next().is_some() {
            parts.push(table(against, baseline, all));
        }
        let (label, here, there) = (&against.side.label, &against.only_in_baseline, &against.only_in_other);
        let lonely = [words::only_in(here, baseline, all), words::only_in(there, label, all)];
        let lonely: Vec<String> = lonely.into_iter().flatten().collect();
        if !lonely.is_empty() {
            parts.push(lonely.join("\n"));
        }
        let sums = words::summary(against, baseline);
        parts.push(if are_several { format!("{}: {sums}", words::plain(label)) } else { sums });
        parts.join("\n\n")
    });
    blocks.collect::<Vec<_>>().join("\n\n")
}

fn table(against: &Against, baseline: &str, all: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let other = words::plain(&against.side.label);
    table.set_header(["judged", "cell", "end", &words::plain(baseline), &other]);
    for end in words::shown(against, all) {
        table.add_row([
            end.judgement.change.name().to_owned(),
            words::cell(&end.key),
            end.key.endpoint.to_string(),
            words::result(&end.baseline),
            words::result(&end.other),
        ]);
    }
    let table = table.trim_fmt();
    let mut lines = table.lines();
    let header = lines.next().unwrap_or_default();
    // Reasons stand below their line, under its cell's name.
    let indent = " ".repeat(header.find("cell").unwrap_or_default());
    let mut text = vec![header.to_owned()];
    for (line, end) in lines.zip(words::shown(against, all)) {
        text.push(coloured(line));
        let reasons = words::reasons(end);
        text.extend(reasons.iter().flat_map(|reason| broken(reason)).map(|line| format!("{indent}{line}")));
    }
    text.join("\n")
}

/// Broken between words.
fn broken(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("one at least");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > REASON_WIDTH {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// The judgement stands at the front of its line. (A colour inside the table would count as width.)
fn coloured(line: &str) -> String {
    for (change, style) in [(Change::Changed, CHANGED), (Change::Inconclusive, INCONCLUSIVE)] {
        let word = change.name();
        if let Some(rest) = line.strip_prefix(' ').and_then(|line| line.strip_prefix(word)) {
            return format!(" {style}{word}{style:#}{rest}");
        }
    }
    line.to_owned()
}
