//! How a connection comes to be, or does not.

mod pair;

use std::net::TcpListener;

use keepalive_lab_endpoint::{EndpointEventKind, Listener, Syscall, run_client, run_server, stop_signal};
use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::expect::Outcome;
use keepalive_lab_scenario::program::Program;
use pair::{live, live_client, loopback, milliseconds, runtime};
use socket2::{Domain, Socket, Type};
use tokio::sync::mpsc::unbounded_channel;

#[test]
fn both_ends_tell_of_the_same_connection() {
    let lives = live(&Program::default(), &Program::default(), milliseconds(50));
    let (client, server) = (lives.client(), lives.server());
    assert_eq!((client.outcome, server.outcome), (Outcome::Alive, Outcome::Alive));
    assert_eq!(client.remote, Some(server.local));
    assert_eq!(server.remote, Some(client.local));
    let called = client.connect_called.expect("connect() was called");
    assert!(called <= client.connected.expect("connected"));
    assert!(called <= server.connected.expect("accepted"));
    assert_eq!((server.connect_called, client.finished, server.finished), (None, None, None));
    let kinds: Vec<_> = lives.of(End::Client).map(|event| event.what.clone()).collect();
    let connecting = EndpointEventKind::Connecting { local: client.local, remote: server.local };
    let connected = EndpointEventKind::Connected { local: client.local, remote: server.local };
    assert_eq!(kinds[..2], [connecting, connected]);
    assert!(matches!(kinds[2..], [EndpointEventKind::TcpInfo(_)]));
}

#[test]
fn a_closed_port_refuses_and_connect_tells() {
    let closed = TcpListener::bind(loopback()).and_then(|socket| socket.local_addr()).expect("a port");
    let lives = live_client(closed, &Program::default(), milliseconds(2000));
    let client = lives.client();
    assert_eq!(client.outcome, Outcome::Error);
    let error = client.error.as_ref().expect("an error");
    assert_eq!((error.errno.as_str(), error.number, error.syscall), ("ECONNREFUSED", 111, Syscall::Connect));
    assert_eq!((client.finished, client.connected), (Some(error.at), None));
    let failed = |what: &EndpointEventKind| matches!(what, EndpointEventKind::Failed { .. });
    assert_eq!(lives.count(End::Client, failed), 1);
}

#[test]
fn the_application_gives_up_connecting_by_its_own_timer() {
    // One connection fits into an accept queue of length 0; the SYNs of all others are dropped.
    let silent = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    silent.bind(&loopback().into()).and_then(|()| silent.listen(0)).expect("it listens");
    let remote = silent.local_addr().expect("an address").as_socket().expect("of IPv4");
    let _first = std::net::TcpStream::connect(remote).expect("the first fits");
    let client = Program { connect_timeout: Some(milliseconds(150)), ..Program::default() };
    let lives = live_client(remote, &client, milliseconds(3000));
    let client = lives.client();
    assert_eq!((client.outcome, &client.error), (Outcome::Unconnected, &None));
    let waited = client.finished.expect("it gave up") - client.connect_called.expect("called");
    assert!((milliseconds(150)..milliseconds(400)).contains(&waited), "{waited:?}");
    assert_eq!(lives.count(End::Client, |what| *what == EndpointEventKind::ConnectTimeout), 1);
}

#[test]
fn a_server_to_which_nobody_came_is_unconnected_when_stopped() {
    let listener = Listener::bind(loopback(), &Program::default()).expect("it listens");
    let local = listener.local_address();
    let (sink, mut events) = unbounded_channel();
    let (handle, stop) = stop_signal();
    let summary = runtime().block_on(async {
        let server = tokio::spawn(run_server(listener, sink, stop));
        tokio::time::sleep(milliseconds(20)).await;
        // Dropping the handle means the same as stop().
        drop(handle);
        server.await.expect("no panic")
    });
    assert_eq!((summary.outcome, summary.finished, summary.local), (Outcome::Unconnected, None, local));
    assert_eq!(events.try_recv().map(|event| event.what), Ok(EndpointEventKind::Listening { local }));
    assert!(events.try_recv().is_err());
}

#[test]
fn a_second_client_finds_the_port_open_but_is_not_accepted() {
    let listener = Listener::bind(loopback(), &Program::default()).expect("it listens");
    let local = listener.local_address();
    let (sink, _events) = unbounded_channel();
    let (handle, stop) = stop_signal();
    runtime().block_on(async {
        let server = tokio::spawn(run_server(listener, sink, stop));
        let first = tokio::net::TcpStream::connect(local).await.expect("the first is taken");
        let _second = tokio::net::TcpStream::connect(local).await.expect("the port is open");
        tokio::time::sleep(milliseconds(20)).await;
        handle.stop();
        let summary = server.await.expect("no panic");
        assert_eq!(summary.remote, Some(first.local_addr().expect("an address")));
    });
}

#[test]
fn the_ends_can_run_on_any_runtime() {
    fn assert_send<T: Send + 'static>(_: &T) {}
    let listener = Listener::bind(loopback(), &Program::default()).expect("it listens");
    let remote = listener.local_address();
    let connector =
        keepalive_lab_endpoint::Connector::new(loopback(), &Program::default()).expect("it binds");
    let (sink, _events) = unbounded_channel();
    let (_handle, stop) = stop_signal();
    assert_send(&run_server(listener, sink.clone(), stop.clone()));
    assert_send(&run_client(connector, remote, sink, stop));
}
