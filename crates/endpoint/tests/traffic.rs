//! What ends send, read and do by their own timers.

mod pair;

use std::io::Read;
use std::net::TcpListener;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_endpoint::{ClosedBy, EndpointEventKind, TcpState};
use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::expect::Outcome;
use keepalive_lab_scenario::program::{Program, Send, SocketOptions, Traffic};
use pair::{live, live_client, loopback, milliseconds, program};

fn sends(send: Send) -> Traffic {
    Traffic { sends: vec![send], ..Traffic::default() }
}

#[test]
fn a_reply_brings_back_what_was_sent() {
    let client = program(sends(Send::Once { text: "hello".into() }));
    let server = program(Traffic { reply: true, ..Traffic::default() });
    let lives = live(&server, &client, milliseconds(60));
    let (client, server) = (lives.client(), lives.server());
    assert_eq!((client.bytes_sent, client.bytes_received), (5, 5));
    assert_eq!((server.bytes_sent, server.bytes_received), (5, 5));
    assert!(client.last_received > client.connected);
    let info = client.info.as_ref().expect("a last snapshot");
    assert_eq!((info.state, info.unacknowledged_bytes), (TcpState::Established, 0));
}

#[test]
fn one_end_closes_in_order_and_the_other_follows() {
    let client = program(Traffic {
        close_at: Some(milliseconds(40)),
        ..sends(Send::At { at: milliseconds(20), bytes: 100_000 })
    });
    let lives = live(&Program::default(), &client, milliseconds(2000));
    let (client, server) = (lives.client(), lives.server());
    assert_eq!((client.outcome, server.outcome), (Outcome::Closed, Outcome::Closed));
    assert_eq!(server.bytes_received, 100_000);
    let survived = client.finished.expect("it closed") - client.connected.expect("it was connected");
    assert!((milliseconds(40)..milliseconds(140)).contains(&survived), "{survived:?}");
    let closed = |by| move |what: &EndpointEventKind| *what == EndpointEventKind::Closed { by };
    assert_eq!(lives.count(End::Client, closed(ClosedBy::Itself)), 1);
    assert_eq!(lives.count(End::Server, closed(ClosedBy::Peer)), 1);
    assert_eq!(lives.count(End::Server, |what| *what == EndpointEventKind::EndOfStream), 1);
    let info = server.info.as_ref().expect("a last snapshot");
    assert_eq!(info.state, TcpState::CloseWait);
}

#[test]
fn a_stop_finds_both_alive_and_neither_takes_the_abort_for_an_error() {
    for _ in 0..20 {
        let both = program(sends(Send::Every { period: milliseconds(1), bytes: 10 }));
        let lives = live(&both, &both, milliseconds(10));
        for summary in [lives.client(), lives.server()] {
            assert_eq!(summary.outcome, Outcome::Alive);
            let state = summary.info.as_ref().map(|info| info.state);
            assert_eq!(state, Some(TcpState::Established), "the abort came before the last snapshot");
        }
    }
}

#[test]
fn a_period_stays_exact_though_the_loop_was_held_up() {
    let client = program(sends(Send::Every { period: milliseconds(20), bytes: 13 }));
    // The server's part is played by a thread, so that only the client's loop can be held up.
    let listener = TcpListener::bind(loopback()).expect("it listens");
    let remote = listener.local_addr().expect("an address");
    let peer = std::thread::spawn(move || {
        let mut received = Vec::new();
        listener.accept().map(|(mut stream, _)| stream.read_to_end(&mut received)).ok();
    });
    let connector = keepalive_lab_endpoint::Connector::new(loopback(), &client).expect("it binds");
    let (sink, mut events) = tokio::sync::mpsc::unbounded_channel();
    let (handle, stop) = keepalive_lab_endpoint::stop_signal();
    let summary = pair::runtime().block_on(async {
        let client = tokio::spawn(keepalive_lab_endpoint::run_client(connector, remote, sink, stop));
        tokio::time::sleep(milliseconds(305)).await;
        std::thread::sleep(milliseconds(70));
        tokio::time::sleep(milliseconds(645)).await;
        handle.stop();
        client.await.expect("no panic")
    });
    peer.join().expect("no panic");
    let connected = summary.connected.expect("connected");
    let sent: Vec<(Monotonic, u32)> = std::iter::from_fn(|| events.try_recv().ok())
        .filter_map(|event| match event.what {
            EndpointEventKind::Sent { calls, .. } => Some((event.at, calls)),
            _ => None,
        })
        .collect();
    // 51 moments in 1020 ms; of the four in the gap one was late and the rest were passed over. (A loaded
    // machine may make us pass over more.)
    let writes: u32 = sent.iter().map(|(_, calls)| calls).sum();
    assert!((20..=51).contains(&writes), "{writes} writes");
    // The late one may be told together with the next; a burst would be more.
    assert!(sent.iter().all(|(_, calls)| *calls <= 2), "{sent:?}");
    // Were the period counted from the late one on, all that follow would be off by 15 ms.
    let exact = |at: Monotonic| (at - connected).as_micros() % 20_000 < 5_000;
    let after = connected + milliseconds(400);
    let exact = sent.iter().filter(|(at, _)| *at > after && exact(*at)).count();
    assert!(exact >= 5, "{exact} sends after the gap kept their moment: {sent:?}");
}

