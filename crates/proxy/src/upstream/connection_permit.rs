//! The circuit breaker permit and the counters that every open connection to an upstream holds.

use std::sync::Arc;

use super::limits::LimitPermit;
use super::metrics::UpstreamMetrics;

/// The permit of an open connection, which also counts the connection while it is open.
pub(crate) struct ConnectionPermit {
    metrics: Arc<UpstreamMetrics>,
    _permit: LimitPermit,
}

impl ConnectionPermit {
    pub(crate) fn new(metrics: &Arc<UpstreamMetrics>, permit: LimitPermit) -> Self {
        let metrics = Arc::clone(metrics);
        metrics.connected.increment();
        metrics.connections.add(1);
        Self {
            metrics,
            _permit: permit,
        }
    }

    /// The metrics in which the connection is counted.
    pub(super) fn metrics(&self) -> &Arc<UpstreamMetrics> {
        &self.metrics
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.metrics.connections.add(-1);
    }
}
