//! Socket options: asked for, in force, refused.

mod pair;

use std::time::Duration;

use keepalive_lab_endpoint::{
    Connector, EndpointEventKind, KeepaliveInForce, Listener, OptionInForce, SocketError, SocketOption,
};
use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::program::{Keepalive, Program, SocketOptions};
use nix::errno::Errno;
use pair::{Lives, live, loopback, milliseconds};

fn with(options: SocketOptions) -> Program {
    Program { options, ..Program::default() }
}

fn in_force(lives: &Lives, end: End) -> Vec<OptionInForce> {
    let option = |what: &EndpointEventKind| match what {
        EndpointEventKind::OptionInForce(option) => Some(*option),
        _ => None,
    };
    lives.of(end).filter_map(|event| option(&event.what)).collect()
}

#[test]
fn every_option_is_in_force_at_both_ends_as_asked() {
    let both = with(SocketOptions {
        keepalive: Some(Keepalive {
            idle: Some(Duration::from_secs(61)),
            interval: Some(Duration::from_secs(75)),
            count: Some(9),
        }),
        user_timeout: Some(Duration::from_secs(30)),
        syn_count: Some(3),
        nodelay: Some(true),
        linger: Some(Duration::from_secs(4)),
        send_buffer: None,
        receive_buffer: None,
        rto_max: None,
    });
    let lives = live(&both, &both, milliseconds(40));
    for end in End::BOTH {
        let options = in_force(&lives, end);
        let expected = [
            (SocketOption::Keepalive, 1),
            (SocketOption::KeepaliveIdle, 61),
            (SocketOption::KeepaliveInterval, 75),
            (SocketOption::KeepaliveCount, 9),
            (SocketOption::UserTimeout, 30_000),
            (SocketOption::SynCount, 3),
            (SocketOption::NoDelay, 1),
            (SocketOption::Linger, 4),
        ];
        let expected =
            expected.map(|(option, value)| OptionInForce { option, asked: Some(value), in_force: value });
        assert_eq!(options, expected, "{end}");
    }
    for summary in [lives.client(), lives.server()] {
        let keepalive =
            KeepaliveInForce { idle: Duration::from_secs(61), interval: Duration::from_secs(75), count: 9 };
        assert_eq!(summary.keepalive, Some(keepalive));
        assert_eq!(summary.user_timeout, Some(Duration::from_secs(30)));
    }
}

#[test]
fn the_kernel_doubles_the_buffers() {
    let both = with(SocketOptions {
        send_buffer: Some(20_000),
        receive_buffer: Some(30_000),
        ..SocketOptions::default()
    });
    let lives = live(&both, &both, milliseconds(40));
    let expected = [
        OptionInForce { option: SocketOption::SendBuffer, asked: Some(20_000), in_force: 40_000 },
        OptionInForce { option: SocketOption::ReceiveBuffer, asked: Some(30_000), in_force: 60_000 },
    ];
    assert_eq!(in_force(&lives, End::Client), expected);
    assert_eq!(in_force(&lives, End::Server), expected);
}

#[test]
fn what_was_not_asked_of_keepalive_is_read_from_the_kernel() {
    let client = with(SocketOptions {
        keepalive: Some(Keepalive { idle: Some(Duration::from_secs(2)), ..Keepalive::default() }),
        ..SocketOptions::default()
    });
    let lives = live(&Program::default(), &client, milliseconds(40));
    let keepalive = lives.client().keepalive.expect("keepalive is on");
    assert_eq!(keepalive.idle, Duration::from_secs(2));
    let sysctl = |name: &str| -> u64 {
        let text = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).expect("the sysctl exists");
        text.trim().parse().expect("it is a number")
    };
    assert_eq!(keepalive.interval.as_secs(), sysctl("tcp_keepalive_intvl"));
    assert_eq!(u64::from(keepalive.count), sysctl("tcp_keepalive_probes"));
    let interval = in_force(&lives, End::Client)
        .into_iter()
        .find(|option| option.option == SocketOption::KeepaliveInterval)
        .expect("it is told though not asked");
    assert_eq!(interval.asked, None);
    assert_eq!((lives.server().keepalive, lives.server().user_timeout), (None, None));
}

#[test]
fn rto_max_is_in_force_or_refused_with_the_version_it_needs() {
    let program = with(SocketOptions { rto_max: Some(Duration::from_secs(2)), ..SocketOptions::default() });
    match Connector::new(loopback(), &program) {
        Ok(_) => {
            let lives = live(&program, &program, milliseconds(40));
            let expected = OptionInForce { option: SocketOption::RtoMax, asked: Some(2000), in_force: 2000 };
            assert_eq!(in_force(&lives, End::Client), [expected]);
            assert_eq!(in_force(&lives, End::Server), [expected]);
        }
        Err(error) => {
            let errno = Errno::ENOPROTOOPT;
            assert_eq!(
                error,
                SocketError::OptionRefused { option: SocketOption::RtoMax, value: 2000, errno }
            );
            assert!(error.help().is_some_and(|help| help.contains("6.15")));
        }
    }
}

#[test]
fn a_value_the_kernel_refuses_is_an_error_before_anything_runs_at_either_end() {
    let program = with(SocketOptions { syn_count: Some(0), ..SocketOptions::default() });
    let expected =
        SocketError::OptionRefused { option: SocketOption::SynCount, value: 0, errno: Errno::EINVAL };
    assert_eq!(Connector::new(loopback(), &program).err(), Some(expected.clone()));
    assert_eq!(Listener::bind(loopback(), &program).err(), Some(expected));
}

#[test]
fn an_address_of_nobody_is_an_error_that_helps() {
    // TEST-NET-1: no interface has it, and nothing is sent.
    let nobody = "192.0.2.1:7654".parse().expect("an address");
    let error = Listener::bind(nobody, &Program::default()).expect_err("it cannot be bound");
    assert_eq!(error, SocketError::Bind { address: nobody, errno: Errno::EADDRNOTAVAIL });
    assert!(error.to_string().contains("192.0.2.1:7654: EADDRNOTAVAIL"));
    assert!(error.help().is_some());
}
