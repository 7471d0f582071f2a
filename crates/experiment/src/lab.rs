//! The lab: running cells, and telling what happens.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use keepalive_lab_clock::Monotonic;
use keepalive_lab_evidence::WatchError;
use keepalive_lab_scenario::cell::Cell;
use tokio::sync::oneshot;

use crate::capacity::{Capacity, raise_descriptor_limit};
use crate::cell_run::CellError;
use crate::interrupt::Interrupt;
use crate::outcome::CellOutcome;
use crate::record::Record;
use crate::rehearsal::rehearse;
use crate::tools::{LabError, Tools};
use crate::wave::{block_on, run_all};
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
        raise_descriptor_limit();
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

    /// How many of these cells this machine can have at once without one of them disturbing another.
    pub fn most_at_once(cells: &[Cell]) -> NonZeroUsize {
        Capacity::now().at_once(cells)
    }

    /// Starts to run the cells on a thread of its own: whoever takes the events may be slow without holding up
    /// the ends.
    ///
    /// They run in waves of at most `at_once`, and at most [`most_at_once`](Self::most_at_once), in their
    /// order: the worlds of a wave are all built before its first cell begins, and taken down after its
    /// last has ended, because building and taking down hold the kernel's RTNL lock and so delay the link
    /// changes of others (taking down for up to 0.1 s). A cell's sockets go when it ends.
    ///
    /// The events of cells that run at once come mixed. What cells share is the CPU, the thread that drives
    /// the ends that write once at most (the others have their own), the one that strikes faults (a rule that
    /// its program deletes holds it for some 10 ms) and the kernel's tables; their networks are apart.
    pub fn run(&self, cells: Vec<Cell>, at_once: NonZeroUsize) -> Result<Run, LabError> {
        let at_once = at_once.min(Self::most_at_once(&cells));
        let (sender, events) = mpsc::channel();
        let (dropped, gone) = oneshot::channel();
        let (tools, interrupt) = (Arc::clone(&self.tools), self.interrupt_handle());
        let thread = std::thread::Builder::new().name("cells".into()).spawn(move || {
            block_on(async {
                tokio::select! {
                    biased;
                    () = interrupt.raised() => {}
                    _ = gone => {}
                    () = run_all(&tools, &cells, at_once, &sender) => {}
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
