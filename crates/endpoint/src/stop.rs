//! How a pair of ends is told to stop, and what becomes of their connection then.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::close;

/// Makes a signal and the handle that raises it. Give both ends of a cell clones of one signal.
pub fn stop_signal() -> (StopHandle, StopSignal) {
    let (sender, receiver) = watch::channel(());
    (StopHandle(sender), StopSignal { handle_gone: receiver, leftovers: Arc::default() })
}

/// Raises the signal when it is dropped.
#[derive(Debug)]
pub struct StopHandle(watch::Sender<()>);

impl StopHandle {
    /// Tells all ends that hold the signal to stop. The same as dropping the handle.
    pub fn stop(self) {
        drop(self.0);
    }
}

/// What an end watches to learn that it shall stop.
///
/// The connections that were alive then are aborted with the last clone of the signal: not before, so
/// that the RST of one end does not spoil the last snapshot of the other.
#[derive(Clone, Debug)]
pub struct StopSignal {
    handle_gone: watch::Receiver<()>,
    leftovers: Arc<Leftovers>,
}

impl StopSignal {
    /// Resolves once the signal is raised, also if that was long ago.
    pub(crate) async fn raised(&mut self) {
        // Nothing is ever sent: the only news is that the sender is gone.
        while self.handle_gone.changed().await.is_ok() {}
    }

    /// Takes a connection that was alive at the stop.
    pub(crate) fn leave(&self, stream: TcpStream) {
        self.leftovers.0.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
    }
}

#[derive(Debug, Default)]
struct Leftovers(Mutex<Vec<TcpStream>>);

impl Drop for Leftovers {
    fn drop(&mut self) {
        let streams = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        streams.drain(..).for_each(close::abort);
    }
}
