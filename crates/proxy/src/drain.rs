//! The signal that this process is to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Says to every thread, once, that no new work is to begin.
#[derive(Debug)]
pub(crate) struct DrainSignal {
    /// What the channel holds, for those who only look.
    is_draining: AtomicBool,
    channel: watch::Sender<bool>,
}

impl Default for DrainSignal {
    fn default() -> Self {
        Self {
            is_draining: AtomicBool::new(false),
            channel: watch::Sender::new(false),
        }
    }
}

impl DrainSignal {
    /// Begins to stop.
    pub(crate) fn drain(&self) {
        // First, so that whoever the channel wakes sees it.
        self.is_draining.store(true, Ordering::Release);
        self.channel.send_replace(true);
    }

    /// Whether the process is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Ends when the process is to stop; at once if it is stopping already.
    pub(crate) async fn draining(&self) {
        // The sender is ours, so there is no other end.
        let _ = self.channel.subscribe().wait_for(|drain| *drain).await;
    }
}
