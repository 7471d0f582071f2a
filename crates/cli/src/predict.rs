//! `keepalive-lab predict`: the theory alone, for one set of socket options.

use std::time::Duration;

use comfy_table::{Table, presets};
use serde_json::{Value, json};
use tcp_timers::{
    Answer, Flight, Keepalive, Kernel, KernelVersion, Loss, Options, Silence, Socket, Sysctls, Window,
    data_in_flight, keepalive,
};

use crate::args::PredictArgs;
use crate::complaint::{Complaint, tell};
use crate::exit::Exit;
use crate::kernel;
use crate::output::print;
use crate::span::counted;

/// What the round trip is taken to be: on one machine some 0.1 ms.
const ROUND_TRIP: Duration = Duration::from_micros(100);

/// Tells when each of two common cases is noticed.
pub(crate) fn predict(args: &PredictArgs) -> Exit {
    let kernel = match kernel_of(args) {
        Ok(kernel) => kernel,
        Err(complaint) => return tell(&[complaint]),
    };
    let mut sysctls = Sysctls::default();
    sysctls.retries2 = args.retries2.unwrap_or(sysctls.retries2);
    let options = Options {
        keepalive: Some(Keepalive {
            idle: args.idle.unwrap_or(sysctls.keepalive_time),
            interval: args.interval.unwrap_or(sysctls.keepalive_intvl),
            count: args.count.unwrap_or(sysctls.keepalive_probes),
        }),
        user_timeout: args.user_timeout,
        ..Options::default()
    };
    let socket = Socket { kernel, options: &options, sysctls: &sysctls, round_trip: ROUND_TRIP };
    let cases = [
        (
            "a connection that falls silent, with nothing to send",
            "the last data received",
            keepalive(&socket, &Silence::new(Duration::ZERO, Loss::Path)),
        ),
        (
            "data in flight that nobody acknowledges (keepalive is silent then)",
            "the write",
            data_in_flight(&socket, &Flight::new(Loss::Path)),
        ),
    ];
    let heading = format!("Linux {}, {} ticks a second (HZ)", kernel.version, kernel.hz);
    if args.json {
        let cases = cases.iter().map(|(case, from, answer)| of_case(case, from, answer));
        let answer = json!({
            "kernel": kernel.version.to_string(),
            "hz": kernel.hz,
            "cases": cases.collect::<Vec<_>>(),
        });
        return print(format_args!("{answer:#}"));
    }
    let texts = cases.iter().map(|(case, from, answer)| in_words(case, from, answer));
    print(format_args!("{heading}\n\n{}", texts.collect::<Vec<_>>().join("\n\n")))
}

/// The kernel that is asked about: the running one where nothing else is said.
fn kernel_of(args: &PredictArgs) -> Result<Kernel, Complaint> {
    let running = kernel::running();
    let release = args.release.as_ref().unwrap_or(&running.release);
    let version: KernelVersion = release
        .parse()
        .map_err(|error| Complaint::new(Exit::Usage, format!("{error}")).help("such as --release 6.12"))?;
    let hz = args.hz.or(running.hz).ok_or_else(|| {
        Complaint::new(Exit::Usage, "the tick rate of this kernel is not known").help("such as --hz 250")
    })?;
    Ok(Kernel { version, hz })
}

fn in_words(case: &str, from: &str, answer: &Answer) -> String {
    let (ending, table) = match answer {
        Answer::Dies(death) => {
            let mut table = Table::new();
            table.load_style(presets::NOTHING);
            table.set_header(["term", "asked for", "over after"]);
            for term in &death.terms {
                table.add_row([term.what.clone(), seconds(term.nominal), window(term.elapsed)]);
            }
            let asked: Duration = death.terms.iter().map(|term| term.nominal).sum();
            let rst = if death.tells_peer { "; it sends a RST" } else { "; it sends nothing" };
            // Where the user timeout cuts the last term short, the sum says nothing.
            let sum = if asked <= death.at.max {
                format!("; the plain sum is {}", seconds(asked))
            } else {
                String::new()
            };
            let ending = format!(
                "{} after {} (counted from {from}{sum}), {} sent in vain{rst}",
                death.errno.name(),
                window(death.at),
                counted(death.attempts.len() as u64, "segment"),
            );
            (ending, format!("\n{}", table.trim_fmt()))
        }
        Answer::LivesForEver { because } => (format!("it lives for ever: {because}"), String::new()),
        Answer::Unpredicted { because } => (format!("there is no theory for this: {because}"), String::new()),
    };
    format!("{case}:\n{ending}{table}")
}

fn of_case(case: &str, from: &str, answer: &Answer) -> Value {
    match answer {
        Answer::Dies(death) => json!({
            "case": case,
            "counted_from": from,
            "errno": death.errno.name(),
            "min_s": death.at.min.as_secs_f64(),
            "max_s": death.at.max.as_secs_f64(),
            "timer": death.timer.name(),
            "sends_reset": death.tells_peer,
            "terms": death.terms.iter().map(|term| json!({
                "what": term.what,
                "nominal_s": term.nominal.as_secs_f64(),
                "elapsed_min_s": term.elapsed.min.as_secs_f64(),
                "elapsed_max_s": term.elapsed.max.as_secs_f64(),
            })).collect::<Vec<_>>(),
        }),
        Answer::LivesForEver { because } => json!({ "case": case, "lives_for_ever": because }),
        Answer::Unpredicted { because } => json!({ "case": case, "unpredicted": because }),
    }
}

fn window(window: Window) -> String {
    window.to_string()
}

fn seconds(span: Duration) -> String {
    format!("{} s", (span.as_secs_f64() * 1000.0).round() / 1000.0)
}
