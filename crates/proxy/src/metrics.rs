//! The metrics of all rooms, composed for export.
//!
//! Every worker has counters of its own, so that no two cores share a cache line; they are summed when metrics are scraped.

use std::sync::Arc;

use crate::client::ClientMetrics;
use crate::telemetry::ExchangeMetrics;
use crate::tunnel::TunnelMetrics;
use crate::upstream::UpstreamMetrics;

mod destinations;
mod exemplars;
mod export;
mod otlp;
mod process;
mod workers;

pub(crate) use destinations::{
    AllDestinations, DestinationCollector, OTHER, WeighedCounts, all_destinations,
};
pub(crate) use exemplars::with_exemplars;
pub(crate) use export::MetricWriter;
pub(crate) use otlp::{ExportTime, otlp_metrics};
pub use process::ProcessCounters;
pub(crate) use workers::WorkerCollector;

/// The metrics of one worker, by room.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerMetrics {
    pub(crate) exchanges: Arc<ExchangeMetrics>,
    pub(crate) upstreams: Arc<UpstreamMetrics>,
    pub(crate) tunnels: Arc<TunnelMetrics>,
    pub(crate) clients: Arc<ClientMetrics>,
}

impl WorkerMetrics {
    /// The metrics of one of so many workers.
    pub(crate) fn of_worker_among(workers: usize) -> Self {
        Self {
            exchanges: Arc::new(ExchangeMetrics::of_worker_among(workers)),
            ..Self::default()
        }
    }
}
