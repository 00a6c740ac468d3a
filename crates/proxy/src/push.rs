//! Pushes the metrics to a collector at an interval, beside those who scrape them.
//!
//! The values are put together on the control side, and a worker sends them: its requests take the one way to upstreams.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use egret_config::metrics_push::MetricsCollector;
use egret_config::policy::service::Collector;
use egret_config::snapshot::Snapshot;
use tokio::time::sleep;

use crate::admin::{AdminParts, MetricsExport};
use crate::clock;
use crate::metrics::{ExportTime, otlp_metrics};
use crate::worker::WorkerCommand;

mod headers_file;

use headers_file::HeadersFile;

/// To whom metrics are pushed, and how often.
#[derive(Clone, Debug)]
pub struct MetricsPush {
    /// The collector, with the header fields that it is told.
    pub to: MetricsCollector,
    /// The file that has these header fields, if one does: it is read again before each push.
    pub headers_file: Option<PathBuf>,
    /// The time between two pushes.
    pub interval: Duration,
}

/// What pushes the metrics.
pub(crate) struct MetricsPusher {
    to: MetricsCollector,
    headers: Option<HeadersFile>,
    interval: Duration,
    parts: Arc<AdminParts>,
    export: MetricsExport,
    started: SystemTime,
}

impl MetricsPusher {
    pub(crate) fn new(push: MetricsPush, parts: Arc<AdminParts>) -> Self {
        let MetricsPush {
            to,
            headers_file,
            interval,
        } = push;
        let headers = headers_file.map(|path| HeadersFile::new(path, to.clone()));
        Self {
            to,
            headers,
            interval,
            export: MetricsExport::new(&parts),
            parts,
            started: clock::wall(),
        }
    }

    /// Adds the collector to the services of a configuration.
    pub(crate) fn add_to(&self, snapshot: &mut Snapshot) {
        let MetricsCollector { collector, backend } = &self.to;
        let id = collector.service.id.clone();
        snapshot.services.insert(id, Arc::clone(backend));
    }

    /// The time between two pushes.
    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// Pushes the metrics as they are now, once there is a configuration, which says how to get to the collector.
    pub(crate) async fn push(&self) {
        let services = &self.parts.shared.snapshot.load().services;
        if !services.contains_key(&self.to.collector.service.id) {
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
        let to = self.collector().await;
        // A worker that has ended tells nobody anything.
        let _ = worker.send(WorkerCommand::Tell(to, metrics)).await;
    }

    /// The collector, with the header fields that it is to be told now.
    async fn collector(&self) -> Arc<Collector> {
        match &self.headers {
            Some(headers) => headers.collector().await,
            None => Arc::clone(&self.to.collector),
        }
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
