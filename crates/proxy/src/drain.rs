//! The signal that this process is to stop.

use tokio::sync::watch;

/// Says to every thread, once, that no new work is to begin.
#[derive(Debug)]
pub(crate) struct DrainSignal(watch::Sender<bool>);

impl Default for DrainSignal {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl DrainSignal {
    /// Begins to stop.
    pub(crate) fn drain(&self) {
        self.0.send_replace(true);
    }

    /// Whether the process is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when the process is to stop; at once if it is stopping already.
    pub(crate) async fn draining(&self) {
        // The sender is ours, so there is no other end.
        let _ = self.0.subscribe().wait_for(|drain| *drain).await;
    }
}
