//! By which call an end learns of an error.

mod pair;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use keepalive_lab_endpoint::{EndError, EndSummary, Syscall, TcpState};
use keepalive_lab_scenario::expect::Outcome;
use keepalive_lab_scenario::program::{Program, Send, SocketOptions, Traffic};
use pair::{live, live_client, loopback, milliseconds, program};

/// A peer that says `words` and sends a RST behind them, when the other end has long learned that it is
/// connected: of a RST that comes before, `connect` tells.
fn resetting_peer(words: &'static [u8]) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(loopback()).expect("it listens");
    let remote = listener.local_addr().expect("an address");
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it comes");
        std::thread::sleep(milliseconds(100));
        stream.write_all(words).expect("there is room");
        reset(stream);
    });
    (remote, peer)
}

fn reset(stream: TcpStream) {
    let socket = socket2::Socket::from(stream);
    socket.set_linger(Some(Duration::ZERO)).expect("SO_LINGER is taken");
}

fn client_that_is_reset(client: &Program) -> EndSummary {
    let (remote, peer) = resetting_peer(b"");
    let lives = live_client(remote, client, milliseconds(3000));
    peer.join().expect("no panic");
    lives.client().clone()
}

fn error_of(summary: &EndSummary) -> (&str, Syscall) {
    assert_eq!(summary.outcome, Outcome::Error);
    let EndError { errno, syscall, .. } = summary.error.as_ref().expect("an error");
    (errno, *syscall)
}

#[test]
fn an_end_that_reads_learns_of_a_reset_by_read() {
    let summary = client_that_is_reset(&Program::default());
    assert_eq!(error_of(&summary), ("ECONNRESET", Syscall::Read));
    assert_eq!(summary.info.as_ref().map(|info| info.state), Some(TcpState::Close));
    assert_eq!(summary.finished, summary.error.map(|error| error.at));
}

#[test]
fn an_end_that_only_writes_learns_of_a_reset_by_write() {
    let traffic = Traffic { read: false, sends: vec![Send::Fill], ..Traffic::default() };
    let summary = client_that_is_reset(&program(traffic));
    assert_eq!(error_of(&summary), ("ECONNRESET", Syscall::Write));
}

#[test]
fn an_end_that_neither_reads_nor_writes_learns_of_a_reset_by_poll() {
    let traffic = Traffic { read: false, ..Traffic::default() };
    let summary = client_that_is_reset(&program(traffic));
    assert_eq!(error_of(&summary), ("ECONNRESET", Syscall::Poll));
}

#[test]
fn data_that_came_before_the_reset_is_read_first() {
    let (remote, peer) = resetting_peer(b"last words");
    let lives = live_client(remote, &Program::default(), milliseconds(3000));
    peer.join().expect("no panic");
    assert_eq!(lives.client().bytes_received, 10);
    assert_eq!(error_of(lives.client()), ("ECONNRESET", Syscall::Read));
}

#[test]
fn a_linger_of_zero_makes_a_close_a_reset_for_the_peer() {
    let client = Program {
        options: SocketOptions { linger: Some(Duration::ZERO), ..SocketOptions::default() },
        traffic: Traffic { close_at: Some(milliseconds(30)), ..Traffic::default() },
        ..Program::default()
    };
    let lives = live(&Program::default(), &client, milliseconds(3000));
    assert_eq!(lives.client().outcome, Outcome::Closed);
    assert_eq!(error_of(lives.server()), ("ECONNRESET", Syscall::Read));
}

#[test]
fn a_linger_of_seconds_does_not_hold_up_the_other_end_of_the_runtime() {
    // The server does not read, so the client's close() sleeps for its whole second.
    let client = Program {
        options: SocketOptions { linger: Some(Duration::from_secs(1)), ..SocketOptions::default() },
        traffic: Traffic { sends: vec![Send::Fill], close_at: Some(milliseconds(50)), ..Traffic::default() },
        ..Program::default()
    };
    let server =
        program(Traffic { read: false, idle_timeout: Some(milliseconds(200)), ..Traffic::default() });
    let lives = live(&server, &client, milliseconds(400));
    assert_eq!(lives.client().outcome, Outcome::Closed);
    let connected = lives.server().connected.expect("accepted");
    let idle =
        lives.events.iter().find(|event| event.what == keepalive_lab_endpoint::EndpointEventKind::Idle);
    let idle = idle.expect("the server's own timer went on").at - connected;
    assert!((milliseconds(200)..milliseconds(300)).contains(&idle), "{idle:?}");
}
