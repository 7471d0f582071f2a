//! A server and a client on the loopback of the calling thread's namespace.

// Each test binary uses another part of it, and a module of tests has nobody to be public to.
#![allow(dead_code, unreachable_pub)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use keepalive_lab_endpoint::{
    Connector, EndSummary, EndpointEvent, EndpointEventKind, Listener, run_client, run_server, stop_signal,
};
use keepalive_lab_scenario::end::End;
use keepalive_lab_scenario::program::{Program, Traffic};
use nix::sys::resource::{UsageWho, getrusage};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// What a pair, or one end of it, came to.
pub struct Lives {
    /// How they ended; one that was not asked for is missing.
    pub client: Option<EndSummary>,
    pub server: Option<EndSummary>,
    /// What both told, in the order they told it.
    pub events: Vec<EndpointEvent>,
}

impl Lives {
    pub fn client(&self) -> &EndSummary {
        self.client.as_ref().expect("there was a client")
    }

    pub fn server(&self) -> &EndSummary {
        self.server.as_ref().expect("there was a server")
    }

    /// The events of one end.
    pub fn of(&self, end: End) -> impl Iterator<Item = &EndpointEvent> {
        self.events.iter().filter(move |event| event.end == end)
    }

    /// The events of one end that satisfy a condition.
    pub fn count(&self, end: End, condition: impl Fn(&EndpointEventKind) -> bool) -> usize {
        self.of(end).filter(|event| condition(&event.what)).count()
    }
}

pub fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Any port of 127.0.0.1.
pub fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// A program with this traffic and no options.
pub fn program(traffic: Traffic) -> Program {
    Program { traffic, ..Program::default() }
}

pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime can be built")
}

/// Runs both ends until both are over, or stops them after `limit`.
pub fn live(server: &Program, client: &Program, limit: Duration) -> Lives {
    live_on(loopback(), server, client, limit)
}

/// The same with the server at a certain address.
pub fn live_on(address: SocketAddr, server: &Program, client: &Program, limit: Duration) -> Lives {
    let listener = Listener::bind(address, server).expect("the server's socket can be made");
    let remote = listener.local_address();
    let connector = Connector::new(loopback(), client).expect("the client's socket can be made");
    runtime().block_on(async {
        let (sink, events) = unbounded_channel();
        let (handle, stop) = stop_signal();
        let server = tokio::spawn(run_server(listener, sink.clone(), stop.clone()));
        let client = tokio::spawn(run_client(connector, remote, sink, stop));
        let mut both = Box::pin(async { (server.await, client.await) });
        let ended = if let Ok(ended) = timeout(limit, &mut both).await {
            ended
        } else {
            handle.stop();
            both.await
        };
        Lives {
            server: Some(ended.0.expect("the server does not panic")),
            client: Some(ended.1.expect("the client does not panic")),
            events: drain(events),
        }
    })
}

/// Runs a client against a peer that the test plays itself.
pub fn live_client(remote: SocketAddr, client: &Program, limit: Duration) -> Lives {
    let connector = Connector::new(loopback(), client).expect("the client's socket can be made");
    runtime().block_on(async {
        let (sink, events) = unbounded_channel();
        let (handle, stop) = stop_signal();
        let mut life = Box::pin(run_client(connector, remote, sink, stop));
        let ended = if let Ok(ended) = timeout(limit, &mut life).await {
            ended
        } else {
            handle.stop();
            life.await
        };
        Lives { server: None, client: Some(ended), events: drain(events) }
    })
}

fn drain(mut events: UnboundedReceiver<EndpointEvent>) -> Vec<EndpointEvent> {
    std::iter::from_fn(|| events.try_recv().ok()).collect()
}

/// CPU time the calling thread used while `f` ran.
pub fn cpu_time<T>(f: impl FnOnce() -> T) -> (Duration, T) {
    let used = || {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("getrusage works");
        let micros = |time: nix::sys::time::TimeVal| {
            u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).expect("CPU time is positive")
        };
        Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time()))
    };
    let before = used();
    let value = f();
    (used().saturating_sub(before), value)
}
