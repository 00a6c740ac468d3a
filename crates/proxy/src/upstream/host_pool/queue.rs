//! Requests that wait for a connection because there may be no more.

use super::HostPool;
use crate::upstream::limits;

/// A request that waits for a connection, while it does.
pub(crate) struct PoolQueueGuard<'a> {
    host_pool: &'a HostPool,
    _everywhere: limits::QueueGuard<'a>,
}

impl HostPool {
    /// Begins to wait for a connection: from here on none is closed or comes back unnoticed.
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
    /// Waits until a connection has come back to this worker, or one was closed anywhere.
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
