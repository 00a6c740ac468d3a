//! Requests that wait for a connection because no more may be opened.

use super::HostPool;
use crate::upstream::limits;

/// Counts a request as waiting for a connection while it waits.
pub(crate) struct PoolQueueGuard<'a> {
    host_pool: &'a HostPool,
    _everywhere: limits::QueueGuard<'a>,
}

impl HostPool {
    /// Begins to wait for a connection. No return or close of a connection is missed from here on.
    pub(crate) fn queue(&self) -> PoolQueueGuard<'_> {
        self.queued.set(self.queued.get() + 1);
        PoolQueueGuard {
            host_pool: self,
            _everywhere: self.state.limits.queue(),
        }
    }

    /// Whether requests of this worker wait for a connection.
    pub(in crate::upstream) fn is_queued_for(&self) -> bool {
        self.queued.get() > 0
    }
}

impl PoolQueueGuard<'_> {
    /// Waits until a connection was returned to this worker, or one was closed by any worker.
    pub(crate) async fn wait(&self) {
        tokio::select! {
            () = self.host_pool.returned.notified() => {}
            () = self.host_pool.state.limits.freed().notified() => {}
        }
    }
}

impl Drop for PoolQueueGuard<'_> {
    fn drop(&mut self) {
        self.host_pool.queued.set(self.host_pool.queued.get() - 1);
    }
}
