//! One cell's life, from the first namespace to the last counter.

mod ends;
mod faults;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_endpoint::{
    Connector, EndSummary, EndpointEvent, EndpointEventKind, Listener, stop_signal,
};
use keepalive_lab_evidence::{Counters, SocketEvent};
use keepalive_lab_netlab::Pair;
use keepalive_lab_scenario::cell::{Cell, Experiment};
use keepalive_lab_scenario::end::{End, EndEvent, Ends};

use self::ends::{RunningEnds, ended};
use self::faults::Faults;
use crate::breaker::{FaultError, Report, host};
use crate::kernel;
use crate::outcome::{CellOutcome, EndOutcome, origin};
use crate::phase::Start;
use crate::record::{KernelRecord, LabEvent, LabRecord, Record, StopReason};
use crate::router::Subscription;
use crate::schedule::{self, Schedule};
use crate::stop::{Progress, is_over};
use crate::tools::Tools;
use crate::world::{self, World, WorldError};

/// How long the reader of the tracepoints may take to catch up at the end of a cell.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Why a cell could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// Its world could not be built.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A fault could not be brought into force, or not be undone.
    #[error(transparent)]
    Fault(#[from] FaultError),
}

/// A cell whose world stands: nothing of it has happened yet, and it can begin at any moment.
pub struct Prepared<'a> {
    cell: &'a Cell,
    pair: Arc<Pair>,
    faults: Faults,
    listener: Listener,
    connector: Connector,
    addresses: Ends<SocketAddr>,
    kernel_events: Subscription,
    tcp_retries2: Ends<Option<u32>>,
}

/// Builds the world of one cell, the `number`th of its run; `tell` is given what was done.
pub async fn prepare<'a>(
    tools: &Tools,
    number: usize,
    cell: &'a Cell,
    tell: &dyn Fn(Record),
) -> Result<Prepared<'a>, CellError> {
    let experiment = cell.experiment.clone();
    let subnet = tools.subnet_of(number);
    let World { pair, breaker, listener, connector, server, tcp_retries2, records } =
        tools.builder.call(move |builder| world::build(builder, &experiment, subnet)).await?;
    for record in records {
        tell(Record::Lab(record));
    }
    let addresses = Ends { client: connector.local_address(), server };
    let kernel_events = tools.router.subscribe([addresses.client.ip(), addresses.server.ip()]);
    let faults = Faults::new(breaker, tools.timer.orders());
    Ok(Prepared { cell, pair, faults, listener, connector, addresses, kernel_events, tcp_retries2 })
}

impl Prepared<'_> {
    /// Its network. Whoever holds this keeps the namespaces beyond the life of the cell.
    pub fn network(&self) -> Arc<Pair> {
        Arc::clone(&self.pair)
    }

    /// Lives the cell's life, from `start` or at once; `tell` is given each record as it is known.
    ///
    /// When it is over, or the future is dropped, the sockets go first and then the namespaces, unless
    /// somebody holds its [`network`](Self::network).
    pub async fn live(
        self,
        tools: &Tools,
        start: Option<Start>,
        tell: &dyn Fn(Record),
    ) -> Result<CellOutcome, CellError> {
        let Self { cell, pair, mut faults, listener, connector, addresses, mut kernel_events, tcp_retries2 } =
            self;
        if let Some(Start { at, .. }) = start {
            tools.wait_until(at).await;
        }
        let (started, server) = (Monotonic::now(), addresses.server);
        let mut life = Life {
            experiment: &cell.experiment,
            tell,
            schedule: Schedule::new(&cell.experiment.faults),
            progress: Ends::default(),
            connect: None,
            first_fault: None,
            addresses,
            kernel_records: Vec::new(),
        };
        for index in schedule::before_connect(&cell.experiment.faults) {
            faults.order(index, None);
            let report = faults.next_report().await;
            life.note_fault(report)?;
        }

        let (stop, signal) = stop_signal();
        let mut ends = RunningEnds::start(&life.experiment.programs, listener, connector, server, signal);
        let because = life.live(&mut ends, &mut faults, &mut kernel_events).await?;
        let stopped = Monotonic::now();

        // The counters first: stopping an end that is still connected sends a RST.
        let counted = faults.count().await;
        life.note_fault(counted)?;
        let counters = Ends::from_fn(|end| {
            host(&pair, end).namespace().enter(Counters::of_this_thread).ok().and_then(Result::ok)
        });
        life.tell_lab(stopped, LabEvent::Stopped { because });
        let torn_down = Monotonic::now();
        stop.stop();
        let summaries = ends.finish(tell).await;
        tools.catch_up(CATCH_UP).await;
        // What the kernel tells of later is our own doing: the RST of an end that was stopped.
        for event in kernel_events.drain().iter().filter(|event| event.at < torn_down) {
            life.note_kernel(event);
        }
        for index in life.schedule.never_due().collect::<Vec<_>>() {
            let fault = cell.experiment.faults[index].name.clone();
            life.tell_lab(stopped, LabEvent::FaultNeverDue { fault });
        }

        let connect = life.connect.unwrap_or(started);
        let outcome = |end: End, summary: EndSummary| EndOutcome {
            origin: origin(connect, life.first_fault, summary.error.as_ref().map(|error| error.at)),
            kernel_error: summary
                .error
                .as_ref()
                .and_then(|error| kernel::decision(&life.kernel_records, end, error)),
            tcp_retries2: *tcp_retries2.get(end),
            keepalive_probes: counters.get(end).as_ref().and_then(Counters::keepalive_probes),
            retransmits: counters.get(end).as_ref().and_then(Counters::retransmits),
            summary,
        };
        let ends = Ends {
            client: outcome(End::Client, summaries.client),
            server: outcome(End::Server, summaries.server),
        };
        Ok(CellOutcome { ends, started, stopped, because, phase: start.map(|start| start.offset) })
    }
}

