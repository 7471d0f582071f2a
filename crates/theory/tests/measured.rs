//! The theory beside what kernels did.
//!
//! `measured.csv` is made of the rows of
//! `keepalive-lab run scenarios/*.toml crates/theory/tests/cells/*.toml --virtual-time --phases 8` with each of
//! `--kernel debian:5.10@bullseye-security`, `debian:6.1`, `debian:6.12`, `debian:6.18@trixie-backports` and
//! `debian:7.3@trixie-backports` (all HZ=250): for each end the outcome, and the first and last time over the phases.
//! Cells called `found-..` are those of some 900 random ones that once refuted the theory.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keepalive_lab_scenario::Scenario;
use keepalive_lab_scenario::cell::Experiment;
use keepalive_lab_scenario::end::{End, Ends};
use keepalive_lab_theory::{Ground, Prediction, predict};
use tcp_timers::{Kernel, KernelVersion};

fn experiments() -> BTreeMap<String, Experiment> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders: [PathBuf; 2] = [here.join("tests/cells"), here.join("../../scenarios")];
    let mut experiments = BTreeMap::new();
    for folder in folders {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let scenario = Scenario::parse(&name, &text, &keepalive_lab_scenario::Options::default())
                .unwrap_or_else(|error| panic!("{error}"));
            experiments.insert(name, scenario.cells[0].experiment.clone());
        }
    }
    experiments
}

struct Measured<'a> {
    scenario: &'a str,
    endpoint: End,
    kernel: Kernel,
    outcome: &'a str,
    errno: &'a str,
    seconds: Option<[Duration; 2]>,
}

fn measured() -> Vec<Measured<'static>> {
    let lines = include_str!("measured.csv").lines().skip(1);
    let row = |line: &'static str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [scenario, endpoint, kernel, hz, outcome, errno, _, min, max] = fields[..] else {
            panic!("{line}")
        };
        let seconds = |text: &str| text.parse().ok().map(Duration::from_secs_f64);
        Measured {
            scenario,
            endpoint: End::BOTH.into_iter().find(|end| end.name() == endpoint).unwrap(),
            kernel: Kernel { version: kernel.parse().unwrap(), hz: hz.parse().unwrap() },
            outcome,
            errno,
            seconds: seconds(min).zip(seconds(max)).map(|(min, max)| [min, max]),
        }
    };
    lines.map(row).collect()
}

/// Why it was not predicted, or nothing; an error if theory and measurement do not agree.
fn judge(row: &Measured, prediction: &Prediction) -> Result<Option<String>, String> {
    match (prediction, row.outcome, row.seconds) {
        (Prediction::Unpredicted { because }, ..) => Ok(Some(because.clone())),
        (Prediction::Alive { .. }, "alive", _)
        | (Prediction::Closed { .. }, "closed", _)
        | (Prediction::Unconnected { .. }, "unconnected", _) => Ok(None),
        (Prediction::Error { after, errno, .. }, "error", Some(seconds))
            if errno.name() == row.errno && seconds.iter().all(|at| after.contains(*at)) =>
        {
            Ok(None)
        }
        (other, outcome, seconds) => {
            Err(format!("predicted {other:?}, happened {outcome} {} {seconds:?}", row.errno))
        }
    }
}

/// Holds every row of these kernels to a prediction of its cell, made of it by `theory`.
fn judged(
    kernels: impl Fn(KernelVersion) -> bool,
    theory: impl Fn(&Experiment, Kernel) -> Ends<Prediction>,
) -> Judged {
    let experiments = experiments();
    let mut result = Judged::default();
    let mut predictions: BTreeMap<(&str, String), Ends<Prediction>> = BTreeMap::new();
    for row in measured().into_iter().filter(|row| kernels(row.kernel.version)) {
        let key = (row.scenario, row.kernel.version.to_string());
        let experiment = &experiments[row.scenario];
        let both = predictions.entry(key).or_insert_with(|| theory(experiment, row.kernel));
        let name = format!("{} {}", row.scenario, row.endpoint);
        match judge(&row, both.get(row.endpoint)) {
            Ok(Some(because)) => drop(result.unpredicted.insert(name, because)),
            Ok(None) => result.predicted += 1,
            Err(error) => result.wrong.push(format!("{name} on {}: {error}", row.kernel.version)),
        }
    }
    result
}

