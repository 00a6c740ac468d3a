//! What is counted, each room its own, put together for export.
//!
//! Every worker counts for itself, so that no two cores share a cache line; the sums are made when somebody asks.

use std::sync::Arc;

use crate::client::ClientMetrics;
use crate::telemetry::ExchangeMetrics;
use crate::tunnel::TunnelMetrics;
use crate::upstream::UpstreamMetrics;

mod export;
mod workers;

pub(crate) use export::MetricWriter;
pub(crate) use workers::WorkerCollector;

/// What one worker counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerMetrics {
    pub(crate) exchanges: Arc<ExchangeMetrics>,
    pub(crate) upstreams: Arc<UpstreamMetrics>,
    pub(crate) tunnels: Arc<TunnelMetrics>,
    pub(crate) clients: Arc<ClientMetrics>,
}
