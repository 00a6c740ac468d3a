//! Pushes the metrics to a collector at an interval, beside those who scrape them.
//!
//! The values are put together on the control side, and a worker sends them: its requests take the one way to upstreams.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use egret_config::metrics_push::MetricsCollector;
use egret_config::snapshot::Snapshot;
use tokio::time::sleep;

use crate::admin::{AdminParts, MetricsExport};
use crate::clock;
use crate::metrics::{ExportTime, otlp_metrics};
use crate::worker::WorkerCommand;

/// To whom metrics are pushed, and how often.
#[derive(Clone, Debug)]
pub struct MetricsPush {
    /// The collector.
    pub to: MetricsCollector,
    /// The time between two pushes.
    pub interval: Duration,
}

/// What pushes the metrics.
pub(crate) struct MetricsPusher {
    push: MetricsPush,
    parts: Arc<AdminParts>,
    export: MetricsExport,
    started: SystemTime,
}

impl MetricsPusher {
    pub(crate) fn new(push: MetricsPush, parts: Arc<AdminParts>) -> Self {
        Self {
            push,
            export: MetricsExport::new(&parts),
            parts,
            started: clock::wall(),
        }
    }

    /// Adds the collector to the services of a configuration.
    pub(crate) fn add_to(&self, snapshot: &mut Snapshot) {
        let MetricsCollector { collector, backend } = &self.push.to;
        let id = collector.service.id.clone();
        snapshot.services.insert(id, Arc::clone(backend));
    }

    /// The time between two pushes.
    pub(crate) fn interval(&self) -> Duration {
        self.push.interval
    }

    /// Pushes the metrics as they are now, once there is a configuration, which says how to get to the collector.
    pub(crate) async fn push(&self) {
        let services = &self.parts.shared.snapshot.load().services;
        if !services.contains_key(&self.push.to.collector.service.id) {
            return;
        }
        let time = ExportTime {
            start: self.started,
            now: clock::wall(),
        };
        let metrics = otlp_metrics(&self.export.text(&self.parts), time);
        let Some(worker) = self.parts.workers.first() else {
            return;
        };
        let to = Arc::clone(&self.push.to.collector);
        // A worker that has ended tells nobody anything.
        let _ = worker.send(WorkerCommand::Tell(to, metrics)).await;
    }
}

/// Pushes the metrics at each interval, until the proxy is dropped.
pub(crate) async fn keep_pushing(pusher: &Weak<MetricsPusher>, interval: Duration) {
    loop {
        sleep(interval).await;
        let Some(pusher) = pusher.upgrade() else {
            return;
        };
        pusher.push().await;
    }
}
