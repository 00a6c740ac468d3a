//! The number of idle connections in one worker's pool.

use std::cell::Cell;
use std::sync::Arc;

use super::metrics::UpstreamMetrics;

/// Counts the idle connections of one worker over all its destinations.
pub(super) struct IdleCount {
    count: Cell<usize>,
    /// More are closed instead.
    most: usize,
    metrics: Arc<UpstreamMetrics>,
}

impl IdleCount {
    /// Counts none yet. The count is also added to the gauge of `metrics`.
    pub(super) fn new(most: usize, metrics: Arc<UpstreamMetrics>) -> Self {
        Self {
            count: Cell::default(),
            most,
            metrics,
        }
    }

    /// Whether the pool may keep one more idle connection.
    pub(super) fn has_room(&self) -> bool {
        self.count.get() < self.most
    }

    /// Counts a connection that has become idle.
    pub(super) fn add(&self) {
        self.count.set(self.count.get() + 1);
        self.metrics.idle_connections.add(1);
    }

    /// Counts `count` connections that are not idle any more.
    pub(super) fn subtract(&self, count: usize) {
        self.count.set(self.count.get() - count);
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.idle_connections.add(-count);
    }
}

#[cfg(test)]
impl IdleCount {
    /// The number of idle connections.
    pub(super) fn get(&self) -> usize {
        self.count.get()
    }
}
