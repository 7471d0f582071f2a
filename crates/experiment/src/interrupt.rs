//! Ending a run early.

use tokio::sync::watch;

/// Ends all runs of a lab early, from any thread.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Sender<bool>);

impl Default for Interrupt {
    fn default() -> Self {
        Self(watch::channel(false).0)
    }
}

impl Interrupt {
    /// Takes the cell in progress down and starts no other.
    pub fn interrupt(&self) {
        self.0.send_replace(true);
    }

    /// Whether someone did.
    pub fn is_interrupted(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves once someone did.
    pub(crate) async fn raised(&self) {
        // This value keeps the channel open, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|yes| *yes).await;
    }
}
