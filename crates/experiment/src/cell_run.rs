//! One cell's life, from the first namespace to the last counter.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_endpoint::{
    EndSummary, EndpointEvent, EndpointEventKind, run_client, run_server, stop_signal,
};
use keepalive_lab_evidence::{Counters, SocketEvent};
use keepalive_lab_scenario::cell::{Cell, Experiment};
use keepalive_lab_scenario::end::{End, EndEvent, Ends};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::breaker::{Breaker, FaultError, Report, host};
use crate::kernel;
use crate::lab::Tools;
use crate::outcome::{CellOutcome, EndOutcome, origin};
use crate::record::{KernelRecord, LabEvent, LabRecord, Record, StopReason};
use crate::router::Subscription;
use crate::schedule::{self, Schedule};
use crate::stop::{Progress, is_over};
use crate::timer_thread::Orders;
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

/// Runs one cell; `tell` is given each record as it is known.
///
/// Dropping the future takes the whole cell down, sockets first, then the namespaces.
pub async fn run_cell(
    tools: &Tools,
    number: usize,
    cell: &Cell,
    tell: &dyn Fn(Record),
) -> Result<CellOutcome, CellError> {
    let started = Monotonic::now();
    let experiment = cell.experiment.clone();
    let subnet = tools.subnet_of(number);
    let World { pair, breaker, listener, connector, server, tcp_retries2, records } =
        tools.builder.call(move |builder| world::build(builder, &experiment, subnet)).await?;
    for record in records {
        tell(Record::Lab(record));
    }

    let addresses = Ends { client: connector.local_address(), server };
    let mut kernel_events = tools.router.subscribe([addresses.client.ip(), addresses.server.ip()]);
    let mut faults = Faults::new(breaker, tools.timer.orders());
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

    let (sink, events) = unbounded_channel();
    let (stop, signal) = stop_signal();
    let mut ends = RunningEnds {
        server: tokio::spawn(run_server(listener, sink.clone(), signal.clone())),
        client: tokio::spawn(run_client(connector, server, sink, signal)),
        summaries: Ends::default(),
        events,
    };
    let because = life.live(&mut ends, &mut faults, &mut kernel_events).await?;
    let stopped = Monotonic::now();

    // The counters first: stopping an end that is still connected sends a RST.
    let counted = faults.count().await;
    life.note_fault(counted)?;
    let counters = Ends::from_fn(|end| {
        host(&pair, end).namespace().enter(Counters::of_this_thread).ok().and_then(Result::ok)
    });
    life.tell_lab(stopped, LabEvent::Stopped { because });
    stop.stop();
    let summaries = ends.finish(&mut life).await;
    tools.catch_up(CATCH_UP).await;
    for event in kernel_events.drain() {
        life.note_kernel(&event);
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
    Ok(CellOutcome { ends, started, stopped, because })
}

/// The two programs while they run.
struct RunningEnds {
    client: JoinHandle<EndSummary>,
    server: JoinHandle<EndSummary>,
    summaries: Ends<Option<EndSummary>>,
    events: UnboundedReceiver<EndpointEvent>,
}

impl RunningEnds {
    /// Waits for both programs after they were told to stop, and tells their last events.
    async fn finish(mut self, life: &mut Life<'_>) -> Ends<EndSummary> {
        let client = match self.summaries.client.take() {
            Some(summary) => summary,
            None => ended(self.client.await),
        };
        let server = match self.summaries.server.take() {
            Some(summary) => summary,
            None => ended(self.server.await),
        };
        while let Ok(event) = self.events.try_recv() {
            (life.tell)(Record::Application(event));
        }
        Ends { client, server }
    }
}

/// A program's summary; its panic is a fault of ours and goes on.
fn ended(joined: Result<EndSummary, tokio::task::JoinError>) -> EndSummary {
    joined.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => panic!("nobody cancels the programs: {error}"),
    })
}

/// The faults of the cell, carried out on the timer thread.
struct Faults {
    breaker: Arc<Mutex<Breaker>>,
    orders: Orders,
    reports: UnboundedReceiver<Report>,
    done: UnboundedSender<Report>,
}

impl Faults {
    fn new(breaker: Breaker, orders: Orders) -> Self {
        let (done, reports) = unbounded_channel();
        Self { breaker: Arc::new(Mutex::new(breaker)), orders, reports, done }
    }

    /// Has one entry of the schedule carried out when it is due, or at once.
    fn order(&self, index: usize, due: Option<Monotonic>) {
        self.on_timer_thread(due, move |breaker| breaker.carry_out(index, due));
    }

    /// Reads the counters of all rules that are in force.
    async fn count(&mut self) -> Report {
        self.on_timer_thread(None, Breaker::count);
        self.next_report().await
    }

    async fn next_report(&mut self) -> Report {
        self.reports.recv().await.expect("this value holds a sender too")
    }

    fn on_timer_thread(
        &self,
        due: Option<Monotonic>,
        work: impl FnOnce(&mut Breaker) -> Report + Send + 'static,
    ) {
        // Weak: when the cell is over, a fault that is still due must not keep its network alive.
        let (breaker, done) = (Arc::downgrade(&self.breaker), self.done.clone());
        self.orders.at(due.unwrap_or_else(Monotonic::now), move || {
            if let Some(breaker) = breaker.upgrade() {
                let report = work(&mut breaker.lock().unwrap_or_else(PoisonError::into_inner));
                // A cell that was interrupted no longer wants the report.
                let _ = done.send(report);
            }
        });
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
