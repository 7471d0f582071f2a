//! A thread that does things at absolute moments: how faults come into force on time.
//!
//! A tokio timer fires on a wheel of whole milliseconds. This thread sleeps to the nanosecond
//! (`FUTEX_WAIT_BITSET` with an absolute `CLOCK_MONOTONIC` deadline, as `recv_timeout` does) with a timer slack of 1 ns
//! instead of the usual 50 µs (`PR_SET_TIMERSLACK`, see `prctl(2)`), and shares no core work with the ends.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;

use keepalive_lab_clock::Monotonic;

type Job = Box<dyn FnOnce() + Send>;

/// The thread; it ends when this value is dropped, without doing what is not yet due.
#[derive(Debug)]
pub struct TimerThread {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// Something to do, and when.
struct Order {
    due: Monotonic,
    /// Orders for one moment are carried out in the order they were given.
    number: u64,
    job: Job,
}

/// The other half of [`TimerThread`]: gives it orders. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Orders(Sender<Order>);

impl TimerThread {
    /// Starts the thread.
    pub fn start() -> std::io::Result<Self> {
        let (orders, inbox) = mpsc::channel();
        let thread = std::thread::Builder::new().name("faults".into()).spawn(move || {
            // Without it a fault is up to 50 µs later: worse, but no reason to give up.
            let _ = nix::sys::prctl::set_timerslack(1);
            carry_out(&inbox);
        })?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// A handle to give orders by.
    pub fn orders(&self) -> Orders {
        Orders(self.orders.clone().expect("the sender lives as long as the thread"))
    }
}

impl Drop for TimerThread {
    fn drop(&mut self) {
        // Handles that still exist keep the channel open, so an order ends the thread, not its close.
        if let Some(orders) = self.orders.take() {
            let _ = orders.send(Order::last());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Orders {
    /// Has `job` done at `due`, or at once if that has passed. Jobs are short: the next waits.
    pub fn at(&self, due: Monotonic, job: impl FnOnce() + Send + 'static) {
        // The thread only ends after the last cell; an order that comes later has nothing to act on.
        let _ = self.0.send(Order { due, number: 0, job: Box::new(job) });
    }
}

impl Order {
    /// The order that ends the thread: a moment that never comes.
    fn last() -> Self {
        Self { due: Monotonic::from_nanos(u64::MAX), number: u64::MAX, job: Box::new(|| {}) }
    }

    fn is_last(&self) -> bool {
        self.number == u64::MAX
    }

    const fn rank(&self) -> (Monotonic, u64) {
        (self.due, self.number)
    }
}

impl PartialEq for Order {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Order {}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Order {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

fn carry_out(inbox: &Receiver<Order>) {
    let mut waiting = BinaryHeap::<Reverse<Order>>::new();
    let mut number = 0;
    loop {
        let received = match waiting.peek() {
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(Reverse(next)) => inbox.recv_timeout(next.due - Monotonic::now()),
        };
        match received {
            Ok(order) if order.is_last() => return,
            Ok(order) => {
                waiting.push(Reverse(Order { number, ..order }));
                number += 1;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        while waiting.peek().is_some_and(|Reverse(next)| next.due <= Monotonic::now()) {
            if let Some(Reverse(order)) = waiting.pop() {
                (order.job)();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn jobs_are_done_at_their_moment_in_order_of_deadline_then_of_giving() {
        let timer = TimerThread::start().unwrap();
        let (done, inbox) = mpsc::channel();
        let start = Monotonic::now();
        let order = |name: &'static str, milliseconds| {
            let done = done.clone();
            let due = start + Duration::from_millis(milliseconds);
            timer.orders().at(due, move || done.send((name, due, Monotonic::now())).unwrap());
        };
        order("third", 40);
        order("first", 20);
        order("second", 20);
        let seen: Vec<_> = (0..3).map(|_| inbox.recv().unwrap()).collect();
        assert_eq!(seen.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), ["first", "second", "third"]);
        for (name, due, at) in seen {
            assert!(at >= due, "{name} was early");
        }
    }

    #[test]
    fn an_order_in_the_past_is_done_at_once_and_a_far_one_does_not_delay_the_end() {
        let timer = TimerThread::start().unwrap();
        let (done, inbox) = mpsc::channel();
        timer.orders().at(Monotonic::from_nanos(1), move || done.send(()).unwrap());
        inbox.recv_timeout(Duration::from_secs(5)).expect("done at once");
        let handle = timer.orders();
        handle.at(Monotonic::now() + Duration::from_hours(1), || unreachable!());
        let before = Monotonic::now();
        drop(timer);
        assert!(Monotonic::now() - before < Duration::from_secs(5));
    }
}
