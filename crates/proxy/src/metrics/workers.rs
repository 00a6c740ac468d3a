//! Sums the metrics of all workers.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::WorkerMetrics;
use super::export::MetricWriter;
use crate::meter::{Counter, CountersByLabel, Gauge, Histogram, HistogramSnapshot, LabelValue};
use crate::refusal::Reason;
use crate::telemetry::{CountersByDecision, SeriesLabels};
use crate::tls::HandshakeMetrics;

/// Sums the metrics of all workers when the registry is scraped.
#[derive(Debug)]
pub(crate) struct WorkerCollector(pub(crate) Vec<WorkerMetrics>);

impl WorkerCollector {
    fn sum(&self, of: impl Fn(&WorkerMetrics) -> &Counter) -> u64 {
        self.0.iter().map(|worker| of(worker).get()).sum()
    }

    /// The sums over all workers of counters by what decided.
    fn by_decision<E: Copy + Ord>(
        &self,
        of: impl Fn(&WorkerMetrics) -> &CountersByDecision<E>,
    ) -> BTreeMap<(E, SeriesLabels), u64> {
        let mut sums = BTreeMap::new();
        self.0
            .iter()
            .for_each(|worker| of(worker).add_to(&mut sums));
        sums
    }

    /// The sums over all workers of one counter for each value of the label `name`.
    fn by_label<L: LabelValue>(
        &self,
        name: &'static str,
        of: impl Fn(&WorkerMetrics) -> &CountersByLabel<L>,
    ) -> impl Iterator<Item = ([(&'static str, &'static str); 1], u64)> {
        L::ALL.iter().map(move |value| {
            let sum = self.sum(|worker| of(worker).counter(*value));
            ([(name, value.as_str())], sum)
        })
    }

    fn gauge(&self, of: impl Fn(&WorkerMetrics) -> &Gauge) -> i64 {
        self.0.iter().map(|worker| of(worker).get()).sum()
    }

    fn histogram(&self, of: impl Fn(&WorkerMetrics) -> &Histogram) -> HistogramSnapshot {
        let mut all = HistogramSnapshot::default();
        self.0
            .iter()
            .for_each(|worker| all += of(worker).snapshot());
        all
    }

    fn requests(&self, to: &mut MetricWriter<'_>) -> fmt::Result {
        let responses = self.by_decision(|w| &w.exchanges.responses).into_iter();
        let responses = responses.map(|((code, labels), count)| {
            (named(Some(("code", code.to_string())), &labels), count)
        });
        to.counters("responses", "Responses, by status code", responses)?;
        to.counter(
            "unanswered",
            "Requests whose client closed the connection before the response",
            self.sum(|w| &w.exchanges.unanswered),
        )?;
        let mut refusals = self.by_decision(|w| &w.exchanges.refusals);
        for reason in Reason::ALL {
            // Alerts on the rate of a counter need it to be there before the first event.
            refusals
                .entry((*reason, SeriesLabels::default()))
                .or_default();
        }
        let refusals = refusals.into_iter().map(|((reason, labels), count)| {
            (
                named(Some(("reason", reason.as_str().to_owned())), &labels),
                count,
            )
        });
        to.counters("refusals", "Requests refused, by reason", refusals)?;
        let mut audited = self.by_decision(|w| &w.exchanges.audited);
        audited.entry(((), SeriesLabels::default())).or_default();
        let audited = audited.into_iter();
        let audited = audited.map(|(((), labels), count)| (named(None, &labels), count));
        let help = "Requests that a policy in audit mode would have refused";
        to.counters("audited", help, audited)?;
        let help = "Resolved addresses that were not dialled because an EgressPolicy denies them";
        to.counter(
            "addresses_denied",
            help,
            self.sum(|w| &w.upstreams.addresses_denied),
        )?;
        let help = "From a request's head to the end of its response";
        to.histogram(
            "request_duration_seconds",
            help,
            &self.histogram(|w| &w.exchanges.duration),
        )?;
        to.counter(
            "request_body_bytes",
            "Bytes of request bodies",
            self.sum(|w| &w.exchanges.request_bytes),
        )?;
        to.counter(
            "response_body_bytes",
            "Bytes of response bodies",
            self.sum(|w| &w.exchanges.response_bytes),
        )
    }

    fn retries(&self, to: &mut MetricWriter<'_>) -> fmt::Result {
        let redirects = self.by_label("result", |w| &w.exchanges.redirects);
        let help = "Redirects that were to be followed in place of the client, by result";
        to.counters("internal_redirects", help, redirects)?;
        let mirrored = self.by_label("result", |w| &w.upstreams.mirrored);
        let help = "Copies of requests that went to mirrors, by result";
        to.counters("mirrored_requests", help, mirrored)?;
        to.counter(
            "upstream_retries",
            "Requests sent again",
            self.sum(|w| &w.upstreams.retries),
        )?;
        to.counter(
            "upstream_retries_limited",
            "Requests not sent again because of the circuit breaker maxRetries",
            self.sum(|w| &w.upstreams.retries_limited),
        )?;
        to.counter(
            "upstream_ejections",
            "Addresses ejected by outlier detection",
            self.sum(|w| &w.upstreams.ejections),
        )?;
        let checks = self.by_label("result", |w| &w.upstreams.health_checks);
        let help = "Health checks of addresses of backends, by result";
        to.counters("upstream_health_checks", help, checks)?;
        let failing = self.gauge(|w| &w.upstreams.failing_checks);
        let help = "Addresses of backends that fail their health checks";
        to.gauge("upstream_failing_addresses", help, failing)
    }