#[test]
fn idle_is_told_once_for_each_silence() {
    let server = program(sends(Send::At { at: milliseconds(150), bytes: 1 }));
    let client = program(Traffic { idle_timeout: Some(milliseconds(80)), ..Traffic::default() });
    let lives = live(&server, &client, milliseconds(500));
    let connected = lives.client().connected.expect("connected");
    let idle: Vec<_> = lives
        .of(End::Client)
        .filter(|event| event.what == EndpointEventKind::Idle)
        .map(|event| event.at - connected)
        .collect();
    assert_eq!(idle.len(), 2, "{idle:?}");
    assert!((milliseconds(80)..milliseconds(140)).contains(&idle[0]), "{idle:?}");
    assert!((milliseconds(230)..milliseconds(330)).contains(&idle[1]), "{idle:?}");
}

#[test]
fn filling_stops_at_a_full_buffer_and_goes_on_when_there_is_room() {
    let listener = TcpListener::bind(loopback()).expect("it listens");
    let remote = listener.local_addr().expect("an address");
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it comes");
        std::thread::sleep(milliseconds(150));
        let mut received = Vec::new();
        stream.read_to_end(&mut received).expect("it ends in order");
        received.len() as u64
    });
    let client = program(Traffic { close_at: Some(milliseconds(250)), ..sends(Send::Fill) });
    let lives = live_client(remote, &client, milliseconds(5000));
    assert_eq!(lives.client().outcome, Outcome::Closed);
    assert_eq!(peer.join().expect("no panic"), lives.client().bytes_sent);
    let connected = lives.client().connected.expect("connected");
    let full = lives.of(End::Client).find_map(|event| match event.what {
        EndpointEventKind::BufferFull { unacknowledged_bytes } => Some((event.at, unacknowledged_bytes)),
        _ => None,
    });
    let (full, unacknowledged) = full.expect("the buffer became full");
    assert!(unacknowledged > 0);
    let silent = (connected + milliseconds(60), connected + milliseconds(140));
    let sent =
        |event: &&keepalive_lab_endpoint::EndpointEvent| matches!(event.what, EndpointEventKind::Sent { .. });
    assert!(full < silent.0);
    let in_silence =
        lives.of(End::Client).filter(sent).filter(|event| silent.0 < event.at && event.at < silent.1);
    assert_eq!(in_silence.count(), 0);
    assert!(lives.of(End::Client).filter(sent).any(|event| event.at > silent.1));
    // A stream of gigabytes a second makes a hundred events a second, not a hundred thousand.
    assert!(lives.events.len() < 200, "{} events", lives.events.len());
}

#[test]
fn an_end_that_does_not_read_shuts_its_window() {
    let options = SocketOptions { receive_buffer: Some(16_384), ..SocketOptions::default() };
    let server =
        Program { options, traffic: Traffic { read: false, ..Traffic::default() }, ..Program::default() };
    let lives = live(&server, &program(sends(Send::Fill)), milliseconds(400));
    assert_eq!(lives.server().bytes_received, 0);
    let info = lives.client().info.as_ref().expect("a last snapshot");
    assert_eq!(info.send_window, Some(0), "{info:?}");
    let timer = lives.client().armed_timer().map(keepalive_lab_endpoint::ArmedTimer::name);
    assert_eq!(timer, Some("persist-zero-window"));
}

#[test]
fn an_end_that_replies_stops_reading_while_its_output_waits() {
    let client = program(Traffic { read: false, ..sends(Send::Fill) });
    let server = program(Traffic { reply: true, ..Traffic::default() });
    let lives = live(&server, &client, milliseconds(600));
    let server = lives.server();
    assert!(server.bytes_sent > 0);
    let waiting = server.bytes_received - server.bytes_sent;
    assert!((1 << 20..(1 << 20) + 65_536).contains(&waiting), "{waiting} bytes wait");
}
