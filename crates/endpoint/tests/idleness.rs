//! Waiting costs nothing: no end may spin, whatever state its socket is in.

mod pair;

use std::net::{Shutdown, TcpListener};
use std::time::Duration;

use keepalive_lab_endpoint::EndpointEventKind;
use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::expect::Outcome;
use keepalive_lab_scenario::program::{Program, Send, SocketOptions, Traffic};
use pair::{cpu_time, live, live_client, loopback, milliseconds, program};

const WATCH: Duration = Duration::from_millis(300);
const LIMIT: Duration = Duration::from_millis(20);

#[test]
fn a_quiet_pair_costs_no_time() {
    let (used, lives) = cpu_time(|| live(&Program::default(), &Program::default(), WATCH));
    assert_eq!(lives.client().outcome, Outcome::Alive);
    assert!(used < LIMIT, "{used:?}");
}

#[test]
fn a_half_closed_connection_that_is_not_read_costs_no_time() {
    let listener = TcpListener::bind(loopback()).expect("it listens");
    let remote = listener.local_addr().expect("an address");
    let peer = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("it comes");
        stream.shutdown(Shutdown::Write).expect("a FIN is sent");
        std::thread::sleep(2 * WATCH);
    });
    let client = program(Traffic { read: false, ..Traffic::default() });
    let (used, lives) = cpu_time(|| live_client(remote, &client, WATCH));
    peer.join().expect("no panic");
    assert_eq!(lives.client().outcome, Outcome::Alive);
    assert!(used < LIMIT, "{used:?}");
}

#[test]
fn a_peer_that_closed_while_output_waits_costs_no_time() {
    // The end of the stream was read, but what waits cannot leave: the end neither closes nor spins.
    let small = SocketOptions { receive_buffer: Some(8_192), ..SocketOptions::default() };
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    listener.set_recv_buffer_size(small.receive_buffer.unwrap_or(0) as usize).expect("it is taken");
    listener.bind(&loopback().into()).and_then(|()| listener.listen(1)).expect("it listens");
    let remote = listener.local_addr().expect("an address").as_socket().expect("of IPv4");
    let peer = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("it comes");
        std::thread::sleep(milliseconds(50));
        stream.shutdown(Shutdown::Write).expect("a FIN is sent");
        std::thread::sleep(2 * WATCH);
    });
    let client = program(Traffic {
        sends: vec![Send::At { at: Duration::ZERO, bytes: 50_000_000 }],
        ..Traffic::default()
    });
    let (used, lives) = cpu_time(|| live_client(remote, &client, WATCH));
    peer.join().expect("no panic");
    assert_eq!(lives.client().outcome, Outcome::Closed);
    assert!(lives.client().finished.is_some());
    assert_eq!(lives.count(End::Client, |what| matches!(what, EndpointEventKind::Closed { .. })), 0);
    assert!(lives.client().bytes_sent > 0);
    assert!(used < LIMIT, "{used:?}");
}

#[test]
fn a_full_buffer_costs_no_time() {
    let options =
        SocketOptions { send_buffer: Some(16_384), receive_buffer: Some(16_384), ..SocketOptions::default() };
    let client = Program {
        options: options.clone(),
        traffic: Traffic { sends: vec![Send::Fill], ..Traffic::default() },
        ..Program::default()
    };
    let server =
        Program { options, traffic: Traffic { read: false, ..Traffic::default() }, ..Program::default() };
    let (used, lives) = cpu_time(|| live(&server, &client, WATCH));
    assert!(lives.client().bytes_sent > 0);
    assert!(used < LIMIT, "{used:?}");
}
