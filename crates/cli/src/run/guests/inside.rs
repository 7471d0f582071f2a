//! The inside of a guest: this program as the first process of another kernel.

use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_experiment::lab::{Event, Lab, Next};
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_vm::guest::{self, Channel};

use super::job::{Job, Message};
use crate::run::circumstances::Ground;
use crate::run::refusal::Refusal;

/// From one sign of life to the next, in the guest's time.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// Does the job if this process is the first of a guest; else returns at once.
pub(crate) fn run_if_inside() {
    if guest::is_init() {
        guest::run_as_init(|job, channel| match serde_json::from_slice(&job) {
            Ok(job) => Inside(channel).work(job),
            Err(error) => eprintln!("keepalive-lab: the job could not be read: {error}"),
        });
    }
}

struct Inside(Channel);

impl Inside {
    fn work(&self, job: Job) {
        self.give_signs_of_life();
        let lab = match Lab::open(&job.ports) {
            Ok(lab) => lab,
            Err(error) => return self.tell(&Message::Lacking { reason: error.to_string() }),
        };
        self.tell(&Message::Ready(Ground::of(&lab)));
        let able: Vec<bool> =
            (0..).zip(&job.scenarios).map(|(number, cells)| self.rehearse(&lab, number, cells)).collect();
        for (scenario, cells) in job.scenarios.into_iter().enumerate().filter(|(number, _)| able[*number]) {
            self.tell(&Message::ScenarioStarted { scenario });
            match lab.run(cells, job.at_once) {
                Ok(run) => loop {
                    match run.next_within(Duration::MAX) {
                        Next::Event(event) => self.pass_on(event),
                        Next::Nothing => {}
                        Next::Over => break,
                    }
                },
                Err(error) => return self.tell(&Message::Lacking { reason: error.to_string() }),
            }
            self.tell(&Message::ScenarioEnded);
        }
        self.tell(&Message::Done);
    }

    /// Whether the kernel bears all cells of a scenario.
    fn rehearse(&self, lab: &Lab, scenario: usize, cells: &[Cell]) -> bool {
        match lab.rehearse(cells) {
            Ok(()) => true,
            Err((cell, error)) => {
                self.tell(&Message::Refused { scenario, cell, refusal: Refusal::of(&error) });
                false
            }
        }
    }

    fn pass_on(&self, event: Event) {
        self.tell(&match event {
            Event::Started { cell, .. } => Message::CellStarted { cell },
            Event::Recorded { cell, record } => Message::Recorded { cell, record },
            Event::Ended { cell, outcome } => Message::CellEnded { cell, outcome },
            Event::Failed { cell, error } => Message::CellFailed { cell, refusal: Refusal::of_cell(&error) },
        });
    }

    /// Tells the host that this kernel still runs, and what time it is here.
    fn give_signs_of_life(&self) {
        let channel = self.0.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(SIGN_OF_LIFE);
                if channel.send(&Message::Alive { at: Monotonic::now() }).is_err() {
                    return;
                }
            }
        });
    }

    fn tell(&self, message: &Message) {
        if let Err(error) = self.0.send(message) {
            // Without the channel there is only the console.
            eprintln!("keepalive-lab: the host cannot be told: {error}");
        }
    }
}
