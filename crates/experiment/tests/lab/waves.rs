//! Several cells at once.

use std::time::{Duration, Instant};

use keepalive_lab_clock::ticks_per_second;
use keepalive_lab_endpoint::EndpointEventKind;
use keepalive_lab_experiment::lab::{Event, Next};
use keepalive_lab_experiment::outcome::{CellOutcome, EndOutcome};
use keepalive_lab_experiment::record::{LabEvent, Record};
use keepalive_lab_scenario::Options;
use keepalive_lab_scenario::cell::Cell;
use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::expect::Outcome;
use tcp_timers::wheel::granularity;

use crate::{Needs, PORT, Test, cells, open_lab, outcomes, run};

pub(crate) const TESTS: &[Test] = &[
    ("twenty_cells_at_once_each_come_to_what_they_come_to_alone", Needs::Nothing, twenty_at_once),
    ("cells_at_once_take_as_much_into_their_send_buffers_as_one_alone", Needs::Nothing, send_buffers),
    ("all_worlds_of_a_wave_stand_before_its_first_cell_begins", Needs::Nothing, waves_in_order),
    ("a_cell_that_cannot_be_built_fails_and_the_others_go_on", Needs::Nothing, one_fails),
    ("an_interrupt_ends_all_cells_that_run", Needs::Nothing, interrupted),
];

/// Dies by keepalive after `1 + count` seconds, if the server's rule strikes in time.
fn keepalive(count: u32, strikes: &str) -> Cell {
    let text = format!(
        "[client]\nkeepalive = {{ idle = \"1s\", interval = \"1s\", count = {count} }}\n\
         [[fault]]\nat = \"{strikes}\"\non = \"server\"\niptables = \"-A INPUT -p tcp --dport {PORT} -j DROP\"\n\
         [stop]\nwhen = \"client-closed\"\nlimit = \"3500ms\"\n"
    );
    cells(&text, &Options::default()).remove(0)
}

/// Ends in order, soon.
fn short() -> Cell {
    cells("[client]\nclose_at = \"50ms\"\n[stop]\nlimit = \"5s\"\n", &Options::default()).remove(0)
}

/// All but the times and addresses.
fn happened(outcome: &CellOutcome) -> impl PartialEq + std::fmt::Debug {
    let end = |outcome: &EndOutcome| {
        let summary = &outcome.summary;
        (
            (summary.outcome, summary.error.as_ref().map(|error| (error.errno.clone(), error.syscall))),
            (summary.armed_timer(), summary.keepalive, summary.bytes_sent, summary.bytes_received),
            (outcome.keepalive_probes, outcome.retransmits, outcome.tcp_retries2),
            outcome.kernel_error.is_some(),
        )
    };
    (end(&outcome.ends.client), end(&outcome.ends.server), outcome.because)
}

/// From `connect()` to the client's error.
fn client_died_after(outcome: &CellOutcome) -> Option<Duration> {
    let summary = &outcome.ends.client.summary;
    Some(summary.error.as_ref()?.at - summary.connect_called?)
}

fn twenty_at_once() {
    let lab = open_lab();
    let kinds = [keepalive(1, "300ms"), keepalive(2, "300ms"), keepalive(1, "3400ms")];
    let alone = outcomes(run(&lab, kinds.to_vec(), 1));
    let died = |kind: usize| alone[kind].ends.client.summary.outcome == Outcome::Error;
    assert_eq!([died(0), died(1), died(2)], [true, true, false]);

    let many: Vec<Cell> = kinds.iter().cycle().take(20).cloned().collect();
    let begun = Instant::now();
    let together = outcomes(run(&lab, many, 20));
    let took = begun.elapsed();
    assert_eq!(together.len(), 20);
    let hz = ticks_per_second().expect("every kernel has a tick");
    // A chain of timers is as uncertain as one; the rest is the machine's load.
    let tolerance = granularity(hz, Duration::from_secs(1)) + Duration::from_millis(30);
    for (number, outcome) in together.iter().enumerate() {
        let alone = &alone[number % kinds.len()];
        assert_eq!(happened(outcome), happened(alone), "cell {number}");
        let times = [outcome, alone].map(client_died_after);
        if let [Some(one), Some(other)] = times {
            assert!(one.abs_diff(other) < tolerance, "cell {number} died after {one:?}, alone {other:?}");
        }
        let json = serde_json::to_string(outcome).expect("plain values serialise");
        assert_eq!(&serde_json::from_str::<CellOutcome>(&json).expect("it reads back"), outcome);
    }
    // The longest lives 3.5 s; one after another they would take a minute.
    assert!(took < Duration::from_millis(5500), "{took:?}");
}

