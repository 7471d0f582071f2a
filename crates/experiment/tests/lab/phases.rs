//! Cells begin at their phase of the kernel's timer wheel, and the wheel rounds their timers accordingly.

use std::time::Duration;

use keepalive_lab_clock::{Monotonic, ticks_per_second};
use keepalive_lab_experiment::lab::Event;
use keepalive_lab_experiment::outcome::CellOutcome;
use keepalive_lab_experiment::phase::{offset, period};
use keepalive_lab_experiment::record::{KernelFact, Record};
use keepalive_lab_scenario::Options;
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::end::End;
use tcp_timers::wheel::expiry;

use crate::{Needs, PORT, Test, cells, open_lab, outcomes, run};

pub(crate) const TESTS: &[Test] = &[
    ("cells_begin_where_the_kernels_own_list_says_that_their_phase_is", Needs::TimerList, begin_in_phase),
    ("the_kernels_timers_fire_where_the_wheel_and_the_phase_say", Needs::Tracepoints, fire_in_phase),
    ("without_a_phase_a_cell_begins_at_once", Needs::Nothing, no_phase),
];

/// The text of a cell that lives for a second and a half at most.
const SOON_OVER: &str = "[client]\nclose_at = \"20ms\"\n[stop]\nlimit = \"1500ms\"\n";

fn with_phases(text: &str, phases: u32) -> Vec<Cell> {
    cells(text, &Options { phases: Some(phases), ..Options::default() })
}

/// A tick of which the kernel's list tells the number.
struct Tick {
    began: u64,
    number: u64,
    length: u64,
}

impl Tick {
    /// Read anew from `/proc/timer_list`, with nothing of the code under test.
    fn read() -> Self {
        let length = 1_000_000_000 / u64::from(ticks_per_second().expect("a tick"));
        for _ in 0..100 {
            let list = std::fs::read_to_string("/proc/timer_list").expect("main() made sure of it");
            let after = Monotonic::now().as_nanos();
            let number = |before: &str| {
                let rest = list.split(before).nth(1).expect("the list has it");
                let digits = rest.split(|c: char| !c.is_ascii_digit()).next().expect("one piece at least");
                digits.parse::<u64>().expect("a number")
            };
            let expires = {
                let ticks = list.split(", tick_").nth(1).expect("the tick is a timer among the others");
                let rest = ticks.split("expires at ").nth(1).expect("it is due some time");
                rest.split('-').next().and_then(|digits| digits.parse::<u64>().ok()).expect("a number")
            };
            let began = |at: u64| at - (at % length + length - expires % length) % length;
            let now = number("now at ");
            // Within one tick, and not at its beginning: no doubt about its number.
            if began(now) == began(after) && now - began(now) > length / 8 {
                return Self { began: began(now), number: number("\njiffies: "), length };
            }
            std::thread::sleep(Duration::from_nanos(length / 3));
        }
        panic!("every reading of the kernel's list took longer than a tick")
    }

    /// The number of the tick in which a moment falls, and the nanoseconds since it began.
    fn of(&self, at: Monotonic) -> (u64, u64) {
        // Long before: the difference is positive.
        let ahead = 1 << 32;
        let since = at.as_nanos() + ahead * self.length - self.began;
        (self.number + since / self.length - ahead, since % self.length)
    }

    fn began(&self, number: u64) -> Monotonic {
        Monotonic::from_nanos(self.began + number * self.length - self.number * self.length)
    }
}

/// When the client called `connect()`.
fn connect_called(outcome: &CellOutcome) -> Monotonic {
    outcome.ends.client.summary.connect_called.expect("it connected")
}

fn begin_in_phase() {
    let tick = Tick::read();
    let lab = open_lab();
    let cells = with_phases(SOON_OVER, 4);
    let mut least_late = [u64::MAX; 4];
    // A busy machine makes one late now and then; being always late is a mistake, and so is being early.
    for _ in 0..10 {
        for (number, outcome) in outcomes(run(&lab, cells.clone(), 4)).iter().enumerate() {
            least_late[number] = least_late[number].min(lateness(&tick, &cells[number], outcome));
        }
        if least_late.iter().all(|late| *late < 2_000_000) {
            return;
        }
    }
    panic!("each began so many nanoseconds after its offset, at best: {least_late:?}");
}

/// From the moment of the phase to the client's `connect()`, in nanoseconds; one that was early is late by
/// most of the period.
fn lateness(tick: &Tick, cell: &Cell, outcome: &CellOutcome) -> u64 {
    let hz = ticks_per_second().expect("a tick");
    let period = period(cell, hz);
    let expected = offset(cell.phase.expect("it has one"), period);
    assert_eq!(outcome.phase, Some(expected));
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).expect("a short one");
    let (number, inside) = tick.of(connect_called(outcome));
    let position = (number % (nanos(period) / tick.length)) * tick.length + inside;
    (position + nanos(period) - nanos(expected)) % nanos(period)
}

/// Keepalive of 1 s + 1 s: steps of 32 ms with HZ=250. The kernel arms the first timer as the client is
/// connected, and the second as the first fires.
fn fire_in_phase() {
    let lab = open_lab();
    let tick = Tick::read();
    let text = format!(
        "[client]\nkeepalive = {{ idle = \"1s\", interval = \"1s\", count = 1 }}\n\
         [[fault]]\nat = \"300ms\"\non = \"server\"\niptables = \"-A INPUT -p tcp --dport {PORT} -j DROP\"\n\
         [stop]\nwhen = \"client-closed\"\nlimit = \"10s\"\n"
    );
    let events = run(&lab, with_phases(&text, 8), 8);
    let connected = connected(&events);
    let second = 1_000_000_000 / tick.length;
    let mut lateness = Vec::new();
    for (number, outcome) in outcomes(events).iter().enumerate() {
        let (armed, _) = tick.of(connected[number]);
        let fires = expiry(expiry(armed, second), second);
        let died = outcome.ends.client.kernel_error.expect("the tracepoints were read");
        let expected = tick.began(fires);
        let off = died.seconds_from(expected);
        // Half of the wheel's step at this length: another phase would be told from this one.
        assert!((-0.001..0.016).contains(&off), "cell {number} died {off} s after tick {fires}");
        lateness.push(fires - armed - 2 * second);
    }
    lateness.sort_unstable();
    lateness.dedup();
    assert!(lateness.len() >= 4, "eight phases of a step of 8 ticks: {lateness:?} ticks late");
}

/// When the kernel had each cell's client connected.
fn connected(events: &[Event]) -> Vec<Monotonic> {
    let mut at: Vec<(usize, Monotonic)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Recorded { cell, record: Record::Kernel(record) } if record.end == End::Client => {
                let is_up =
                    matches!(&record.what, KernelFact::StateChanged { to, .. } if to == "ESTABLISHED");
                is_up.then_some((*cell, record.at))
            }
            _ => None,
        })
        .collect();
    at.sort_unstable();
    at.into_iter().map(|(_, at)| at).collect()
}

fn no_phase() {
    let lab = open_lab();
    let plain = cells(SOON_OVER, &Options::default());
    let outcome = outcomes(run(&lab, plain, 1)).remove(0);
    assert_eq!(outcome.phase, None);
    assert!(connect_called(&outcome) - outcome.started < Duration::from_millis(50));
}
