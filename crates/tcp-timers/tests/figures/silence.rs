//! Keepalive on a connection that fell silent.

use std::time::Duration;

use tcp_timers::{Answer, Errno, Loss, Silence, Timer, keepalive};

use crate::{End, assert_window, modern};

const SILENT: Silence = Silence::new(Duration::ZERO, Loss::Path);

#[test]
fn keepalive_on_6_18_dies_when_it_was_seen_to() {
    let cells: [([u32; 3], &str, &[f64]); 4] = [
        ([2, 1, 3], "5.07-5.10 s", &[5.08, 5.10]),
        ([2, 5, 9], "48.0-48.2 s", &[48.10]),
        ([2, 75, 9], "683.2-685.3 s", &[683.53]),
        ([60, 75, 9], "742.0-744.0 s", &[742.93]),
    ];
    for (options, shown, measured) in cells {
        let death = modern().keepalive(options).death(|socket| keepalive(socket, &SILENT));
        assert_window(&death, shown, measured);
        assert_eq!((death.errno, death.timer, death.tells_peer), (Errno::Etimedout, Timer::Keepalive, true));
        assert_eq!(death.attempts.len(), options[2] as usize);
    }
}

#[test]
fn the_sum_of_keepalive_is_spelled_out_term_by_term() {
    let death = modern().keepalive([2, 75, 2]).death(|socket| keepalive(socket, &SILENT));
    let terms: Vec<_> = death.terms.iter().map(|term| format!("{}: {}", term.what, term.elapsed)).collect();
    assert_eq!(
        terms,
        [
            "idle 2 s: 2.00-2.03 s",
            "probe 1 of 2: interval 75 s: 77.0-79.1 s",
            "probe 2 of 2: interval 75 s: 152.8-154.8 s"
        ]
    );
    let nominal: Duration = death.terms.iter().map(|term| term.nominal).sum();
    assert_eq!(nominal, Duration::from_secs(152));
    assert_eq!(death.terms.last().map(|term| term.elapsed), Some(death.at));
}

#[test]
fn a_timer_armed_while_the_stream_ran_goes_on_from_another_phase() {
    let end = modern().keepalive([60, 75, 9]);
    for (streamed, shown) in [(20, "742.0-744.0 s"), (5, "741.2-743.3 s")] {
        let stream = Some(Duration::from_millis(500));
        let silence = Silence { stream, ..Silence::new(Duration::from_secs(streamed), Loss::Path) };
        assert_window(&end.death(|socket| keepalive(socket, &silence)), shown, &[]);
    }
}

#[test]
fn probes_that_are_still_answered_put_the_end_off() {
    // Measured on 6.12 and 5.10, 16 phases: the link goes down 5 s after the last data.
    let silence = Silence { answered_for: Duration::from_secs(5), ..SILENT };
    let death = modern().keepalive([2, 1, 3]).death(|socket| keepalive(socket, &silence));
    assert_window(&death, "9.10-9.14 s", &[9.1067, 9.1346]);
    assert_eq!(death.attempts.len(), 3, "only the unanswered ones");
}

#[test]
fn user_timeout_replaces_the_count_in_both_directions() {
    let five = modern().keepalive([2, 75, 9]).user_timeout(Duration::from_secs(5));
    let death = five.death(|socket| keepalive(socket, &SILENT));
    assert_window(&death, "77.0-79.1 s", &[77.34]);
    assert_eq!(death.attempts.len(), 1);
    let long = modern().keepalive([2, 1, 3]).user_timeout(Duration::from_secs(30));
    let death = long.death(|socket| keepalive(socket, &SILENT));
    assert!(death.at.min >= Duration::from_secs(30) && death.attempts.len() > 20, "{death:?}");
}

#[test]
fn the_origin_of_2015_had_an_idle_time_of_60_s_and_not_of_2_s() {
    let observed = Duration::from_secs_f64(737.24);
    for streamed in [0, 20] {
        let silence = Silence {
            stream: Some(Duration::from_millis(500)),
            ..Silence::new(Duration::from_secs(streamed), Loss::Path)
        };
        let window = |idle| {
            End::of("3.13.0-24-generic", 250)
                .keepalive([idle, 75, 9])
                .death(|socket| keepalive(socket, &silence))
                .at
        };
        assert!(window(60).contains(observed), "{}", window(60));
        assert!(!window(2).contains(observed), "{}", window(2));
    }
}

#[test]
fn keepalive_needs_to_be_on_and_its_probes_to_be_counted() {
    let off = modern().ask(|socket| keepalive(socket, &SILENT));
    let congested = Silence::new(Duration::ZERO, Loss::Congested);
    let uncounted = modern().keepalive([2, 1, 3]).ask(|socket| keepalive(socket, &congested));
    for answer in [off, uncounted] {
        assert!(matches!(answer, Answer::LivesForEver { .. }), "{answer:?}");
    }
}
