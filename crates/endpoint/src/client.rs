//! The end that connects.

use std::io;
use std::net::SocketAddr;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::expect::Outcome;
use nix::errno::Errno;
use socket2::Socket;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::connection::converse;
use crate::conversation::sleep;
use crate::event::{EndpointEventKind, EventSink, Syscall};
use crate::reporter::Reporter;
use crate::socket::Connector;
use crate::stop::StopSignal;
use crate::summary::{EndError, EndSummary, Life};

/// The client: connects to `remote` and lives with the connection until it is over or `stop` is raised.
///
/// `connect()` is called at the first poll. Must run on a tokio runtime with I/O and time.
pub async fn run_client(
    connector: Connector,
    remote: SocketAddr,
    sink: EventSink,
    mut stop: StopSignal,
) -> EndSummary {
    let Connector { socket, local, program, options, since } = connector;
    let mut life = Life::new(Reporter::new(End::Client, sink), local);
    life.reporter.tell_options(since, &options);
    if let Err(error) = life.read_timers(&socket) {
        life.failed(EndError::option(&error, Monotonic::now()));
        return life.into_summary();
    }
    let called = Monotonic::now();
    life.connecting(called, remote);
    // Registered only after the call: epoll reports a socket that was never connected as hung up.
    let stream = match start(&socket, remote) {
        Ok(()) => TcpStream::from_std(socket.into()),
        Err(error) => {
            life.failed(EndError::new(&error, Syscall::Connect, Monotonic::now()));
            life.snapshot(&socket);
            return life.into_summary();
        }
    };
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => {
            life.failed(EndError::new(&error, Syscall::Poll, Monotonic::now()));
            return life.into_summary();
        }
    };
    let give_up = program.connect_timeout.map(|timeout| called + timeout);
    let connected = tokio::select! {
        biased;
        () = stop.raised() => {
            life.ended(Outcome::Unconnected, None);
            None
        }
        decided = decision(&stream) => match decided {
            Ok(at) => Some(at),
            Err(error) => {
                life.failed(error);
                None
            }
        },
        () = sleep(give_up), if give_up.is_some() => {
            let at = Monotonic::now();
            life.reporter.tell(at, EndpointEventKind::ConnectTimeout);
            life.ended(Outcome::Unconnected, Some(at));
            None
        }
    };
    if let Some(at) = connected {
        // A socket bound to any address has got one of its own by now.
        life.connected(at, stream.local_addr().unwrap_or(local), remote);
        converse(&mut life, stream, &program.traffic, at, &mut stop).await;
    } else {
        life.snapshot(&stream);
    }
    life.into_summary()
}

/// Calls `connect()`; what it starts is decided later.
fn start(socket: &Socket, remote: SocketAddr) -> io::Result<()> {
    match socket.connect(&remote.into()) {
        Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => Ok(()),
        other => other,
    }
}

/// Waits until the kernel has decided the `connect()`: when the event loop was told of success.
async fn decision(stream: &TcpStream) -> Result<Monotonic, EndError> {
    // Readiness that is noted comes from the decision: while a SYN is out epoll reports nothing.
    let ready = stream.ready(Interest::WRITABLE | Interest::ERROR).await;
    let at = Monotonic::now();
    match ready.and_then(|_| stream.take_error()) {
        Ok(None) => Ok(at),
        Ok(Some(error)) | Err(error) => Err(EndError::new(&error, Syscall::Connect, at)),
    }
}
