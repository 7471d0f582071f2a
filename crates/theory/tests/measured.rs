//! The theory beside what kernels did.
//!
//! `measured.csv` is made of the rows of
//! `keepalive-lab run scenarios/*.toml crates/theory/tests/cells/*.toml --virtual-time --phases 8` with each of
//! `--kernel debian:5.10@bullseye-security`, `debian:6.1`, `debian:6.12`, `debian:6.18@trixie-backports` and
//! `debian:7.3@trixie-backports` (all HZ=250): for each end the outcome, and the first and last time over the phases.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keepalive_lab_scenario::Scenario;
use keepalive_lab_scenario::cell::Experiment;
use keepalive_lab_scenario::end::{End, Ends};
use keepalive_lab_theory::{Ground, Prediction, predict};
use tcp_timers::Kernel;

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

/// What the theory makes of a measurement; an error if they do not agree.
fn judge(row: &Measured, prediction: &Prediction) -> Result<String, String> {
    let happened = format!("{} {} {:?}", row.outcome, row.errno, row.seconds);
    match (prediction, row.outcome, row.seconds) {
        (Prediction::Unpredicted { because }, ..) => Ok(format!("unpredicted: {because}")),
        (Prediction::Alive { .. }, "alive", _)
        | (Prediction::Closed { .. }, "closed", _)
        | (Prediction::Unconnected { .. }, "unconnected", _) => Ok(row.outcome.to_owned()),
        (Prediction::Error { after, errno, .. }, "error", Some(seconds)) => {
            if errno.name() == row.errno && seconds.iter().all(|at| after.contains(*at)) {
                Ok(format!("{errno}"))
            } else {
                Err(format!("predicted {errno} {:?}-{:?}, happened {happened}", after.min, after.max))
            }
        }
        (other, ..) => Err(format!("predicted {other:?}, happened {happened}")),
    }
}

#[test]
fn every_measured_end_is_as_predicted_or_unpredicted() {
    let experiments = experiments();
    let mut wrong = String::new();
    let mut unpredicted = BTreeMap::new();
    let (mut judged, mut predicted) = (0, 0);
    let rows = measured();
    let mut predictions: BTreeMap<(&str, String), Ends<Prediction>> = BTreeMap::new();
    for row in &rows {
        let key = (row.scenario, row.kernel.version.to_string());
        let both = predictions.entry(key).or_insert_with(|| {
            let ground = Ground { kernel: row.kernel, sysctls: BTreeMap::new() };
            predict(&experiments[row.scenario], &ground)
        });
        judged += 1;
        match judge(row, both.get(row.endpoint)) {
            Ok(verdict) if verdict.starts_with("unpredicted") => {
                unpredicted
                    .entry((row.scenario, row.endpoint, verdict))
                    .or_insert_with(Vec::new)
                    .push(row.kernel.version.to_string());
            }
            Ok(_) => predicted += 1,
            Err(error) => {
                writeln!(wrong, "{} {} {}: {error}", row.scenario, row.endpoint, row.kernel.version).unwrap();
            }
        }
    }
    for ((scenario, end, verdict), kernels) in &unpredicted {
        println!("{scenario} {end} {} {verdict}", kernels.join(","));
    }
    println!("{judged} judged, {predicted} predicted");
    assert!(wrong.is_empty(), "\n{wrong}");
}
