//! The metrics as OpenMetrics text: the workers' counts added up, and what the rest of the process knows.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::WorkerMetrics;
use crate::meter::{BOUNDS, Counter, CountersByLabel, Gauge, Histogram, LabelValue, Spread};

/// Adds up the workers' counts when the registry is scraped.
#[derive(Debug)]
pub(crate) struct Workers(pub(crate) Vec<Arc<WorkerMetrics>>);

/// Writes metrics of one collector, each with its name and help.
pub(crate) struct Writer<'a>(pub(crate) DescriptorEncoder<'a>);

impl Writer<'_> {
    pub(crate) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let metric = ConstCounter::new(value);
        metric.encode(
            self.0
                .encode_descriptor(name, help, None, MetricType::Counter)?,
        )
    }

    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        let metric = ConstGauge::new(value);
        metric.encode(
            self.0
                .encode_descriptor(name, help, None, MetricType::Gauge)?,
        )
    }

    /// One counter for each value of a label.
    pub(crate) fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    pub(crate) fn histogram(&mut self, name: &str, help: &str, spread: &Spread) -> fmt::Result {
        let metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Histogram)?;
        encode(metric, spread)
    }

    /// One histogram for each value of a label.
    pub(crate) fn histograms<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, Spread)>,
    ) -> fmt::Result {
        let mut family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, spread) in values {
            encode(family.encode_family(&labels)?, &spread)?;
        }
        Ok(())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds are told as floating point"
)]
fn encode(mut metric: MetricEncoder<'_>, spread: &Spread) -> fmt::Result {
    let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(spread.buckets).collect();
    let sum = spread.nanos as f64 / 1e9;
    metric.encode_histogram::<NoLabelSet>(sum, spread.count(), &buckets, None)
}

impl Workers {
    pub(super) fn sum(&self, of: impl Fn(&WorkerMetrics) -> &Counter) -> u64 {
        self.0.iter().map(|worker| of(worker).get()).sum()
    }

    /// The sums of one counter for each value of the label `name`.
    pub(super) fn by_label<L: LabelValue>(
        &self,
        name: &'static str,
        of: impl Fn(&WorkerMetrics) -> &CountersByLabel<L>,
    ) -> impl Iterator<Item = ([(&'static str, &'static str); 1], u64)> {
        L::ALL.iter().map(move |value| {
            let sum = self.sum(|worker| of(worker).counter(*value));
            ([(name, value.as_str())], sum)
        })
    }

    pub(super) fn level(&self, of: impl Fn(&WorkerMetrics) -> &Gauge) -> i64 {
        self.0.iter().map(|worker| of(worker).get()).sum()
    }

    pub(super) fn spread(&self, of: impl Fn(&WorkerMetrics) -> &Histogram) -> Spread {
        let mut all = Spread::default();
        self.0.iter().for_each(|worker| all += of(worker).spread());
        all
    }

    fn requests(&self, to: &mut Writer<'_>) -> fmt::Result {
        let codes =
            (0..500).map(|index| (index + 100, self.sum(|worker| &worker.responses.0[index])));
        let seen = codes
            .filter(|(_, count)| *count > 0)
            .map(|(code, count)| ([("code", code.to_string())], count));
        to.counters("responses", "Responses, by status code", seen)?;
        to.counter(
            "unanswered",
            "Requests whose client left before the response",
            self.sum(|w| &w.unanswered),
        )?;
        let refusals = self.by_label("reason", |w| &w.refusals);
        to.counters("refusals", "Requests refused, by reason", refusals)?;
        to.counter(
            "audited",
            "Requests that a policy in audit mode would have refused",
            self.sum(|w| &w.audited),
        )?;
        let help =
            "Addresses that names resolved to and that were not dialled, because they are denied";
        to.counter("addresses_denied", help, self.sum(|w| &w.addresses_denied))?;
        let help = "From a request's head to the end of its response";
        to.histogram(
            "request_duration_seconds",
            help,
            &self.spread(|w| &w.duration),
        )?;
        to.counter(
            "request_body_bytes",
            "Octets of request bodies",
            self.sum(|w| &w.request_bytes),
        )?;
        to.counter(
            "response_body_bytes",
            "Octets of response bodies",
            self.sum(|w| &w.response_bytes),
        )
    }

    fn retries(&self, to: &mut Writer<'_>) -> fmt::Result {
        to.counter(
            "upstream_retries",
            "Requests sent again",
            self.sum(|w| &w.retries),
        )?;
        to.counter(
            "upstream_retries_limited",
            "Requests not sent again because too many were (maxRetries)",
            self.sum(|w| &w.retries_limited),
        )?;
        to.counter(
            "upstream_ejections",
            "Addresses ejected by outlier detection",
            self.sum(|w| &w.ejections),
        )
    }

    fn connections(&self, to: &mut Writer<'_>) -> fmt::Result {
        to.counter(
            "downstream_connections_accepted",
            "Connections from clients",
            self.sum(|w| &w.accepted),
        )?;
        to.gauge(
            "downstream_connections",
            "Connections from clients open now",
            self.level(|w| &w.connections),
        )?;
        to.counter(
            "upstream_reused",
            "Requests served over a pooled connection",
            self.sum(|w| &w.reused),
        )?;
        to.counter(
            "upstream_connected",
            "Connections made to upstreams",
            self.sum(|w| &w.connected),
        )?;
        let failures = self.by_label("cause", |w| &w.connect_failures);
        to.counters(
            "upstream_connect_failures",
            "Destinations that could not be connected to, by cause",
            failures,
        )?;
        let attempts = self.by_label("result", |w| &w.connect_attempts);
        let help = "Attempts to connect to one address, by what came of them";
        to.counters("upstream_connect_attempts", help, attempts)?;
        self.handshakes(to)?;
        self.retries(to)?;
        let help = "From the first attempt to a connection, over all addresses of a destination";
        to.histogram(
            "upstream_connect_duration_seconds",
            help,
            &self.spread(|w| &w.connect_duration),
        )?;
        let open = self.level(|w| &w.upstream_connections);
        to.gauge(
            "upstream_connections",
            "Connections to upstreams open now",
            open,
        )?;
        let pending = self.level(|w| &w.pending_requests);
        let help = "Requests that have no connection to their upstream yet";
        to.gauge("upstream_pending_requests", help, pending)?;
        let idle = self.level(|w| &w.idle_connections);
        to.gauge(
            "upstream_idle_connections",
            "Connections to upstreams that wait in a pool",
            idle,
        )?;
        let streams = self.level(|w| &w.upstream_streams);
        let help = "Streams of HTTP/2 to upstreams that carry a request";
        to.gauge("upstream_streams", help, streams)?;
        to.counter(
            "upstream_unprocessed",
            "Requests sent again because their upstream said that it had not processed them",
            self.sum(|w| &w.unprocessed),
        )
    }
}

impl Collector for Workers {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = Writer(encoder);
        self.requests(&mut writer)?;
        self.connections(&mut writer)?;
        self.tunnels(&mut writer)
    }
}