#[derive(Default)]
struct Judged {
    predicted: usize,
    wrong: Vec<String>,
    unpredicted: BTreeMap<String, String>,
}

fn ground(kernel: Kernel) -> Ground {
    Ground { kernel, sysctls: BTreeMap::new() }
}

#[test]
fn every_measured_end_is_as_predicted_or_unpredicted() {
    let judged = judged(|_| true, |experiment, kernel| predict(experiment, &ground(kernel)));
    assert!(judged.wrong.is_empty(), "\n{}", judged.wrong.join("\n"));
    // Each line is an end and, for people, the reason.
    let known = include_str!("unpredicted.txt").lines().filter_map(|line| line.split_once(": "));
    let known: BTreeMap<&str, &str> = known.collect();
    let mut changes = String::new();
    for (end, because) in judged.unpredicted.iter().filter(|(end, _)| !known.contains_key(end.as_str())) {
        writeln!(changes, "no longer predicted: {end}: {because}").unwrap();
    }
    for end in known.keys().filter(|end| !judged.unpredicted.contains_key(**end)) {
        writeln!(changes, "predicted now, to be struck from unpredicted.txt: {end}").unwrap();
    }
    assert!(changes.is_empty(), "of {} rows:\n{changes}", judged.predicted);
    let shipped = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")).unwrap();
    for entry in shipped {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let both = End::BOTH.map(|end| judged.unpredicted.get(&format!("{name} {end}")));
        assert_eq!(both, [None, None], "a shipped scenario: {name}");
    }
}

/// One kernel is enough to refute a theory.
const SEEN: KernelVersion = KernelVersion::new(6, 12);

#[test]
fn the_measurements_would_refute_a_theory_that_is_a_little_wrong() {
    let refuted = |theory: fn(&Experiment, Kernel) -> Ends<Prediction>| {
        judged(|version| version == SEEN, theory).wrong.len()
    };
    let one_probe_more = refuted(|experiment, kernel| {
        let mut experiment = experiment.clone();
        for end in End::BOTH {
            let keepalive = &mut experiment.programs.get_mut(end).options.keepalive;
            if let Some(count) = keepalive.as_mut().and_then(|keepalive| keepalive.count.as_mut()) {
                *count += 1;
            }
        }
        predict(&experiment, &ground(kernel))
    });
    let another_wheel =
        refuted(|experiment, kernel| predict(experiment, &ground(Kernel { hz: 1000, ..kernel })));
    let one_retransmission_more = refuted(|experiment, kernel| {
        let mut experiment = experiment.clone();
        for end in End::BOTH {
            if let Some(retries) = experiment.sysctls.get_mut(end).get_mut("net.ipv4.tcp_retries2") {
                *retries = (retries.parse::<u32>().unwrap() + 1).to_string();
            }
        }
        predict(&experiment, &ground(kernel))
    });
    let nobody_is_told = refuted(|experiment, kernel| {
        let both = predict(experiment, &ground(kernel));
        Ends::from_fn(|end| match both.get(end) {
            Prediction::Error { errno: tcp_timers::Errno::Econnreset, why, .. } => {
                Prediction::Alive { why: why.clone() }
            }
            other => other.clone(),
        })
    });
    for wrong in [one_probe_more, another_wheel, one_retransmission_more, nobody_is_told] {
        assert!(wrong > 10, "{one_probe_more} {another_wheel} {one_retransmission_more} {nobody_is_told}");
    }
}
