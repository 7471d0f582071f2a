//! The cells that run at once.
//!
//! Each lives on a thread of its own, as programs on different machines would. The kernel lays what a thread writes
//! side by side into pages of that thread (`sk_page_frag()` in `include/net/sock.h`): small writes to one socket
//! become one piece of memory, those to several by turns do not, and their buffers are full when a
//! quarter of the bytes waits. Cells on one thread would show in each other's results.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::mpsc::Sender;
use std::thread::{self, ScopedJoinHandle};

use keepalive_lab_clock::Monotonic;
use keepalive_lab_scenario::cell::Cell;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::cell_run::{CellError, Prepared, prepare};
use crate::interrupt::Interrupt;
use crate::lab::Event;
use crate::outcome::CellOutcome;
use crate::phase::Start;
use crate::record::Record;
use crate::tools::Tools;

/// Runs cells, wave after wave, and tells what happens.
pub struct Waves<'a> {
    tools: &'a Tools,
    events: Sender<Event>,
    interrupt: Interrupt,
    /// Whoever wants the events; gone when the sender is.
    wanted: watch::Receiver<()>,
    /// Raised when a cell panicked.
    panicked: Interrupt,
}

/// Tells the other cells if its thread panics.
struct PanicWatch<'a>(&'a Interrupt);

impl<'a> Waves<'a> {
    /// Until `interrupt` is raised, or the sender of `wanted` is dropped.
    pub fn new(
        tools: &'a Tools,
        events: Sender<Event>,
        interrupt: Interrupt,
        wanted: watch::Receiver<()>,
    ) -> Self {
        Self { tools, events, interrupt, wanted, panicked: Interrupt::default() }
    }

    /// Runs all these cells, at most `at_once` at once. A panic of one of them ends all and goes on.
    pub fn run(&self, cells: &[Cell], at_once: NonZeroUsize) {
        let numbered: Vec<(usize, &Cell)> = cells.iter().enumerate().collect();
        for wave in numbered.chunks(at_once.get()) {
            if self.run_wave(wave).is_none() {
                return;
            }
        }
    }

    /// Runs these cells at once; `None` when they were ended before their time.
    fn run_wave(&self, cells: &[(usize, &Cell)]) -> Option<()> {
        let prepared = block_on(self.unless_ended(self.prepare(cells)))?;
        let networks: Vec<_> = prepared.iter().map(|(.., ready)| ready.network()).collect();
        let asks = cells.iter().any(|(_, cell)| cell.phase.is_some());
        let wheel = if asks { self.tools.wheel() } else { None };
        let built = Monotonic::now();
        let ended = thread::scope(|scope| {
            let threads: Vec<_> = prepared
                .into_iter()
                .filter_map(|(number, cell, ready)| {
                    let start = wheel.and_then(|wheel| Start::of(cell, wheel, built));
                    let thread = thread::Builder::new().name(format!("cell {number}"));
                    let spawned = thread.spawn_scoped(scope, move || self.live(number, ready, start));
                    spawned.map_err(|error| self.tell_end(number, Err(error.into()))).ok()
                })
                .collect();
            // All are waited for before one's panic goes on.
            threads.into_iter().map(ScopedJoinHandle::join).collect::<Vec<_>>()
        });
        drop(networks);
        let ended: Vec<Option<()>> =
            ended.into_iter().map(|joined| joined.unwrap_or_else(|panic| resume_unwind(panic))).collect();
        ended.into_iter().collect()
    }

    /// Builds the worlds of these cells.
    async fn prepare<'c>(&self, cells: &[(usize, &'c Cell)]) -> Vec<(usize, &'c Cell, Prepared<'c>)> {
        let mut prepared = Vec::with_capacity(cells.len());
        for &(number, cell) in cells {
            self.send(Event::Started { cell: number, at: Monotonic::now() });
            match prepare(self.tools, number, cell, &|record| self.tell(number, record)).await {
                Ok(ready) => prepared.push((number, cell, ready)),
                Err(error) => self.tell_end(number, Err(error)),
            }
        }
        prepared
    }

    /// One cell's life, on its own thread; `None` when it was ended before its time.
    fn live(&self, number: usize, ready: Prepared<'_>, start: Option<Start>) -> Option<()> {
        let _watch = PanicWatch(&self.panicked);
        let outcome = match runtime() {
            Ok(runtime) => {
                let tell = |record| self.tell(number, record);
                runtime.block_on(self.unless_ended(ready.live(self.tools, start, &tell)))?
            }
            Err(error) => Err(error.into()),
        };
        self.tell_end(number, outcome);
        Some(())
    }

    /// Does this, unless all is ended before.
    async fn unless_ended<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut wanted = self.wanted.clone();
        tokio::select! {
            biased;
            () = self.interrupt.raised() => None,
            () = self.panicked.raised() => None,
            // Nothing is ever sent: it resolves when the sender is gone.
            _ = wanted.changed() => None,
            done = work => Some(done),
        }
    }

    fn tell(&self, cell: usize, record: Record) {
        self.send(Event::Recorded { cell, record });
    }

    fn tell_end(&self, cell: usize, outcome: Result<CellOutcome, CellError>) {
        self.send(match outcome {
            Ok(outcome) => Event::Ended { cell, outcome: Box::new(outcome) },
            Err(error) => Event::Failed { cell, error },
        });
    }

    fn send(&self, event: Event) {
        // Whoever takes the events is gone only when the run was dropped, and that ends this too.
        let _ = self.events.send(event);
    }
}

impl Drop for PanicWatch<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.interrupt();
        }
    }
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Waits for this on the calling thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    runtime().expect("epoll and eventfd are on every Linux").block_on(future)
}
