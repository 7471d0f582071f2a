//! The two programs of a cell as tasks.

use std::net::SocketAddr;

use keepalive_lab_endpoint::{
    Connector, EndSummary, EndpointEvent, Listener, StopSignal, run_client, run_server,
};
use keepalive_lab_scenario::end::Ends;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use crate::record::Record;

/// The two programs while they run.
pub(super) struct RunningEnds {
    pub(super) client: JoinHandle<EndSummary>,
    pub(super) server: JoinHandle<EndSummary>,
    pub(super) summaries: Ends<Option<EndSummary>>,
    pub(super) events: UnboundedReceiver<EndpointEvent>,
}

impl RunningEnds {
    /// Starts both on the runtime of the calling task; the client connects to `server`.
    pub(super) fn start(
        listener: Listener,
        connector: Connector,
        server: SocketAddr,
        stop: StopSignal,
    ) -> Self {
        let (sink, events) = unbounded_channel();
        Self {
            server: tokio::spawn(run_server(listener, sink.clone(), stop.clone())),
            client: tokio::spawn(run_client(connector, server, sink, stop)),
            summaries: Ends::default(),
            events,
        }
    }

    /// Waits for both programs after they were told to stop, and tells their last events.
    pub(super) async fn finish(mut self, tell: &dyn Fn(Record)) -> Ends<EndSummary> {
        let client = match self.summaries.client.take() {
            Some(summary) => summary,
            None => ended(self.client.await),
        };
        let server = match self.summaries.server.take() {
            Some(summary) => summary,
            None => ended(self.server.await),
        };
        while let Ok(event) = self.events.try_recv() {
            tell(Record::Application(event));
        }
        Ends { client, server }
    }
}

/// A program's summary; its panic is a fault of ours and goes on.
pub(super) fn ended(joined: Result<EndSummary, tokio::task::JoinError>) -> EndSummary {
    joined.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => panic!("nobody cancels the programs: {error}"),
    })
}
