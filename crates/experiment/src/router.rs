//! Tracepoints see the whole machine; the router tells which event belongs to which cell.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use keepalive_lab_evidence::SocketEvent;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Hands each event to the cell that has its local address: every cell has its own subnet.
#[derive(Clone, Debug, Default)]
pub struct Router(Arc<Mutex<Routes>>);

type Routes = HashMap<IpAddr, UnboundedSender<SocketEvent>>;

/// The events of one cell, until it is dropped.
#[derive(Debug)]
pub struct Subscription {
    router: Router,
    addresses: [IpAddr; 2],
    events: UnboundedReceiver<SocketEvent>,
}

impl Router {
    /// Passes an event on; those of strangers are dropped.
    pub fn route(&self, event: SocketEvent) {
        if let Some(cell) = self.routes().get(&event.local.ip()) {
            // A cell that has just ended no longer wants its events.
            let _ = cell.send(event);
        }
    }

    /// Subscribes to the events of two hosts.
    pub fn subscribe(&self, addresses: [IpAddr; 2]) -> Subscription {
        let (sender, events) = unbounded_channel();
        for address in addresses {
            self.routes().insert(address, sender.clone());
        }
        Subscription { router: self.clone(), addresses, events }
    }

    fn routes(&self) -> std::sync::MutexGuard<'_, Routes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// The next event. Never resolves to "no more": the subscription itself keeps the channel open.
    pub async fn next(&mut self) -> SocketEvent {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    /// The events that have arrived and were not taken yet.
    pub fn drain(&mut self) -> Vec<SocketEvent> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        for address in self.addresses {
            self.router.routes().remove(&address);
        }
    }
}
