//! Sockets that die, and the events of it.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_evidence::{KernelEvent, KernelWatch, SocketEvent, SocketEventKind, TcpState};
use keepalive_lab_netlab::{Builder, IpVersion, LinkState, Pair, PairPlan, Subnet};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};

use crate::Test;

pub(crate) const TESTS: &[Test] = &[
    ("a_refused_connection_is_told_with_its_addresses_and_moment", a_refused_connection_is_told),
    ("a_keepalive_death_is_told_when_the_kernel_decides_it", a_keepalive_death_is_told),
    ("a_reset_is_told_to_be_one", a_reset_is_told_to_be_one),
    ("an_event_is_told_without_a_flush", an_event_is_told_without_a_flush),
    ("sockets_of_other_ports_are_not_told_of", sockets_of_other_ports_are_not_told_of),
    ("a_flush_brings_all_that_happened_before_it", a_flush_brings_all_that_happened_before_it),
    ("events_that_are_overwritten_are_counted", events_that_are_overwritten_are_counted),
    ("two_watches_do_not_disturb_each_other", two_watches_do_not_disturb_each_other),
];

const PORT: u16 = 7654;
const PATIENCE: Duration = Duration::from_secs(5);
const VERSIONS: [IpVersion; 2] = [IpVersion::V4, IpVersion::V6];

/// The clock of events has microseconds.
const RESOLUTION: Duration = Duration::from_micros(1);

pub(crate) fn pair(version: IpVersion) -> Pair {
    // Subnets that no other test uses: tracepoints see the whole machine.
    let plan = PairPlan { subnet: Subnet::nth(16_000 + std::process::id() % 300, version) };
    Builder::new().expect("a builder").pair(&plan).expect("a pair")
}

pub(crate) fn watch() -> (KernelWatch, Receiver<KernelEvent>) {
    let (sender, events) = mpsc::channel();
    let watch = KernelWatch::start(&[PORT], move |event| drop(sender.send(event)));
    (watch.expect("main() made sure that it works"), events)
}

pub(crate) fn server(pair: &Pair) -> SocketAddr {
    SocketAddr::new(pair.server.address(), PORT)
}

/// Connects to a port on which nobody listens.
pub(crate) fn refused(pair: &Pair, port: u16) {
    let to = SocketAddr::new(pair.server.address(), port);
    let connect = || TcpStream::connect_timeout(&to, PATIENCE);
    let error = pair.client.namespace().enter(connect).expect("enter").expect_err("nobody listens");
    assert_eq!(error.raw_os_error(), Some(Errno::ECONNREFUSED as i32));
}

fn connected(pair: &Pair) -> (TcpStream, TcpStream) {
    let listen = || TcpListener::bind(server(pair)).expect("bind");
    let listener = pair.server.namespace().enter(listen).expect("enter");
    let connect = || TcpStream::connect_timeout(&server(pair), PATIENCE).expect("connect");
    let client = pair.client.namespace().enter(connect).expect("enter");
    (client, listener.accept().expect("accept").0)
}

/// The events of the sockets of this pair.
fn told(events: &Receiver<KernelEvent>, pair: &Pair) -> Vec<SocketEvent> {
    let ends = [pair.client.address(), pair.server.address()];
    let sockets = events.try_iter().filter_map(|event| match event {
        KernelEvent::Socket(event) => Some(event),
        KernelEvent::Lost(_) => None,
    });
    sockets.filter(|event| ends.contains(&event.local.ip())).collect()
}

fn errors(events: &[SocketEvent]) -> Vec<(SocketAddr, SocketAddr, i32)> {
    let errors = events.iter().filter_map(|event| match event.what {
        SocketEventKind::ErrorReport { errno } => Some((event.local, event.remote, errno)),
        SocketEventKind::StateChange { .. } => None,
    });
    errors.collect()
}

fn a_refused_connection_is_told() {
    for version in VERSIONS {
        let pair = pair(version);
        let (watch, events) = watch();
        assert_eq!(watch.missing(), [""; 0], "this kernel has both tracepoints");
        let before = Monotonic::now();
        refused(&pair, PORT);
        let after = Monotonic::now();
        assert!(watch.flush(PATIENCE));

        let told = told(&events, &pair);
        let [(local, remote, errno)] = errors(&told)[..] else { panic!("{told:?}") };
        assert_eq!(local.ip(), pair.client.address());
        assert_ne!(local.port(), 0);
        assert_eq!(remote, server(&pair));
        assert_eq!(errno, Errno::ECONNREFUSED as i32);
        let states = told.iter().filter_map(|event| match event.what {
            SocketEventKind::StateChange { from, to } => Some((from, to)),
            SocketEventKind::ErrorReport { .. } => None,
        });
        let expected = [(TcpState::Close, TcpState::SynSent), (TcpState::SynSent, TcpState::Close)];
        assert_eq!(states.collect::<Vec<_>>(), expected);
        for event in &told {
            assert!(event.at + RESOLUTION >= before && event.at <= after, "{before} {event:?} {after}");
        }
        assert_eq!(watch.lost(), 0);
    }
}

