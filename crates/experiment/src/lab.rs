//! The lab: what all cells of a run share, and running them.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_evidence::{KernelEvent, KernelWatch, WatchError};
use keepalive_lab_netlab::{BuildError, Builder};
use keepalive_lab_scenario::cell::Cell;
use tokio::sync::{oneshot, watch};

use crate::cell_run::{CellError, run_cell};
use crate::outcome::CellOutcome;
use crate::record::Record;
use crate::rehearsal::rehearse;
use crate::router::Router;
use crate::timer_thread::TimerThread;
use crate::worker::Worker;
use crate::world::WorldError;

/// From the first subnet of one process to that of the next: prime to the number of subnets.
const SUBNETS_APART: u32 = 257;

/// What the cells of a run share: a thread that builds networks, one that strikes on time, and the
/// kernel's tracepoints.
#[derive(Debug)]
pub struct Lab {
    tools: Arc<Tools>,
    interrupt: Interrupt,
    kernel_watch_error: Option<WatchError>,
}

/// The shared parts, as one cell uses them.
#[derive(Debug)]
pub struct Tools {
    pub(crate) builder: Worker<Builder>,
    pub(crate) timer: TimerThread,
    pub(crate) router: Router,
    kernel_watch: Option<Arc<KernelWatch>>,
    first_subnet: u32,
}

/// Why there is no lab.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// No namespaces.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// No threads.
    #[error("could not start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// What a run tells, in the order it happens.
#[derive(Debug)]
pub enum Event {
    /// A cell begins.
    Started {
        /// Its place in the list.
        cell: usize,
        /// When.
        at: Monotonic,
    },
    /// Something happened in a cell.
    Recorded {
        /// Its place in the list.
        cell: usize,
        /// What.
        record: Record,
    },
    /// A cell ended.
    Ended {
        /// Its place in the list.
        cell: usize,
        /// What it came to.
        outcome: Box<CellOutcome>,
    },
    /// A cell could not be carried out.
    Failed {
        /// Its place in the list.
        cell: usize,
        /// Why.
        error: CellError,
    },
}

/// A run in progress; dropping it ends it.
#[derive(Debug)]
pub struct Run {
    events: Receiver<Event>,
    dropped: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What came of waiting for an event.
#[derive(Debug)]
pub enum Next {
    /// An event.
    Event(Event),
    /// Nothing in this time; the run goes on.
    Nothing,
    /// The run is over.
    Over,
}

/// Ends all runs of a lab early, from any thread.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Sender<bool>);

impl Interrupt {
    /// Takes the cell in progress down and starts no other.
    pub fn interrupt(&self) {
        self.0.send_replace(true);
    }

    /// Whether someone did.
    pub fn is_interrupted(&self) -> bool {
        *self.0.borrow()
    }
}

impl Lab {
    /// Opens the lab for cells whose servers listen on `ports`. Blocks for about 30 ms.
    ///
    /// Where the tracepoints cannot be read, the lab works without them: see
    /// [`Lab::kernel_watch_error`].
    pub fn open(ports: &[u16]) -> Result<Self, LabError> {
        let router = Router::default();
        let sink = router.clone();
        let watch = KernelWatch::start(ports, move |event| {
            if let KernelEvent::Socket(event) = event {
                sink.route(event);
            }
        });
        let (kernel_watch, kernel_watch_error) = match watch {
            Ok(watch) => (Some(Arc::new(watch)), None),
            Err(error) => (None, Some(error)),
        };
        let builder = Worker::start("networks", Builder::new()?)?;
        let timer = TimerThread::start()?;
        let first_subnet = std::process::id().wrapping_mul(SUBNETS_APART);
        let tools = Arc::new(Tools { builder, timer, router, kernel_watch, first_subnet });
        Ok(Self { tools, interrupt: Interrupt(watch::channel(false).0), kernel_watch_error })
    }

    /// A handle to end runs early.
    pub fn interrupt_handle(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// Why the kernel's own time stamps will be missing, if they will.
    pub const fn kernel_watch_error(&self) -> Option<&WatchError> {
        self.kernel_watch_error.as_ref()
    }

    /// The tracepoints that this kernel lacks; empty where none does, or where none can be read.
    pub fn missing_tracepoints(&self) -> &[&'static str] {
        self.tools.kernel_watch.as_ref().map_or(&[], |watch| watch.missing())
    }

    /// Tries the world of every cell, or of those before an interrupt; see [`crate::rehearsal`].
    pub fn rehearse(&self, cells: &[Cell]) -> Result<(), (usize, WorldError)> {
        let (cells, interrupt) = (cells.to_vec(), self.interrupt_handle());
        block_on(self.tools.builder.call(move |builder| rehearse(builder, &cells, &interrupt)))
    }

    /// Starts to run the cells, one after another, on a thread of its own: whoever takes the events may
    /// be slow without holding up the ends.
    pub fn run(&self, cells: Vec<Cell>) -> Result<Run, LabError> {
        let (sender, events) = mpsc::channel();
        let (dropped, gone) = oneshot::channel();
        let (tools, mut interrupted) = (Arc::clone(&self.tools), self.interrupt.0.subscribe());
        let thread = std::thread::Builder::new().name("cells".into()).spawn(move || {
            block_on(async {
                tokio::select! {
                    biased;
                    _ = interrupted.wait_for(|yes| *yes) => {}
                    _ = gone => {}
                    () = run_all(&tools, &cells, &sender) => {}
                }
            });
        })?;
        Ok(Run { events, dropped: Some(dropped), thread: Some(thread) })
    }
}

impl Tools {
    /// The number of a cell's subnet. Different processes begin at different ones, so that packets and
    /// kernel events of two runs on one machine can be told apart at a glance.
    pub(crate) fn subnet_of(&self, cell: usize) -> u32 {
        let cell = u32::try_from(cell % usize::from(u16::MAX)).unwrap_or(0);
        self.first_subnet.wrapping_add(cell)
    }

    /// Waits until every kernel event up to now has been routed.
    pub(crate) async fn catch_up(&self, timeout: Duration) {
        if let Some(watch) = self.kernel_watch.clone() {
            self.builder.call(move |_| watch.flush(timeout)).await;
        }
    }
}

impl Run {
    /// Waits for the next event, at most this long.
    pub fn next_within(&self, timeout: Duration) -> Next {
        match self.events.recv_timeout(timeout) {
            Ok(event) => Next::Event(event),
            Err(RecvTimeoutError::Timeout) => Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => Next::Over,
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.dropped.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn run_all(tools: &Tools, cells: &[Cell], events: &Sender<Event>) {
    // Whoever takes the events is gone only when the run was dropped, and that ends this too.
    let send = |event| drop(events.send(event));
    for (number, cell) in cells.iter().enumerate() {
        send(Event::Started { cell: number, at: Monotonic::now() });
        let tell = |record| send(Event::Recorded { cell: number, record });
        send(match run_cell(tools, number, cell, &tell).await {
            Ok(outcome) => Event::Ended { cell: number, outcome: Box::new(outcome) },
            Err(error) => Event::Failed { cell: number, error },
        });
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("epoll and eventfd are on every Linux")
        .block_on(future)
}