/// The kernel lays what a thread writes into pages of that thread (`sk_page_frag()` in `include/net/sock.h`):
/// small writes to one socket lie side by side and become one segment, those to several by turns do not,
/// and fill the buffers with fragments.
fn send_buffers() {
    let text = format!(
        "[server]\nsend = {{ every = \"1ms\", bytes = 13 }}\n\
         [[fault]]\nat = \"50ms\"\non = \"server\"\niptables = \"-A OUTPUT -p tcp --sport {PORT} -j DROP\"\n\
         [stop]\nwhen = \"limit\"\nlimit = \"3s\"\n"
    );
    let cell = cells(&text, &Options::default()).remove(0);
    let lab = open_lab();
    let full = |cells: usize| {
        let events = run(&lab, vec![cell.clone(); cells], cells);
        let is_full = |event: &&Event| {
            matches!(event, Event::Recorded { record: Record::Application(event), .. }
                if matches!(event.what, EndpointEventKind::BufferFull { .. }))
        };
        events.iter().filter(is_full).count()
    };
    assert_eq!((full(1), full(4)), (0, 0), "buffers that were full");
}

fn waves_in_order() {
    let events = run(&open_lab(), vec![short(); 5], 2);
    // `s`: its world is begun, `n`: it stands, `c`: it connects, `e`: it ended.
    let told = |cell: usize| {
        let letter = |event: &Event| match event {
            Event::Started { cell: of, .. } if *of == cell => Some('s'),
            Event::Ended { cell: of, .. } if *of == cell => Some('e'),
            Event::Recorded { cell: of, record: Record::Lab(record) } if *of == cell => {
                matches!(record.what, LabEvent::NetworkReady { .. }).then_some('n')
            }
            Event::Recorded { cell: of, record: Record::Application(event) } if *of == cell => {
                (event.end == End::Client && event.what.end_event().is_some()).then_some('c')
            }
            _ => None,
        };
        events.iter().filter_map(letter).take(3).chain(['e']).collect::<String>()
    };
    assert_eq!((0..5).map(told).collect::<Vec<_>>(), ["snce"; 5]);
    let place = |is: &dyn Fn(&Event) -> bool| events.iter().position(is).expect("it was told");
    let last = |is: &dyn Fn(&Event) -> bool| events.iter().rposition(is).expect("it was told");
    for wave in [[0, 1], [2, 3], [4, 4]] {
        let [first, second] = wave;
        let stands = last(&|event| {
            matches!(event, Event::Recorded { cell, record: Record::Lab(record) }
                if *cell == second && matches!(record.what, LabEvent::NetworkReady { .. }))
        });
        let lives = place(
            &|event| matches!(event, Event::Recorded { cell, record: Record::Application(_) } if *cell == first),
        );
        assert!(stands < lives, "cell {first} lives before the world of {second} stands");
        let ended = last(&|event| matches!(event, Event::Ended { cell, .. } if *cell <= second));
        if second < 4 {
            let next = place(&|event| matches!(event, Event::Started { cell, .. } if *cell == second + 1));
            assert!(ended < next, "cell {} is begun before its forerunners ended", second + 1);
        }
    }
}

fn one_fails() {
    let mut impossible = short();
    impossible.experiment.sysctls.server.insert("net.ipv4.tcp_retries2".into(), "many".into());
    let events = run(&open_lab(), vec![short(), impossible, short()], 3);
    let failed: Vec<usize> = events
        .iter()
        .filter_map(|event| match event {
            Event::Failed { cell, error } => {
                assert!(error.to_string().contains("tcp_retries2"), "{error}");
                Some(*cell)
            }
            _ => None,
        })
        .collect();
    assert_eq!(failed, [1]);
    let ended = events.iter().filter(|event| matches!(event, Event::Ended { .. })).count();
    assert_eq!(ended, 2);
}

fn interrupted() {
    let lab = open_lab();
    let at_once = std::num::NonZeroUsize::new(3).expect("not zero");
    let cells = vec![keepalive(1, "3400ms"), keepalive(1, "3400ms"), keepalive(1, "3400ms"), short()];
    let run = lab.run(cells, at_once).expect("a thread can be started");
    let mut connected = 0;
    while connected < 3 {
        match run.next_within(Duration::from_secs(5)) {
            Next::Event(Event::Recorded { record: Record::Application(event), .. }) => {
                let is_up = event.what.end_event().is_some() && event.end == End::Client;
                connected += usize::from(is_up);
            }
            Next::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
    lab.interrupt_handle().interrupt();
    let begun = Instant::now();
    loop {
        match run.next_within(Duration::from_secs(5)) {
            Next::Event(Event::Ended { .. } | Event::Started { .. }) => {
                panic!("an interrupt starts and ends none")
            }
            Next::Event(_) => {}
            Next::Nothing => panic!("the run goes on"),
            Next::Over => break,
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}
