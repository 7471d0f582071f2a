//! The theory, which follows all phases at once, against a second implementation that follows a single one.
//!
//! What the second says (`simulation.rs`) must lie in the theory's windows for any start; and over all starts it
//! must come to both ends of them.

mod simulation;

use std::time::Duration;

use proptest::prelude::*;
use tcp_timers::{
    Answer, Death, Flight, Keepalive, Kernel, KernelVersion, Loss, Options, ShutWindow, Silence, Socket,
    SynMeets, Sysctls, Window, connecting, data_in_flight, data_refused, keepalive, zero_window,
};

use simulation::{
    Life, MILLISECOND, Machine, ORIGIN, Quiet, SECOND, Sending, connect_life, flight_life, persist_life,
    quiet_life,
};

/// The theory's answer for a machine.
fn ask(
    machine: Machine,
    options: &Options,
    sysctls: &Sysctls,
    round_trip: u64,
    question: impl FnOnce(&Socket) -> Answer,
) -> Death {
    let version = if machine.slack { KernelVersion::new(3, 13) } else { KernelVersion::new(6, 12) };
    let kernel = Kernel { version, hz: u32::try_from(machine.hz).unwrap() };
    let round_trip = Duration::from_nanos(round_trip);
    match question(&Socket { kernel, options, sysctls, round_trip }) {
        Answer::Dies(death) => death,
        other => panic!("{other:?}"),
    }
}

fn quiet_death(quiet: Quiet) -> Death {
    let options = Options {
        keepalive: Some(Keepalive {
            idle: Duration::from_nanos(quiet.idle),
            interval: Duration::from_nanos(quiet.interval),
            count: u32::try_from(quiet.count).unwrap(),
        }),
        user_timeout: quiet.user_timeout.map(Duration::from_nanos),
        ..Options::default()
    };
    let silence = Silence {
        armed_before: Window::exactly(Duration::from_nanos(quiet.armed_before)),
        stream: quiet.stream.map(Duration::from_nanos),
        answered_for: Duration::from_nanos(quiet.answered_for),
        loss: Loss::Path,
    };
    ask(quiet.machine, &options, &Sysctls::default(), 0, |socket| keepalive(socket, &silence))
}

fn sending_death(sending: Sending, question: impl FnOnce(&Socket) -> Answer) -> Death {
    let options =
        Options { user_timeout: sending.user_timeout.map(Duration::from_millis), ..Options::default() };
    let sysctls = Sysctls {
        retries2: u32::try_from(sending.retries).unwrap(),
        loss_probe: sending.loss_probe,
        ..Sysctls::default()
    };
    ask(sending.machine, &options, &sysctls, sending.round_trip, question)
}

fn flight_of(sending: Sending) -> Flight {
    Flight { segments: sending.segments, ..Flight::new(Loss::Path) }
}

/// Everything that a single phase does lies in the windows.
fn holds(death: &Death, life: &Life) -> Result<(), TestCaseError> {
    let within = |window: Window, at: u64| window.contains(Duration::from_nanos(at));
    prop_assert!(within(death.at, life.death), "{} ns is outside {:?}", life.death, death.at);
    prop_assert!(life.attempts.len() <= death.attempts.len());
    for (attempt, &at) in death.attempts.iter().zip(&life.attempts) {
        prop_assert!(within(attempt.at, at), "{at} ns is outside {:?}", attempt.at);
    }
    let windows = death.attempts.iter().map(|attempt| attempt.at);
    prop_assert!(windows.clone().chain([death.at]).all(|window| window.min <= window.max));
    // An attempt that is made in some phases only may have the narrower window.
    prop_assert!(windows.clone().zip(windows.skip(1)).all(|(one, next)| one.min < next.min));
    Ok(())
}

/// All starts, at both ends of each millisecond and tick of the period: do they come to both ends of the window,
/// and not beyond?
fn fills(machine: Machine, period: u64, window: Window, life: impl Fn(u64) -> Life) {
    let tick = machine.tick();
    let step = tick.min(MILLISECOND);
    let first = ORIGIN * tick;
    let starts = (first..first + period * tick).step_by(usize::try_from(step).unwrap());
    let deaths = starts.flat_map(|start| [start, start + step - 1]).map(|start| life(start).death);
    let (min, max) = deaths.fold((u64::MAX, 0), |(min, max), death| (min.min(death), max.max(death)));
    // The theory's unit is a billionth of a tick; a window ends where the first nanosecond no longer belongs to it.
    let near =
        |bound: Duration, death| bound.abs_diff(Duration::from_nanos(death)) <= Duration::from_nanos(1);
    assert!(near(window.min, min) && near(window.max, max), "{window:?}, but {min}..{max} ns");
}

fn machine() -> impl Strategy<Value = Machine> {
    (prop_oneof![Just(100), Just(250), Just(1000)], prop::bool::weighted(0.2))
        .prop_map(|(hz, slack)| Machine { hz, slack })
}

fn wheel() -> impl Strategy<Value = Machine> {
    machine().prop_map(|machine| Machine { slack: false, ..machine })
}

