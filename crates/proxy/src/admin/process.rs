//! The metrics of the process that belong to no worker.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::{certificates, dns};
use crate::context::SharedContext;
use crate::metrics::{MetricWriter, ProcessCounters};
use crate::status::ConfigStatus;

/// Collects them when they are scraped.
pub(super) struct ProcessCollector {
    pub(super) shared: Arc<SharedContext>,
    pub(super) status: Arc<ConfigStatus>,
    pub(super) process: Arc<ProcessCounters>,
}

impl fmt::Debug for ProcessCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProcessCollector")
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = MetricWriter(encoder);
        self.configuration(&mut to)?;
        to.counter(
            "access_log_dropped",
            "Lines lost because the log's reader did not keep up",
            self.shared.logs.dropped(),
        )?;
        to.counter(
            "otlp_dropped",
            "Entries lost on their way to collectors of OpenTelemetry",
            self.shared.outboxes.otlp_dropped(),
        )?;
        to.counter(
            "als_dropped",
            "Entries lost on their way to access log services",
            self.shared.outboxes.als_dropped(),
        )?;
        to.counter(
            "messages_dropped",
            "Lines for stderr lost because it failed or did not keep up",
            self.process.lines_lost.load(Relaxed),
        )?;
        to.counter(
            "panics",
            "Panics, each of which is a defect",
            self.process.panics.load(Relaxed),
        )?;
        certificates::metrics(&mut to, &self.shared.snapshot.load())?;
        dns::metrics(&mut to, &self.shared.upstreams.resolvers)?;
        dns::store_metrics(&mut to, &self.shared.upstreams.resolvers)
    }
}

impl ProcessCollector {
    fn configuration(&self, to: &mut MetricWriter<'_>) -> fmt::Result {
        let generation = i64::try_from(self.status.generation()).unwrap_or(i64::MAX);
        to.gauge(
            "config_generation",
            "Configurations applied since the start",
            generation,
        )?;
        to.counter(
            "config_rejections",
            "Configurations refused as a whole",
            self.status.rejections(),
        )?;
        if let Some(is_connected) = self.status.source().is_connected() {
            to.gauge(
                "config_source_connected",
                "Whether the API server that the configuration comes from answers",
                i64::from(is_connected),
            )?;
        }
        let current = i64::from(self.status.is_current());
        to.gauge(
            "config_current",
            "Whether what is configured is what is served",
            current,
        )?;
        let problems = i64::try_from(self.status.problems()).unwrap_or(i64::MAX);
        let help = "Objects and fields of the configuration that are not served as written";
        to.gauge("config_problems", help, problems)?;
        let skipped = i64::try_from(self.status.skipped()).unwrap_or(i64::MAX);
        let help =
            "Objects of the configuration that were skipped because their kinds are not for Egret";
        to.gauge("config_skipped_objects", help, skipped)?;
        let held = self.status.held().into_iter();
        to.gauges(
            "config_held_generation",
            "Generation that is served of an object whose newest version is not",
            held.map(|(object, generation)| {
                let generation = i64::try_from(generation).unwrap_or(i64::MAX);
                ([("object", object)], generation)
            }),
        )
    }
}
