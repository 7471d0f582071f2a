//! Connections that do not come up, or do not go down.

use std::time::Duration;

use tcp_timers::{
    Answer, Closing, Errno, Flight, Loss, SynMeets, accepting, closing, connecting, data_in_flight,
    data_refused,
};

use crate::{End, assert_window, modern};

#[test]
fn connecting_fails_after_linear_and_doubled_syns() {
    let cells = [
        (1, "3.05-3.08 s", 3.06),
        (2, "7.11-7.14 s", 7.14),
        (3, "19.3-19.6 s", 19.52),
        (6, "133.3-135.3 s", 133.3120),
    ];
    let nothing = SynMeets::Nothing(Loss::Path);
    for (count, shown, measured) in cells {
        let mut end = modern();
        end.options.syn_count = Some(count);
        assert_window(&end.death(|socket| connecting(socket, nothing)), shown, &[measured]);
    }
    for (count, shown, measured) in
        [(1, "3.02-3.05 s", 3.0181), (3, "15.2-15.5 s", 15.2544), (6, "129.2-131.2 s", 131.1439)]
    {
        let mut end = End::of("5.10.0-46-cloud-amd64", 250);
        end.options.syn_count = Some(count);
        assert_window(&end.death(|socket| connecting(socket, nothing)), shown, &[measured]);
    }
}

#[test]
fn user_timeout_bounds_connecting_since_5_4() {
    let nothing = SynMeets::Nothing(Loss::Refused);
    let bounded = |release, limit| End::of(release, 250).user_timeout(Duration::from_millis(limit));
    for (limit, shown, measured) in
        [(500, "1.01-1.04 s", 1.0396), (5000, "5.00-5.04 s", 5.0349), (10_000, "10.0-10.3 s", 10.2542)]
    {
        let end = bounded("6.12", limit);
        assert_window(&end.death(|socket| connecting(socket, nothing)), shown, &[measured]);
    }
    let burst = bounded("4.19", 5000).death(|socket| connecting(socket, nothing));
    assert_window(&burst, "5.04-5.07 s", &[]);
    assert_eq!(burst.attempts.len(), 6, "the SYNs that are left go out tick by tick");
    let ignored = bounded("3.13.0", 5000).death(|socket| connecting(socket, nothing));
    assert!(ignored.at.min > Duration::from_secs(126), "{}", ignored.at);
}

#[test]
fn a_refusal_ends_connecting_at_once() {
    let cells = [
        (SynMeets::Refusal, Errno::Econnrefused),
        (SynMeets::HostUnreachable, Errno::Ehostunreach),
        (SynMeets::NetUnreachable, Errno::Enetunreach),
        (SynMeets::Nothing(Loss::NoRoute(Errno::Einval)), Errno::Einval),
    ];
    for (meets, errno) in cells {
        let death = modern().death(|socket| connecting(socket, meets));
        assert!(death.errno == errno && death.at.max < Duration::from_millis(5), "{death:?}");
    }
}

#[test]
fn half_open_connections_are_forgotten_after_the_last_syn_ack() {
    for (retries, shown, measured) in [(2, "7.0-7.3 s", 7.1), (5, "63.6-65.7 s", 64.5)] {
        let mut end = modern();
        end.sysctls.synack_retries = retries;
        assert_window(&end.death(accepting), shown, &[measured]);
    }
}

#[test]
fn a_closed_connection_is_given_up_by_orphan_retries() {
    let cells = [
        (0, "106.2-108.2 s", 106.3025, "106.0-108.0 s", 108.0366),
        (1, "1.66-1.69 s", 1.6573, "0.62-0.65 s", 0.6168),
        (3, "6.6-6.9 s", 6.8586, "3.11-3.14 s", 3.1128),
    ];
    for (retries, path, on_path, own, refused) in cells {
        let mut end = modern();
        end.sysctls.orphan_retries = retries;
        let close = |loss| end.death(|socket| closing(socket, Closing::Closed(loss)));
        assert_window(&close(Loss::Path), path, &[on_path]);
        assert_window(&close(Loss::Refused), own, &[refused]);
    }
    let shut = modern().retries2(3).death(|socket| closing(socket, Closing::ShutDown(Loss::Path)));
    assert_window(&shut, "6.6-6.9 s", &[]);
}

#[test]
fn fin_wait2_of_more_than_a_minute_lasts_twice_what_is_beyond() {
    for (fin_timeout, shown) in
        [(5, "5.0-5.3 s"), (60, "60.0-62.0 s"), (65, "10.1-10.4 s"), (90, "60.7-62.8 s")]
    {
        let mut end = modern();
        end.sysctls.fin_timeout = Duration::from_secs(fin_timeout);
        assert_window(&end.death(|socket| closing(socket, Closing::FinWait2)), shown, &[]);
    }
    for state in [Closing::ShutDownFinWait2, Closing::CloseWait] {
        assert!(matches!(modern().ask(|socket| closing(socket, state)), Answer::LivesForEver { .. }));
    }
}

#[test]
fn what_is_beyond_the_theory_is_said() {
    let old = End::of("4.19", 250);
    let cells = [
        old.ask(|socket| data_in_flight(socket, &Flight::new(Loss::Refused))),
        End::of("4.19", 250)
            .user_timeout(Duration::from_secs(5))
            .ask(|socket| data_refused(socket, Loss::Refused)),
        modern().ask(|socket| data_refused(socket, Loss::Path)),
        modern().ask(|socket| connecting(socket, SynMeets::NoNeighbour)),
        End::of("3.13", 250).ask(accepting),
    ];
    for answer in cells {
        assert!(matches!(&answer, Answer::Unpredicted { because } if !because.is_empty()), "{answer:?}");
    }
}