fn a_keepalive_death_is_told() {
    for version in VERSIONS {
        let pair = pair(version);
        let (watch, events) = watch();
        let (client, _server) = connected(&pair);
        setsockopt(&client, sockopt::KeepAlive, &true).expect("SO_KEEPALIVE");
        setsockopt(&client, sockopt::TcpKeepIdle, &1).expect("TCP_KEEPIDLE");
        setsockopt(&client, sockopt::TcpKeepInterval, &1).expect("TCP_KEEPINTVL");
        setsockopt(&client, sockopt::TcpKeepCount, &1).expect("TCP_KEEPCNT");
        pair.server.set_link(LinkState::Down).expect("down");
        let broken = Monotonic::now();

        let deadline = broken + PATIENCE;
        let mut told_so_far = Vec::new();
        while errors(&told_so_far).is_empty() && Monotonic::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
            told_so_far.extend(told(&events, &pair));
        }
        let local = client.local_addr().expect("an address");
        assert_eq!(errors(&told_so_far), [(local, server(&pair), Errno::ETIMEDOUT as i32)]);
        assert!(watch.flush(PATIENCE));
        let last = told_so_far.last().expect("the error").at;
        // One second idle, one for the probe, less what passed before the link went down.
        let took = last - broken;
        assert!((1900..=2600).contains(&took.as_millis()), "{took:?}");
        let died = SocketEventKind::StateChange { from: TcpState::Established, to: TcpState::Close };
        assert!(told_so_far.iter().any(|event| event.what == died && event.local == local));
        assert_eq!(client.take_error().expect("SO_ERROR").and_then(|error| error.raw_os_error()), Some(110));
    }
}

fn a_reset_is_told_to_be_one() {
    let pair = pair(VERSIONS[0]);
    let (watch, events) = watch();
    let (mut client, server_end) = connected(&pair);
    client.write_all(b"unread").expect("write");
    // Closing with data unread sends a RST; see close(2) and RFC 2525, section 2.17.
    std::thread::sleep(Duration::from_millis(50));
    drop(server_end);
    assert!(watch.flush(PATIENCE));
    let reset = (client.local_addr().expect("an address"), server(&pair), Errno::ECONNRESET as i32);
    assert_eq!(errors(&told(&events, &pair)), [reset]);
}

fn an_event_is_told_without_a_flush() {
    let pair = pair(VERSIONS[0]);
    let (_watch, events) = watch();
    refused(&pair, PORT);
    let told = events.recv_timeout(Duration::from_secs(1));
    assert!(matches!(told, Ok(KernelEvent::Socket(_))), "{told:?}");
}

fn sockets_of_other_ports_are_not_told_of() {
    let pair = pair(VERSIONS[0]);
    let (watch, events) = watch();
    refused(&pair, PORT + 1);
    refused(&pair, PORT);
    assert!(watch.flush(PATIENCE));
    let told = told(&events, &pair);
    assert!(!told.is_empty());
    assert!(told.iter().all(|event| event.remote.port() == PORT), "{told:?}");
}

fn a_flush_brings_all_that_happened_before_it() {
    let pair = pair(VERSIONS[0]);
    let (watch, events) = watch();
    for count in 1..=200 {
        refused(&pair, PORT);
        assert!(watch.flush(PATIENCE), "flush {count}");
        assert_eq!(errors(&told(&events, &pair)).len(), 1, "connection {count}");
    }
}

/// A flood of events while the sink is stuck: some are overwritten, and that is told.
fn events_that_are_overwritten_are_counted() {
    const FLOOD: usize = 30_000;
    let pair = pair(VERSIONS[0]);
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().expect("not poisoned");
    let (sender, events) = mpsc::channel();
    let waiting = Arc::clone(&gate);
    let watch = KernelWatch::start(&[PORT], move |event| {
        drop(waiting.lock());
        drop(sender.send(event));
    });
    let watch = watch.expect("main() made sure that it works");
    let to = server(&pair);
    let flood = || {
        for _ in 0..FLOOD {
            TcpStream::connect(to).expect_err("nobody listens");
        }
    };
    pair.client.namespace().enter(flood).expect("enter");
    assert!(!watch.flush(Duration::from_millis(10)), "the sink is stuck");
    drop(closed);
    assert!(watch.flush(PATIENCE));
    assert!(watch.lost() > 0);
    let lost: u64 =
        events.try_iter().map(|event| if let KernelEvent::Lost(count) = event { count } else { 0 }).sum();
    assert_eq!(lost, watch.lost());
}

fn two_watches_do_not_disturb_each_other() {
    let pair = pair(VERSIONS[0]);
    let (first, first_events) = watch();
    let (second, second_events) = watch();
    refused(&pair, PORT);
    assert!(second.flush(PATIENCE));
    assert_eq!(errors(&told(&second_events, &pair)).len(), 1);
    drop(second);
    refused(&pair, PORT);
    assert!(first.flush(PATIENCE));
    assert_eq!(errors(&told(&first_events, &pair)).len(), 2);
}
