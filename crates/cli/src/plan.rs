//! `keepalive-lab plan`: the cells and the schedule of a scenario, without running it.

use comfy_table::{Table, presets};
use keepalive_lab_scenario::Scenario;
use keepalive_lab_scenario::cell::{Cell, Experiment, IpVersion, StopWhen};
use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::fault::{Action, Fault};
use keepalive_lab_scenario::program::{Keepalive, Program, Send};

use crate::args::PlanArgs;
use crate::complaint::tell;
use crate::exit::Exit;
use crate::expected;
use crate::load;
use crate::output::{Output, print};
use crate::span::{counted, rough, written};

/// Cells listed at most; `--json` has all.
const LISTED: usize = 50;

/// Shows the plan of one scenario.
pub(crate) fn plan(args: &PlanArgs) -> Exit {
    let scenario = match load::load(&args.file, &args.change) {
        Ok(scenario) => scenario,
        Err(complaints) => return tell(&complaints),
    };
    if !args.json {
        return print(text(&scenario));
    }
    let mut output = Output::default();
    for cell in &scenario.cells {
        output.line(serde_json::to_string(cell).expect("plain values serialise"));
    }
    output.end(Exit::Success)
}

/// The plan in words.
pub(crate) fn text(scenario: &Scenario) -> String {
    let mut lines = Vec::new();
    lines.push(match &scenario.title {
        Some(title) => format!("{}: {title}", scenario.name),
        None => scenario.name.clone(),
    });
    let Some(first) = scenario.cells.first() else { return lines.join("\n") };
    lines.push(String::new());
    if !scenario.swept.is_empty() {
        lines.push("The first cell; what the others have instead is listed below.\n".into());
    }
    lines.push(experiment(&first.experiment));
    lines.push(String::new());
    lines.extend(needs(scenario));
    lines.push(cells(&scenario.cells));
    lines.join("\n")
}

fn experiment(experiment: &Experiment) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let ip = match experiment.ip {
        IpVersion::Ipv4 => "IPv4",
        IpVersion::Ipv6 => "IPv6",
    };
    for end in End::BOTH {
        let does = match end {
            End::Client => format!("connects to port {} ({ip})", experiment.port),
            End::Server => format!("listens on port {} ({ip})", experiment.port),
        };
        table.add_row([end.to_string(), String::new(), does]);
        for line in program(experiment.programs.get(end)) {
            table.add_row([String::new(), String::new(), line]);
        }
        for (name, value) in experiment.sysctls.get(end) {
            table.add_row([String::new(), String::new(), format!("{name} = {value}")]);
        }
    }
    for fault in &experiment.faults {
        table.add_row([fault.trigger.to_string(), on(fault), format!("{}: {}", fault.name, fault.action)]);
    }
    let when = match experiment.stop.when {
        StopWhen::BothClosed => "when both ends have ended, ",
        StopWhen::ClientClosed => "when the client has ended, ",
        StopWhen::ServerClosed => "when the server has ended, ",
        StopWhen::Limit => "",
    };
    let limit = rough(experiment.stop.limit);
    table.add_row(["stop".to_owned(), String::new(), format!("{when}after {limit} at the latest")]);
    for (end, expectation) in experiment.expect.iter() {
        if let Some(expectation) = expectation {
            table.add_row(["expect".to_owned(), end.to_string(), expected::words(expectation)]);
        }
    }
    table.trim_fmt()
}

fn on(fault: &Fault) -> String {
    match &fault.action {
        Action::Rule { on, .. } | Action::Link { on, .. } => on.to_string(),
        Action::Heal(_) => String::new(),
    }
}

/// What a program does, a line for each thing that is not the default.
fn program(program: &Program) -> Vec<String> {
    let Program { options, traffic, connect_timeout } = program;
    let mut lines = Vec::new();
    for send in &traffic.sends {
        lines.push(match send {
            Send::Every { period, bytes } => format!("sends {bytes} bytes every {}", written(*period)),
            Send::Once { text } => format!("sends {text:?} at once"),
            Send::At { at, bytes } => format!("sends {bytes} bytes after {}", written(*at)),
            Send::Fill => "sends as much as the buffers take".into(),
        });
    }
    lines.extend(traffic.reply.then(|| "sends back what it receives".into()));
    lines.extend((!traffic.read).then(|| "does not read".into()));
    lines.extend(traffic.idle_timeout.map(|after| format!("reports silence of {}", written(after))));
    lines.extend(traffic.close_at.map(|after| format!("closes after {}", written(after))));
    lines.extend(connect_timeout.map(|after| format!("gives up connecting after {}", written(after))));
    lines.push(match &options.keepalive {
        None => "keepalive off".into(),
        Some(Keepalive { idle, interval, count }) => {
            let timers = [
                idle.map(|idle| format!("idle {}", written(idle))),
                interval.map(|interval| format!("interval {}", written(interval))),
                count.map(|count| format!("count {count}")),
            ];
            let is_whole = timers.iter().all(Option::is_some);
            let set: Vec<_> = timers.into_iter().flatten().collect();
            match (set.as_slice(), is_whole) {
                ([], _) => "keepalive as the kernel has it".into(),
                (set, true) => format!("keepalive {}", set.join(", ")),
                (set, false) => format!("keepalive {}, the rest as the kernel has it", set.join(", ")),
            }
        }
    });
    lines.extend(options.user_timeout.map(|value| format!("TCP_USER_TIMEOUT {}", written(value))));
    lines.extend(options.syn_count.map(|value| format!("TCP_SYNCNT {value}")));
    lines.extend(options.nodelay.map(|value| format!("TCP_NODELAY {}", u8::from(value))));
    lines.extend(options.linger.map(|value| format!("SO_LINGER {}", written(value))));
    lines.extend(options.send_buffer.map(|value| format!("SO_SNDBUF {value}")));
    lines.extend(options.receive_buffer.map(|value| format!("SO_RCVBUF {value}")));
    lines.extend(options.rto_max.map(|value| format!("TCP_RTO_MAX_MS {}", written(value))));
    lines
}

/// The programs that rules need.
fn needs(scenario: &Scenario) -> Vec<String> {
    let programs = load::programs(scenario);
    let line = |(program, complaint): &(_, crate::complaint::Complaint)| {
        format!("needs the program {program}: {}", complaint.reason.as_deref().unwrap_or_default())
    };
    programs.iter().map(line).collect()
}

/// The cells and how long they take at most.
fn cells(cells: &[Cell]) -> String {
    let limit = cells.iter().map(|cell| cell.experiment.stop.limit).sum();
    if cells.len() == 1 {
        return format!("1 cell, at most {}", rough(limit));
    }
    let total = format!("{} one after another, at most {}", counted(cells.len(), "cell"), rough(limit));
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let keys = cells.iter().flat_map(|cell| &cell.parameters).map(|parameter| parameter.key.clone());
    let mut header = vec!["cell".to_owned(), "repeat".to_owned()];
    for key in keys {
        if !header.contains(&key) {
            header.push(key);
        }
    }
    table.set_header(&header);
    for cell in cells.iter().take(LISTED) {
        let fixed = [cell.id.clone(), cell.repeat.to_string()];
        table.add_row(
            fixed.into_iter().chain(cell.parameters.iter().map(|parameter| parameter.value.clone())),
        );
    }
    let more = cells.len().saturating_sub(LISTED);
    let more = if more > 0 { format!("\n.. and {more} more (--json lists all)") } else { String::new() };
    format!("{total}\n\n{}{more}", table.trim_fmt())
}
