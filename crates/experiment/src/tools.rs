//! What the cells of a run share.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keepalive_lab_clock::{Monotonic, Wheel};
use keepalive_lab_evidence::{KernelEvent, KernelWatch, WatchError};
use keepalive_lab_netlab::{BuildError, Builder};

use tokio::sync::oneshot;

use crate::router::Router;
use crate::timer_thread::TimerThread;
use crate::worker::Worker;

/// From the first subnet of one process to that of the next: prime to the number of subnets.
const SUBNETS_APART: u32 = 257;

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

/// A thread that builds networks, one that strikes on time, and the kernel's tracepoints.
#[derive(Debug)]
pub struct Tools {
    pub(crate) builder: Worker<Builder>,
    pub(crate) timer: TimerThread,
    pub(crate) router: Router,
    pub(crate) kernel_watch: Result<Arc<KernelWatch>, WatchError>,
    first_subnet: u32,
    wheel: OnceLock<Option<Wheel>>,
}

impl Tools {
    /// Starts the threads and the tracepoints of sockets that use one of `ports`. Where those cannot be
    /// read, all else works without them.
    pub(crate) fn open(ports: &[u16]) -> Result<Self, LabError> {
        let router = Router::default();
        let sink = router.clone();
        let kernel_watch = KernelWatch::start(ports, move |event| {
            if let KernelEvent::Socket(event) = event {
                sink.route(event);
            }
        });
        Ok(Self {
            builder: Worker::start("networks", Builder::new()?)?,
            timer: TimerThread::start()?,
            router,
            kernel_watch: kernel_watch.map(Arc::new),
            first_subnet: std::process::id().wrapping_mul(SUBNETS_APART),
            wheel: OnceLock::new(),
        })
    }

    /// The number of a cell's subnet. Different processes begin at different ones, so that packets and
    /// kernel events of two runs on one machine can be told apart at a glance.
    pub(crate) fn subnet_of(&self, cell: usize) -> u32 {
        let cell = u32::try_from(cell % usize::from(u16::MAX)).unwrap_or(0);
        self.first_subnet.wrapping_add(cell)
    }

    /// The kernel's timer wheel. The first call may block for some milliseconds.
    pub(crate) fn wheel(&self) -> Option<&Wheel> {
        self.wheel.get_or_init(Wheel::of_this_kernel).as_ref()
    }

    /// Waits until this moment: some 0.1 ms more, not the millisecond of a tokio timer.
    pub(crate) async fn wait_until(&self, moment: Monotonic) {
        let (come, has_come) = oneshot::channel();
        self.timer.orders().at(moment, || {
            // Nobody waits any more when the run was interrupted.
            let _ = come.send(());
        });
        // The thread drops an order only at its own end, after the last cell.
        let _ = has_come.await;
    }

    /// Waits until every kernel event up to now has been routed.
    pub(crate) async fn catch_up(&self, timeout: Duration) {
        if let Ok(watch) = &self.kernel_watch {
            let watch = Arc::clone(watch);
            self.builder.call(move |_| watch.flush(timeout)).await;
        }
    }
}
