//! The faults of a cell, carried out on the timer thread.

use std::sync::{Arc, Mutex, PoisonError};

use keepalive_lab_clock::Monotonic;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::breaker::{Breaker, Report};
use crate::timer_thread::Orders;

/// The faults of the cell, carried out on the timer thread.
pub(super) struct Faults {
    breaker: Arc<Mutex<Breaker>>,
    orders: Orders,
    reports: UnboundedReceiver<Report>,
    done: UnboundedSender<Report>,
}

impl Faults {
    pub(super) fn new(breaker: Breaker, orders: Orders) -> Self {
        let (done, reports) = unbounded_channel();
        Self { breaker: Arc::new(Mutex::new(breaker)), orders, reports, done }
    }

    /// Has one entry of the schedule carried out when it is due, or at once.
    pub(super) fn order(&self, index: usize, due: Option<Monotonic>) {
        self.on_timer_thread(due, move |breaker| breaker.carry_out(index, due));
    }

    /// Reads the counters of all rules that are in force.
    pub(super) async fn count(&mut self) -> Report {
        self.on_timer_thread(None, Breaker::count);
        self.next_report().await
    }

    pub(super) async fn next_report(&mut self) -> Report {
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
