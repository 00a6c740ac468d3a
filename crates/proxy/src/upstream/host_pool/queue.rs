//! Requests that wait for a connection because there may be no more.

use super::Shelf;
use crate::upstream::limits;

/// A request that waits for a connection, while it does.
pub(crate) struct Queued<'a> {
    shelf: &'a Shelf,
    _everywhere: limits::Queued<'a>,
}

impl Shelf {
    /// Begins to wait for a connection: from here on none is closed or comes back unnoticed.
    pub(crate) fn queue(&self) -> Queued<'_> {
        self.queued.set(self.queued.get() + 1);
        Queued {
            shelf: self,
            _everywhere: self.site.limits.queue(),
        }
    }

    /// Whether requests of this worker wait for a connection.
    pub(in crate::upstream) fn is_queued_for(&self) -> bool {
        self.queued.get() > 0
    }
}

impl Queued<'_> {
    /// Waits until a connection has come back to this worker, or one was closed anywhere.
    pub(crate) async fn wait(&self) {
        tokio::select! {
            () = self.shelf.returned.notified() => {}
            () = self.shelf.site.limits.freed().notified() => {}
        }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.shelf.queued.set(self.shelf.queued.get() - 1);
    }
}
