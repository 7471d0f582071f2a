use keepalive_lab_scenario::expect::Outcome;
use proptest::prelude::*;

use super::super::tests::death;
use super::*;

fn alone(record: &Record) -> Bounds {
    bounds(&[record], &[record])
}

fn near(seconds: f64, expected: f64) -> bool {
    (seconds - expected).abs() < 1e-6
}

fn keepalive(hz: u32, idle: u32, interval: u32, count: u32) -> Record {
    let mut record = death("keepalive", 1.0);
    record.hz = Some(hz);
    record.settings.keepidle_s = Some(idle);
    record.settings.keepintvl_s = Some(interval);
    record.settings.keepcnt = Some(count);
    record
}

#[test]
fn one_tick_rate_one_granularity_however_long_the_chain() {
    for (idle, interval) in [(60, 75), (2, 75), (75, 2)] {
        let bounds = alone(&keepalive(250, idle, interval, 9));
        assert!(near(bounds.limit_s, 2.048 + 0.004 + SCHEDULING_S), "{idle} {interval}: {bounds:?}");
        assert_eq!(bounds.doubt, None);
        assert_eq!(bounds.period_s, Some(2.048));
    }
    assert!(near(alone(&keepalive(250, 7200, 75, 9)).limit_s, 131.072 + 0.004 + SCHEDULING_S));
}

#[test]
fn with_different_tick_rates_every_step_rounds_another_way() {
    let (a, b) = (keepalive(250, 60, 75, 9), keepalive(1000, 60, 75, 9));
    let bounds = bounds(&[&a], &[&b]);
    // HZ=1000: ten steps of 60 to 75 s, 4.096 s each; HZ=250 has 2.048 s and the longer tick.
    assert!(near(bounds.limit_s, 10.0 * 4.096 + 0.004 + SCHEDULING_S), "{bounds:?}");
    assert_eq!(bounds.period_s, None);
    // In truth the chain takes 742.0-744.0 s at HZ=250 and 760.5-764.5 s at HZ=1000.
    assert!(bounds.limit_s > 764.5 - 742.0);
}

#[test]
fn a_user_timeout_takes_the_place_of_the_count() {
    let (mut a, mut b) = (keepalive(100, 10, 5, 9), keepalive(1000, 10, 5, 9));
    for record in [&mut a, &mut b] {
        record.settings.user_timeout_s = Some(21.0);
    }
    // idle 10 s, then 15, 20 and 25 s: 4 steps of 0.512 s at HZ=1000; at HZ=100 0.64 s and 3 of 0.08 s.
    assert!(near(bounds(&[&a], &[&b]).limit_s, 4.0 * 0.512 + 0.010 + SCHEDULING_S));
}

#[test]
fn a_retransmission_timer_is_no_longer_than_120_s() {
    let bounds = alone(&death("retransmission", 938.0));
    assert!(near(bounds.limit_s, 2.048 + 0.004 + SCHEDULING_S), "{bounds:?}");
    assert_eq!(bounds.doubt, Some(Doubt::FirstTimeout));
    // 10 doublings of 4 ms before the cap is reached: 1023 ticks.
    assert!(near(bounds.doubt_s, 1023.0 * 0.004), "{bounds:?}");
    let persist = alone(&death("persist-zero-window", 10.4));
    assert!(near(persist.limit_s, 0.256 + 0.004 + SCHEDULING_S), "{persist:?}");
}

#[test]
fn neither_a_syn_nor_a_user_timeout_depends_on_the_round_trip() {
    let mut syn = death("retransmission", 7.13);
    syn.syscall = Some("connect".into());
    assert_eq!(alone(&syn).doubt, None);
    let mut timeout = death("retransmission", 5.42);
    timeout.settings.user_timeout_s = Some(5.0);
    assert_eq!(alone(&timeout).doubt, None);
    assert!(near(alone(&timeout).limit_s, 0.256 + 0.004 + SCHEDULING_S));
}

