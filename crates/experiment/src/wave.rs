//! The cells that run at once.

use std::num::NonZeroUsize;
use std::sync::mpsc::Sender;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use keepalive_lab_clock::Monotonic;
use keepalive_lab_scenario::cell::Cell;
use tokio::runtime::Builder;

use crate::cell_run::prepare;
use crate::lab::Event;
use crate::phase::Starts;
use crate::record::Record;
use crate::tools::Tools;

/// Threads of ends, at most: an end that waited for another's thread would begin too late.
const THREADS: usize = 100_000;

/// Runs all these cells, wave after wave of at most `at_once`, and tells what happens.
pub async fn run_all(tools: &Tools, cells: &[Cell], at_once: NonZeroUsize, events: &Sender<Event>) {
    let numbered: Vec<(usize, &Cell)> = cells.iter().enumerate().collect();
    for wave in numbered.chunks(at_once.get()) {
        run_wave(tools, wave, events).await;
    }
}

/// Runs these cells at once: all their worlds are built before the first begins, and taken down after the last
/// has ended.
async fn run_wave(tools: &Tools, cells: &[(usize, &Cell)], events: &Sender<Event>) {
    // Whoever takes the events is gone only when the run was dropped, and that ends this too.
    let send = |event| drop(events.send(event));
    let tell = |cell| move |record: Record| send(Event::Recorded { cell, record });
    let mut prepared = Vec::with_capacity(cells.len());
    for &(number, cell) in cells {
        send(Event::Started { cell: number, at: Monotonic::now() });
        match prepare(tools, number, cell, &tell(number)).await {
            Ok(ready) => prepared.push((number, cell, ready)),
            Err(error) => send(Event::Failed { cell: number, error }),
        }
    }
    let networks: Vec<_> = prepared.iter().map(|(.., ready)| ready.network()).collect();
    let asks = cells.iter().any(|(_, cell)| cell.phase.is_some());
    let wheel = if asks { tools.wheel() } else { None };
    let mut starts = wheel.map(|wheel| Starts::new(wheel, Monotonic::now()));
    let prepared: Vec<_> = prepared
        .into_iter()
        .map(|(number, cell, ready)| (number, ready, starts.as_mut().and_then(|starts| starts.next(cell))))
        .collect();
    let mut living: FuturesUnordered<_> = prepared
        .into_iter()
        .map(|(number, ready, start)| async move {
            send(match ready.live(tools, start, &tell(number)).await {
                Ok(outcome) => Event::Ended { cell: number, outcome: Box::new(outcome) },
                Err(error) => Event::Failed { cell: number, error },
            });
        })
        .collect();
    while living.next().await.is_some() {}
    drop(networks);
}

/// Waits for this on the calling thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread()
        .max_blocking_threads(THREADS)
        .enable_all()
        .build()
        .expect("epoll and eventfd are on every Linux")
        .block_on(future)
}