/// What is known of a cell while it lives.
struct Life<'a> {
    experiment: &'a Experiment,
    tell: &'a dyn Fn(Record),
    schedule: Schedule,
    progress: Ends<Progress>,
    connect: Option<Monotonic>,
    first_fault: Option<Monotonic>,
    addresses: Ends<SocketAddr>,
    kernel_records: Vec<KernelRecord>,
}

impl Life<'_> {
    /// Watches until the stop condition holds or the limit is reached.
    async fn live(
        &mut self,
        ends: &mut RunningEnds,
        faults: &mut Faults,
        kernel_events: &mut Subscription,
    ) -> Result<StopReason, CellError> {
        let stop = &self.experiment.stop;
        let limit = tokio::time::sleep(stop.limit);
        tokio::pin!(limit);
        loop {
            tokio::select! {
                // Events of an end come before its end is known, so that a fault that waits for the
                // error is not missed.
                biased;
                Some(event) = ends.events.recv() => self.note_end(event, faults),
                report = faults.next_report() => self.note_fault(report)?,
                event = kernel_events.next() => self.note_kernel(&event),
                summary = &mut ends.client, if ends.summaries.client.is_none() => {
                    ends.summaries.client = Some(ended(summary));
                    self.progress.client.finished = true;
                }
                summary = &mut ends.server, if ends.summaries.server.is_none() => {
                    ends.summaries.server = Some(ended(summary));
                    self.progress.server.finished = true;
                }
                () = &mut limit => return Ok(StopReason::Limit),
            }
            if is_over(stop.when, &self.progress) {
                return Ok(StopReason::Condition);
            }
        }
    }

    fn note_end(&mut self, event: EndpointEvent, faults: &Faults) {
        if matches!(event.what, EndpointEventKind::Connecting { .. }) {
            self.connect = Some(event.at);
        }
        if let Some(what) = event.what.end_event() {
            self.progress.get_mut(event.end).connected |= what == EndEvent::Connected;
            for due in self.schedule.note(event.end, what, event.at) {
                faults.order(due.fault, Some(due.at));
            }
        }
        (self.tell)(Record::Application(event));
    }

    fn note_fault(&mut self, report: Report) -> Result<(), CellError> {
        for record in report.records {
            (self.tell)(Record::Lab(record));
        }
        self.first_fault = self.first_fault.or(report.broke);
        match report.failures.into_iter().next() {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }

    fn note_kernel(&mut self, event: &SocketEvent) {
        if let Some(record) = kernel::record_of(event, &self.addresses) {
            self.kernel_records.push(record.clone());
            (self.tell)(Record::Kernel(record));
        }
    }

    fn tell_lab(&self, at: Monotonic, what: LabEvent) {
        (self.tell)(Record::Lab(LabRecord { at, what }));
    }
}