#[test]
fn the_ladder_of_retransmissions_differs_between_tick_rates_by_less_than_the_bound() {
    // What the wheel's arithmetic gives for tcp_retries2 = 15 and a first timeout of 204 ms, over all phases:
    // 937.5-939.5 s at HZ=250, 959.4-964.5 s at HZ=100, 949.5-953.6 s at HZ=1000.
    let at = |hz: u32, seconds: f64| {
        let mut record = death("retransmission", seconds);
        record.hz = Some(hz);
        record
    };
    let limit = |a: &Record, b: &Record| bounds(&[a], &[b]).limit_s;
    assert!(limit(&at(250, 937.5), &at(100, 964.5)) > 964.5 - 937.5);
    assert!(limit(&at(250, 937.5), &at(1000, 953.6)) > 953.6 - 937.5);
    assert!(limit(&at(250, 937.5), &at(1000, 953.6)) < 60.0, "a bound that still says something");
}

#[test]
fn what_came_from_outside_has_a_rhythm() {
    let mut reset = death("retransmission", 7.0);
    reset.errno = Some("ECONNRESET".into());
    let bounds = alone(&reset);
    assert_eq!((bounds.doubt, bounds.doubt_s), (Some(Doubt::Rhythm), RHYTHM_S));
    assert!(near(bounds.limit_s, 0.256 + 0.004 + SCHEDULING_S));
}

#[test]
fn an_unknown_tick_rate_is_taken_as_the_coarsest() {
    let mut record = keepalive(250, 60, 75, 9);
    record.hz = None;
    assert!(near(alone(&record).limit_s, 5.12 + 0.01 + SCHEDULING_S));
}

#[test]
fn figures_out_of_all_bounds_do_no_harm() {
    for time in [-1.0, 0.0, 1e300] {
        for timer in ["keepalive", "retransmission", "none"] {
            let mut record = keepalive(1, u32::MAX, 0, u32::MAX);
            record.armed_timer = Some(timer.into());
            record.time_to_error_s = Some(time);
            record.settings.user_timeout_s = Some(time);
            assert!(alone(&record).limit_s.is_finite(), "{time} {timer}");
        }
    }
    assert_eq!(death("keepalive", 1.0).outcome, Outcome::Error);
}

/// Seconds that a chain of timers takes by the wheel's arithmetic, armed `start` ticks and a part of one after a tick.
fn chain_s(hz: u32, start: u64, part: f64, timers: impl Iterator<Item = u64>) -> f64 {
    let fired = timers.fold(start, wheel::expiry);
    let ticks = u32::try_from(fired - start).expect("a few hours");
    (f64::from(ticks) - part) / f64::from(hz)
}

const RATES: [u32; 4] = [100, 250, 300, 1000];

proptest! {
    #[test]
    fn no_phase_and_no_tick_rate_moves_keepalive_beyond_the_bounds(
        (idle, interval, count) in (1..8000_u32, 1..200_u32, 1..12_u32),
        sides in prop::array::uniform2((prop::sample::select(&RATES[..]), 0..1_u64 << 20, 0.0..1.0)),
    ) {
        let [a, b] = sides.map(|(hz, start, part)| {
            let ticks = |seconds: u32| u64::from(seconds) * u64::from(hz);
            let timers = std::iter::once(ticks(idle)).chain((0..count).map(|_| ticks(interval)));
            let mut record = keepalive(hz, idle, interval, count);
            record.time_to_error_s = Some(chain_s(hz, start, part, timers));
            record
        });
        let apart = (a.time_to_error_s.unwrap() - b.time_to_error_s.unwrap()).abs();
        let bounds = bounds(&[&a], &[&b]);
        prop_assert!(apart <= bounds.limit_s - SCHEDULING_S + 1e-9, "{apart} {bounds:?}");
    }

    #[test]
    fn no_phase_and_no_tick_rate_moves_retransmissions_beyond_the_bounds(
        (retransmissions, round_trip_ms) in (1..16_usize, 0..100_u32),
        sides in prop::array::uniform2((prop::sample::select(&RATES[..]), 0..1_u64 << 20, 0.0..1.0)),
    ) {
        let [a, b] = sides.map(|(hz, start, part)| {
            let first = u64::from((200 + round_trip_ms) * hz).div_ceil(1000);
            let timers = std::iter::successors(Some(first), |ticks| Some((ticks * 2).min(u64::from(hz) * 120)));
            let seconds = chain_s(hz, start, part, timers.take(retransmissions + 1));
            Record { hz: Some(hz), ..death("retransmission", seconds) }
        });
        let apart = (a.time_to_error_s.unwrap() - b.time_to_error_s.unwrap()).abs();
        let bounds = bounds(&[&a], &[&b]);
        prop_assert!(apart <= bounds.limit_s - SCHEDULING_S + 1e-9, "{apart} {bounds:?}");
    }
}
