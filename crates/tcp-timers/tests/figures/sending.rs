//! Data that is not acknowledged: in flight, refused, or kept back by a shut window.

use std::time::Duration;

use tcp_timers::{
    Answer, Errno, Flight, KernelVersion, Loss, ShutWindow, Socket, Timer, data_in_flight, data_refused,
    zero_window,
};

use crate::{End, assert_window, modern};

#[test]
fn data_in_flight_dies_by_age() {
    let cells: [(u32, &str, &[f64]); 6] = [
        (1, "1.66-1.69 s", &[1.6579, 1.6880]),
        (3, "6.6-6.9 s", &[6.83, 6.70, 6.6187, 6.8594]),
        (4, "6.6-6.9 s", &[6.6186, 6.8593]),
        (5, "13.3-13.5 s", &[13.29, 13.49]),
        (8, "106.2-108.2 s", &[106.3020, 108.2295]),
        (15, "937.7-939.7 s", &[938.12, 937.94]),
    ];
    for (retries, shown, measured) in cells {
        for loss in [Loss::Path, Loss::Refused] {
            let death = modern().retries2(retries).death(|socket| data_in_flight(socket, &Flight::new(loss)));
            assert_window(&death, shown, measured);
            assert_eq!((death.errno, death.tells_peer), (Errno::Etimedout, false));
            assert_eq!(death.attempts[0].timer, Timer::LossProbe);
        }
    }
}

#[test]
fn user_timeout_bounds_data_in_flight_from_the_first_timeout_on() {
    for (limit, shown, measured) in [(5, "5.4-5.7 s", 5.48), (30, "30.4-30.7 s", 30.45)] {
        let end = modern().user_timeout(Duration::from_secs(limit));
        let death = end.death(|socket| data_in_flight(socket, &Flight::new(Loss::Path)));
        assert_window(&death, shown, &[measured]);
    }
}

#[test]
fn retransmissions_without_a_route_count_from_the_write_and_end_with_its_error() {
    let lost = Flight::new(Loss::NoRoute(Errno::Enetunreach));
    for (retries, shown, measured) in
        [(1, "0.62-0.66 s", 0.6282), (3, "3.12-3.15 s", 3.1512), (5, "13.1-13.3 s", 13.0822)]
    {
        let death = modern().retries2(retries).death(|socket| data_in_flight(socket, &lost));
        assert_window(&death, shown, &[measured]);
        assert_eq!(death.errno, Errno::Enetunreach);
    }
    let bounded = modern().user_timeout(Duration::from_secs(5));
    assert_window(&bounded.death(|socket| data_in_flight(socket, &lost)), "5.00-5.04 s", &[5.0039, 5.0340]);
}

#[test]
fn the_loss_probe_of_several_segments_comes_early_and_can_be_turned_off() {
    let many = Flight { segments: 4, ..Flight::new(Loss::Path) };
    let mut end = modern().retries2(0);
    assert_window(&end.death(|socket| data_in_flight(socket, &many)), "0.62-0.66 s", &[0.6272, 0.6559]);
    end.sysctls.loss_probe = false;
    assert_window(&end.death(|socket| data_in_flight(socket, &many)), "0.62-0.65 s", &[0.6172, 0.6462]);
}

#[test]
fn thin_streams_do_not_back_off_at_first() {
    let mut end = modern().retries2(3);
    end.sysctls.thin_linear_timeouts = true;
    let death = end.death(|socket| data_in_flight(socket, &Flight::new(Loss::Path)));
    assert_window(&death, "4.57-4.60 s", &[4.5707, 4.5995]);
}

#[test]
fn a_lower_maximum_shortens_the_ladder_and_its_model() {
    let cells = [
        (1, 3, "3.70-3.74 s", 3.7069),
        (1, 15, "14.97-15.00 s", 14.9691),
        (5, 5, "11.7-12.0 s", 11.9787),
        (30, 15, "298.7-300.8 s", 298.8154),
    ];
    for (max, retries, shown, measured) in cells {
        let mut end = modern().retries2(retries);
        end.options.rto_max = Some(Duration::from_secs(max));
        let flight = |end: &End| end.death(|socket| data_in_flight(socket, &Flight::new(Loss::Path))).at;
        assert_eq!(flight(&end).to_string(), shown);
        assert!(flight(&end).contains(Duration::from_secs_f64(measured)));
        // The option is of 6.15.
        end.kernel.version = KernelVersion::new(6, 14);
        let without = modern().retries2(retries);
        assert_eq!(flight(&end), flight(&without));
    }
}

#[test]
fn refused_data_dies_by_count() {
    let cells: [(u32, &str, &[f64]); 4] = [
        (1, "0.62-0.65 s", &[0.6205, 0.6475]),
        (3, "3.11-3.14 s", &[3.13]),
        (5, "13.1-13.3 s", &[13.19]),
        (15, "937.5-939.5 s", &[938.25]),
    ];
    for (retries, shown, measured) in cells {
        for loss in [Loss::Refused, Loss::NoRoute(Errno::Enetunreach)] {
            let death = modern().retries2(retries).death(|socket| data_refused(socket, loss));
            assert_window(&death, shown, measured);
            assert_eq!((death.errno, death.timer), (Errno::Etimedout, Timer::Persist));
            assert_eq!(death.attempts.len(), retries as usize);
        }
    }
    let bounded = modern().user_timeout(Duration::from_secs(5));
    assert_window(&bounded.death(|socket| data_refused(socket, Loss::Refused)), "5.2-5.5 s", &[]);
}

#[test]
fn what_the_own_queue_drops_is_probed_every_half_second() {
    let death = modern().death(|socket| data_refused(socket, Loss::Congested));
    assert_window(&death, "7.88-7.91 s", &[]);
    let old = End::of("4.19", 250).ask(|socket| data_refused(socket, Loss::Congested));
    assert!(matches!(old, Answer::LivesForEver { .. }), "{old:?}");
}

#[test]
fn a_peer_with_a_shut_window_holds_a_socket_for_ever_without_user_timeout() {
    let open = ShutWindow { dead: None };
    assert!(matches!(modern().ask(|socket| zero_window(socket, &open)), Answer::LivesForEver { .. }));
    let bounded = modern().user_timeout(Duration::from_secs(10));
    assert_window(&bounded.death(|socket| zero_window(socket, &open)), "10.2-10.5 s", &[]);
    let before = End { kernel: End::of("5.4", 250).kernel, ..bounded };
    assert!(
        matches!(before.ask(|socket| zero_window(socket, &open)), Answer::LivesForEver { .. }),
        "5.4 counts"
    );
}

#[test]
fn a_long_stall_makes_the_end_of_a_shut_window_long() {
    // Measured on 6.12: the peer answers for 400 s, then the path drops; the round trip was seen as 10 ms.
    let end = End::of("6.12.117", 250);
    let stalled = ShutWindow { dead: Some((Duration::from_millis(399_958), Loss::Path)) };
    let death = end.death(|socket| {
        zero_window(&Socket { round_trip: Duration::from_micros(10_200), ..*socket }, &stalled)
    });
    assert_window(&death, "2274.8-2276.9 s", &[2275.04, 2276.03, 2276.78]);
}