fn seconds(range: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = u64> {
    range.prop_map(|seconds| seconds * SECOND)
}

fn quiet() -> impl Strategy<Value = Quiet> {
    let options = (
        machine(),
        seconds(1..=300),
        seconds(1..=100),
        1_usize..12,
        prop::option::weighted(0.3, seconds(1..=400)),
    );
    let history = (
        0..200 * SECOND,
        prop::option::of(50 * MILLISECOND..5 * SECOND),
        prop_oneof![Just(0), 0..100 * SECOND],
    );
    (options, history).prop_map(
        |((machine, idle, interval, count, user_timeout), (armed_before, stream, answered_for))| Quiet {
            machine,
            idle,
            interval,
            count,
            user_timeout,
            armed_before,
            stream,
            answered_for,
        },
    )
}

fn sending() -> impl Strategy<Value = Sending> {
    (
        wheel(),
        0..16_u64,
        prop::option::weighted(0.3, 1..400_000_u64),
        1_000..150 * MILLISECOND,
        any::<bool>(),
        1..4_u32,
    )
        .prop_map(|(machine, retries, user_timeout, round_trip, loss_probe, segments)| Sending {
            machine,
            retries,
            user_timeout,
            round_trip,
            loss_probe,
            segments,
        })
}

/// Any nanosecond of any phase.
fn start(machine: Machine) -> impl Strategy<Value = u64> {
    (0..ORIGIN, 0..machine.tick()).prop_map(move |(jiffy, part)| (ORIGIN + jiffy) * machine.tick() + part)
}

proptest! {
    #[test]
    fn keepalive_holds_every_phase((quiet, start) in quiet().prop_flat_map(|quiet| (Just(quiet), start(quiet.machine)))) {
        holds(&quiet_death(quiet), &quiet_life(quiet, start))?;
    }

    #[test]
    fn data_in_flight_holds_every_phase((sending, start) in sending().prop_flat_map(|one| (Just(one), start(one.machine)))) {
        let death = sending_death(sending, |socket| data_in_flight(socket, &flight_of(sending)));
        holds(&death, &flight_life(sending, start))?;
    }

    #[test]
    fn refused_data_holds_every_phase((sending, start) in sending().prop_flat_map(|one| (Just(one), start(one.machine)))) {
        let death = sending_death(sending, |socket| data_refused(socket, Loss::Refused));
        holds(&death, &persist_life(sending, 0, start))?;
    }

    #[test]
    fn a_shut_window_holds_every_phase(
        (sending, alive, start) in (sending(), 0..900 * SECOND)
            .prop_flat_map(|(one, alive)| (Just(one), Just(alive), start(one.machine))),
    ) {
        let dead = Some((Duration::from_nanos(alive), Loss::Path));
        let death = sending_death(sending, |socket| zero_window(socket, &ShutWindow { dead }));
        holds(&death, &persist_life(sending, alive, start))?;
    }

    #[test]
    fn connecting_holds_every_phase(
        (machine, start) in wheel().prop_flat_map(|machine| (Just(machine), start(machine))),
        count in 1..8_u32, linear in 0..6_u32, user_timeout in prop::option::weighted(0.5, 1..200_000_u64),
    ) {
        let options = Options {
            syn_count: Some(count),
            user_timeout: user_timeout.map(Duration::from_millis),
            ..Options::default()
        };
        let sysctls = Sysctls { syn_linear_timeouts: linear, ..Sysctls::default() };
        let nothing = SynMeets::Nothing(Loss::Path);
        let death = ask(machine, &options, &sysctls, 0, |socket| connecting(socket, nothing));
        holds(&death, &connect_life(machine, count.into(), linear.into(), user_timeout, start))?;
    }

    #[test]
    fn one_more_probe_is_never_earlier(quiet in quiet()) {
        let [few, more] = [quiet.count, quiet.count + 1].map(|count| quiet_death(Quiet { count, ..quiet }).at);
        prop_assert!(few.min <= more.min && few.max <= more.max);
    }
}

#[test]
fn the_windows_are_as_narrow_as_they_can_be() {
    let machine = Machine { hz: 250, slack: false };
    let quiet = Quiet {
        machine,
        idle: 60 * SECOND,
        interval: 75 * SECOND,
        count: 9,
        user_timeout: None,
        armed_before: 20 * SECOND,
        stream: Some(SECOND / 2),
        answered_for: 0,
    };
    let variants = [
        quiet,
        Quiet { armed_before: 5 * SECOND + 1_234_567, ..quiet },
        Quiet {
            idle: 2 * SECOND,
            interval: SECOND,
            count: 3,
            answered_for: 33 * SECOND,
            stream: None,
            ..quiet
        },
        Quiet { user_timeout: Some(100 * SECOND), interval: 7 * SECOND, ..quiet },
        Quiet { machine: Machine { slack: true, ..machine }, ..quiet },
        Quiet { machine: Machine { hz: 1000, slack: false }, ..quiet },
    ];
    for quiet in variants {
        fills(quiet.machine, 4096, quiet_death(quiet).at, |start| quiet_life(quiet, start));
    }
    let sending = Sending {
        machine,
        retries: 5,
        user_timeout: None,
        round_trip: 100_000,
        loss_probe: true,
        segments: 1,
    };
    let variants = [
        sending,
        Sending { retries: 15, ..sending },
        Sending { user_timeout: Some(12_345), ..sending },
        Sending { loss_probe: false, machine: Machine { hz: 1000, slack: false }, ..sending },
    ];
    for sending in variants {
        let death = sending_death(sending, |socket| data_in_flight(socket, &flight_of(sending)));
        fills(sending.machine, 4096, death.at, |start| flight_life(sending, start));
        let death = sending_death(sending, |socket| data_refused(socket, Loss::Refused));
        fills(sending.machine, 4096, death.at, |start| persist_life(sending, 0, start));
    }
    for user_timeout in [None, Some(5000), Some(2345)] {
        let options = Options { user_timeout: user_timeout.map(Duration::from_millis), ..Options::default() };
        let nothing = SynMeets::Nothing(Loss::Path);
        let death = ask(machine, &options, &Sysctls::default(), 0, |socket| connecting(socket, nothing));
        fills(machine, 512, death.at, |start| connect_life(machine, 6, 4, user_timeout, start));
    }
}
