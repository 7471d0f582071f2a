//! The two programs of a cell as tasks.

use std::net::SocketAddr;

use keepalive_lab_endpoint::{
    Connector, EndSummary, EndpointEvent, Listener, StopSignal, run_client, run_server,
};
use keepalive_lab_scenario::end::Ends;
use keepalive_lab_scenario::program::{Program, Send, Traffic};
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
    /// Starts both; the client connects to `server`.
    pub(super) fn start(
        programs: &Ends<Program>,
        listener: Listener,
        connector: Connector,
        server: SocketAddr,
        stop: StopSignal,
    ) -> Self {
        let (sink, events) = unbounded_channel();
        Self {
            server: spawn(&programs.server, run_server(listener, sink.clone(), stop.clone())),
            client: spawn(&programs.client, run_client(connector, server, sink, stop)),
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

/// Starts a program on the runtime of the calling task, or on a thread of its own if it writes more than once.
///
/// The kernel copies what is written into a page fragment that belongs to the thread (`current->task_frag`, see
/// `sk_page_frag()` in `include/net/sock.h`). Small writes that cannot be sent yet grow one segment as long as they
/// lie side by side there; those of two sockets that one thread writes to do not, each takes a place of its own in
/// the segment, and the send buffer is full after a fraction of the bytes. So ends that shared a thread would
/// disturb one another, in their cell and between cells, where two programs do not.
fn spawn<F>(program: &Program, end: F) -> JoinHandle<EndSummary>
where
    F: Future<Output = EndSummary> + std::marker::Send + 'static,
{
    if writes_once_at_most(&program.traffic) {
        return tokio::spawn(end);
    }
    tokio::task::spawn_blocking(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("descriptors for a runtime: the limit was raised before the cells began")
            .block_on(end)
    })
}

fn writes_once_at_most(traffic: &Traffic) -> bool {
    let writes_again = |send: &Send| matches!(send, Send::Every { .. } | Send::Fill);
    !traffic.reply && traffic.sends.len() <= 1 && !traffic.sends.iter().any(writes_again)
}

/// A program's summary; its panic is a fault of ours and goes on.
pub(super) fn ended(joined: Result<EndSummary, tokio::task::JoinError>) -> EndSummary {
    joined.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => panic!("nobody cancels the programs: {error}"),
    })
}
