//! The end that listens.

use std::io;
use std::net::SocketAddr;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::expect::Outcome;
use keepalive_lab_scenario::program::Program;
use socket2::{SockRef, Socket};
use tokio::net::{TcpListener, TcpStream};

use crate::connection::converse;
use crate::error::SocketError;
use crate::event::{EndpointEventKind, EventSink, Syscall};
use crate::option::{self, OptionInForce};
use crate::reporter::Reporter;
use crate::socket::Listener;
use crate::stop::StopSignal;
use crate::summary::{EndError, EndSummary, Life};

/// The server: accepts one connection and lives with it until it is over or `stop` is raised.
///
/// The listening socket stays open meanwhile but nothing more is accepted: further connections wait in
/// its queue. Must run on a tokio runtime with I/O and time.
pub async fn run_server(listener: Listener, sink: EventSink, mut stop: StopSignal) -> EndSummary {
    let Listener { socket, local, program, options, since } = listener;
    let mut life = Life::new(Reporter::new(End::Server, sink), local);
    life.reporter.tell(since, EndpointEventKind::Listening { local });
    life.reporter.tell_options(since, &options);
    match TcpListener::from_std(socket.into()) {
        Ok(listening) => tokio::select! {
            biased;
            () = stop.raised() => life.ended(Outcome::Unconnected, None),
            accepted = accept(&listening) => match accepted {
                Ok(accepted) => serve(&mut life, accepted, &program, &mut stop).await,
                Err(error) => life.failed(error),
            },
        },
        Err(error) => life.failed(EndError::new(&error, Syscall::Poll, Monotonic::now())),
    }
    life.into_summary()
}

struct Accepted {
    stream: TcpStream,
    local: SocketAddr,
    remote: SocketAddr,
    at: Monotonic,
}

async fn accept(listening: &TcpListener) -> Result<Accepted, EndError> {
    let accepted = listening.accept().await;
    let at = Monotonic::now();
    let failed = |error: io::Error| EndError::new(&error, Syscall::Accept, at);
    let (stream, remote) = accepted.map_err(failed)?;
    let local = stream.local_addr().map_err(failed)?;
    Ok(Accepted { stream, local, remote, at })
}

async fn serve(life: &mut Life, accepted: Accepted, program: &Program, stop: &mut StopSignal) {
    let Accepted { stream, local, remote, at } = accepted;
    life.connected(at, local, remote);
    let in_force = set_options(life, &SockRef::from(&stream), program);
    match in_force {
        Ok(options) => {
            life.reporter.tell_options(Monotonic::now(), &options);
            converse(life, stream, &program.traffic, at, stop).await;
        }
        Err(error) => life.failed(EndError::option(&error, Monotonic::now())),
    }
}

fn set_options(
    life: &mut Life,
    socket: &Socket,
    program: &Program,
) -> Result<Vec<OptionInForce>, SocketError> {
    let options = option::set_others(socket, &program.options)?;
    life.read_timers(socket)?;
    Ok(options)
}