    fn connections(&self, to: &mut MetricWriter<'_>) -> fmt::Result {
        to.counter(
            "downstream_connections_accepted",
            "Connections from clients",
            self.sum(|w| &w.clients.accepted),
        )?;
        to.gauge(
            "downstream_connections",
            "Connections from clients open now",
            self.gauge(|w| &w.clients.open),
        )?;
        to.gauge(
            "downstream_connections_dozing",
            "Connections from clients that are quiet and hold no buffers",
            self.gauge(|w| &w.clients.dozing),
        )?;
        to.counter(
            "upstream_reused",
            "Requests served over a pooled connection",
            self.sum(|w| &w.upstreams.reused),
        )?;
        to.counter(
            "upstream_connected",
            "Connections made to upstreams",
            self.sum(|w| &w.upstreams.connected),
        )?;
        let failures = self.by_label("cause", |w| &w.upstreams.connect_failures);
        to.counters(
            "upstream_connect_failures",
            "Destinations that could not be connected to, by cause",
            failures,
        )?;
        let attempts = self.by_label("result", |w| &w.upstreams.connect_attempts);
        let help = "Attempts to connect to one address, by result";
        to.counters("upstream_connect_attempts", help, attempts)?;
        self.handshakes(to)?;
        self.retries(to)?;
        let help = "From the first attempt to a connection, over all addresses of a destination";
        to.histogram(
            "upstream_connect_duration_seconds",
            help,
            &self.histogram(|w| &w.upstreams.connect_duration),
        )?;
        let open = self.gauge(|w| &w.upstreams.connections);
        to.gauge(
            "upstream_connections",
            "Connections to upstreams open now",
            open,
        )?;
        let pending = self.gauge(|w| &w.upstreams.pending_requests);
        let help = "Requests that have no connection to their upstream yet";
        to.gauge("upstream_pending_requests", help, pending)?;
        let idle = self.gauge(|w| &w.upstreams.idle_connections);
        to.gauge(
            "upstream_idle_connections",
            "Idle connections to upstreams in the pools",
            idle,
        )?;
        let dozing = self.gauge(|w| &w.upstreams.dozing_connections);
        let help = "Idle connections to upstreams that hold no buffers";
        to.gauge("upstream_connections_dozing", help, dozing)?;
        let streams = self.gauge(|w| &w.upstreams.streams);
        let help = "HTTP/2 streams to upstreams that carry a request";
        to.gauge("upstream_streams", help, streams)?;
        to.counter(
            "upstream_unprocessed",
            "Requests sent again because the upstream reported that it had not processed them",
            self.sum(|w| &w.upstreams.unprocessed),
        )
    }

    fn handshakes(&self, to: &mut MetricWriter<'_>) -> fmt::Result {
        type MetricsOf = fn(&WorkerMetrics) -> &HandshakeMetrics;
        let sides: [(&str, &str, &str, MetricsOf); 2] = [
            (
                "downstream_tls_handshakes",
                "downstream_tls_duration_seconds",
                "clients",
                |worker| &worker.clients.tls,
            ),
            (
                "upstream_tls_handshakes",
                "upstream_tls_duration_seconds",
                "upstreams",
                |worker| &worker.upstreams.tls,
            ),
        ];
        for (count, duration, whom, of) in sides {
            let results = self.by_label("result", |w| &of(w).results);
            let help = format!("TLS handshakes with {whom}, by result");
            to.counters(count, &help, results)?;
            let help = "From a TCP connection to the end of the TLS handshake, or to its failure";
            to.histogram(duration, help, &self.histogram(|w| &of(w).duration))?;
        }
        Ok(())
    }

    fn tunnels(&self, to: &mut MetricWriter<'_>) -> fmt::Result {
        let open = self.gauge(|w| &w.tunnels.open);
        to.gauge("tunnels", "Tunnels open now", open)?;
        let opened = self.by_label("kind", |w| &w.tunnels.opened);
        to.counters("tunnels_opened", "Tunnels opened, by kind", opened)?;
        let ended = self.by_label("reason", |w| &w.tunnels.ended);
        to.counters("tunnels_ended", "Tunnels ended, by reason", ended)?;
        let directions = [
            ([("direction", "up")], self.sum(|w| &w.tunnels.up)),
            ([("direction", "down")], self.sum(|w| &w.tunnels.down)),
        ];
        to.counters(
            "tunnel_bytes",
            "Bytes forwarded through tunnels",
            directions,
        )
    }
}

/// The labels of a series: one of the event, and the words of what decided, as far as they are known.
fn named(
    event: Option<(&'static str, String)>,
    labels: &SeriesLabels,
) -> Vec<(&'static str, String)> {
    let SeriesLabels {
        listener,
        route,
        backend,
        policy,
        rule,
    } = labels;
    let words = [
        ("listener", listener),
        ("route", route),
        ("backend", backend),
        ("policy", policy),
        ("rule", rule),
    ];
    let words = words.into_iter().filter(|(_, text)| !text.is_empty());
    let words = words.map(|(name, text)| (name, text.to_string()));
    event.into_iter().chain(words).collect()
}

impl Collector for WorkerCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = MetricWriter(encoder);
        self.requests(&mut writer)?;
        self.connections(&mut writer)?;
        self.tunnels(&mut writer)
    }
}
