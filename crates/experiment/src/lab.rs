//! The lab: running cells, and telling what happens.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_evidence::WatchError;
use keepalive_lab_scenario::cell::Cell;
use tokio::sync::oneshot;

use crate::cell_run::{CellError, run_cell};
use crate::interrupt::Interrupt;
use crate::outcome::CellOutcome;
use crate::record::Record;
use crate::rehearsal::rehearse;
use crate::tools::{LabError, Tools};
use crate::world::WorldError;

/// Runs cells, one run after another.
#[derive(Debug)]
pub struct Lab {
    tools: Arc<Tools>,
    interrupt: Interrupt,
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

impl Lab {
    /// Opens the lab for cells whose servers listen on `ports`. Blocks for about 30 ms.
    ///
    /// Where the tracepoints cannot be read, the lab works without them: see
    /// [`Lab::kernel_watch_error`].
    pub fn open(ports: &[u16]) -> Result<Self, LabError> {
        Ok(Self { tools: Arc::new(Tools::open(ports)?), interrupt: Interrupt::default() })
    }

    /// A handle to end runs early.
    pub fn interrupt_handle(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// Why the kernel's own time stamps will be missing, if they will.
    pub fn kernel_watch_error(&self) -> Option<&WatchError> {
        self.tools.kernel_watch.as_ref().err()
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
        let (tools, interrupt) = (Arc::clone(&self.tools), self.interrupt_handle());
        let thread = std::thread::Builder::new().name("cells".into()).spawn(move || {
            block_on(async {
                tokio::select! {
                    biased;
                    () = interrupt.raised() => {}
                    _ = gone => {}
                    () = run_all(&tools, &cells, &sender) => {}
                }
            });
        })?;
        Ok(Run { events, dropped: Some(dropped), thread: Some(thread) })
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
