//! The spans of an exchange.

use std::sync::Arc;
use std::time::Duration;

use egret_config::access_log::{LogField, LogInputs, TimePoint};
use egret_config::policy::route_tracing::RouteTracing;
use egret_config::snapshot::{AttributeSource, SpanAttribute, Tracing};
use http::header::HeaderMap;
use http::{HeaderName, Method};
use prost::Message as _;

use super::access_log::{LineFacts, environment, point, text_of};
use super::otlp::{KeyValue, Span, SpanEvent, SpanStatus, nanoseconds};
use crate::message::trace::{Trace, TraceField, TracePropagation};
use crate::record::{ExchangeEnd, Record};

/// `SPAN_KIND_SERVER`
const SERVER: i32 = 2;
/// `SPAN_KIND_CLIENT`
const CLIENT: i32 = 3;
/// `STATUS_CODE_ERROR`
const ERROR: i32 = 2;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request that is traced, and what its spans tell of its head.
#[derive(Debug)]
pub(crate) struct TracedRequest {
    pub(crate) trace: Trace,
    tracing: Arc<Tracing>,
    /// How upstreams are told.
    propagation: TracePropagation,
    attributes: Vec<KeyValue>,
}

impl TracedRequest {
    /// Keeps what the spans will tell of the head of a request; nothing, if nobody is told.
    pub(crate) fn new(trace: Trace, tracing: &Arc<Tracing>, headers: &HeaderMap) -> Self {
        let mut attributes = Vec::new();
        if trace.is_sampled {
            attributes = kept(&tracing.attributes, &[], headers);
        }
        Self {
            trace,
            tracing: Arc::clone(tracing),
            propagation: TracePropagation::default(),
            attributes,
        }
    }

    /// The same, told to upstreams in this way.
    pub(crate) fn told_by(self, propagation: TracePropagation) -> Self {
        Self {
            propagation,
            ..self
        }
    }

    /// Does what the rule of the request wants: it is drawn anew, if the rule has its own share, and has more attributes.
    pub(crate) fn follow(
        &mut self,
        rule: &RouteTracing,
        is_drawn: Option<bool>,
        headers: &HeaderMap,
    ) {
        if let Some(is_drawn) = is_drawn {
            self.trace.is_sampled = is_drawn && self.trace.is_allowed;
        }
        self.attributes = match self.trace.is_sampled {
            true => kept(&self.tracing.attributes, &rule.attributes, headers),
            false => Vec::new(),
        };
    }

    /// Tells an upstream of the trace, as [`Trace::inject`] does.
    pub(crate) fn inject(&self, headers: &mut HeaderMap) -> Option<TraceField> {
        self.trace.inject(self.propagation, headers)
    }

    /// The tracing of the listener that took the request.
    pub(super) fn tracing(&self) -> &Arc<Tracing> {
        &self.tracing
    }

    /// The spans, each encoded.
    pub(super) fn spans(&self, record: &Record<'_>) -> Vec<Vec<u8>> {
        let upstream = self
            .trace
            .upstream_span
            .filter(|_| record.upstream.is_some());
        let upstream = upstream.map(|span| self.upstream_span(span, record));
        let spans = [Some(self.server_span(record)), upstream];
        spans
            .into_iter()
            .flatten()
            .map(|span| span.encode_to_vec())
            .collect()
    }

    fn server_span(&self, record: &Record<'_>) -> Span {
        let mut attributes = self.attributes.clone();
        let url = url(record, self.tracing.max_path);
        attributes.extend(of_envoy(record, &url));
        attributes.extend(of_conventions(record, url));
        Span {
            span_id: self.trace.span.to_vec(),
            parent_span_id: self.trace.parent.map(Vec::from).unwrap_or_default(),
            name: "ingress".to_owned(),
            kind: SERVER,
            ..self.span(record, attributes)
        }
    }

    /// The span of the way to the upstream, of all attempts.
    fn upstream_span(&self, id: [u8; 8], record: &Record<'_>) -> Span {
        let cluster = field(LogField::UpstreamCluster, record);
        let address = field(LogField::UpstreamHost, record);
        let mut attributes = vec![
            KeyValue::text("component", "proxy"),
            KeyValue::text("upstream_address", &*address),
            KeyValue::text("peer.address", address),
            KeyValue::text("upstream_cluster", &*cluster),
            KeyValue::text("upstream_cluster.name", &*cluster),
            KeyValue::text("retries", record.retries.to_string()),
        ];
        attributes.extend(status(record));
        Span {
            span_id: id.to_vec(),
            parent_span_id: self.trace.span.to_vec(),
            name: format!("router {cluster} egress"),
            kind: CLIENT,
            ..self.span(record, attributes)
        }
    }

    /// What both spans have in common.
    fn span(&self, record: &Record<'_>, mut attributes: Vec<KeyValue>) -> Span {
        let start = record.started.map_or(0, nanoseconds);
        let status = failure(record);
        attributes.extend(status.as_ref().map(|_| KeyValue::text("error", "true")));
        Span {
            trace_id: self.trace.id.to_vec(),
            start_time_unix_nano: start,
            end_time_unix_nano: start + nanos(record.duration),
            attributes,
            events: events(start, record),
            status,
            ..Span::default()
        }
    }
}

/// What spans tell of the head of a request.
fn kept(
    of_listener: &[SpanAttribute],
    of_rule: &[SpanAttribute],
    headers: &HeaderMap,
) -> Vec<KeyValue> {
    let is_replaced = |one: &SpanAttribute| of_rule.iter().any(|other| other.name == one.name);
    let of_listener = of_listener.iter().filter(|one| !is_replaced(one));
    let mut attributes = configured(of_listener.chain(of_rule), headers);
    let id = headers.get(&REQUEST_ID).map(lossy);
    attributes.extend(id.map(|id| KeyValue::text("guid:x-request-id", id)));
    attributes
}

/// The attributes that policies give.
fn configured<'a>(
    attributes: impl Iterator<Item = &'a SpanAttribute>,
    headers: &HeaderMap,
) -> Vec<KeyValue> {
    let given = attributes.filter_map(|attribute| {
        let value = match &attribute.source {
            AttributeSource::Literal(text) => Some(text.to_string()),
            AttributeSource::RequestHeader(name) => headers.get(name).map(lossy),
            AttributeSource::Environment(name) => environment(name),
            AttributeSource::Nowhere => None,
        };
        let value = value.or_else(|| attribute.default.as_deref().map(str::to_owned))?;
        Some(KeyValue::text(&attribute.name, value))
    });
    given.collect()
}

/// Envoy's attributes, which are all texts.
fn of_envoy(record: &Record<'_>, url: &str) -> Vec<KeyValue> {
    let text = |key, value: &str| {
        let value = if value.is_empty() { "-" } else { value };
        KeyValue::text(key, value)
    };
    let mut attributes = vec![
        text("component", "proxy"),
        KeyValue::text("node_id", field(LogField::Hostname, record)),
        KeyValue::text("http.url", url),
        text("http.method", record.method.map_or("", Method::as_str)),
        text("http.protocol", record.protocol),
        text("downstream_cluster", ""),
        text(
            "user_agent",
            &record.user_agent.map(lossy).unwrap_or_default(),
        ),
        text("request_size", &record.request_bytes.to_string()),
        text("response_size", &record.response_bytes.to_string()),
        text("response_flags", &field(LogField::ResponseFlags, record)),
    ];
    let client = record.client.map(|client| client.ip().to_string());
    attributes.extend(client.map(|client| KeyValue::text("peer.address", client)));
    let cluster = field(LogField::UpstreamCluster, record);
    if !cluster.is_empty() {
        attributes.push(KeyValue::text("upstream_cluster", &*cluster));
        attributes.push(KeyValue::text("upstream_cluster.name", cluster));
    }
    attributes.extend(status(record));
    attributes
}

/// The status of the response, as Envoy tells it.
fn status(record: &Record<'_>) -> Option<KeyValue> {
    let status = record.status?;
    Some(KeyValue::text("http.status_code", status.as_str()))
}

/// The attributes of OpenTelemetry's conventions for HTTP, and what Egret decided.
fn of_conventions(record: &Record<'_>, url: String) -> Vec<KeyValue> {
    let mut attributes = vec![KeyValue::text("url.full", url)];
    let method = record.method.map(Method::as_str);
    attributes.extend(method.map(|method| KeyValue::text("http.request.method", method)));
    let status = record.status.map(|status| status.as_u16());
    attributes.extend(status.map(|code| KeyValue::number("http.response.status_code", code)));
    if let Some((host, port)) = record.destination {
        attributes.push(KeyValue::text("server.address", host.to_string()));
        attributes.push(KeyValue::number("server.port", port.get()));
    }
    if let Some(client) = record.client {
        attributes.push(KeyValue::text("client.address", client.ip().to_string()));
    }
    let version = record.protocol.strip_prefix("HTTP/");
    attributes.extend(version.map(|it| KeyValue::text("network.protocol.version", it)));
    let agent = record.user_agent.map(lossy);
    attributes.extend(agent.map(|agent| KeyValue::text("user_agent.original", agent)));
    if let Some(verdict) = &record.verdict {
        attributes.push(KeyValue::text("egret.verdict", verdict.as_str()));
    }
    if let Some(end) = record.end {
        attributes.push(KeyValue::text("error.type", ExchangeEnd::as_str(end)));
    }
    attributes
}

/// The URL without its query, which may have credentials.
fn url(record: &Record<'_>, max_path: usize) -> String {
    if record.method == Some(&Method::CONNECT) {
        return String::new();
    }
    let scheme = record.scheme.map_or("http", |scheme| scheme.as_str());
    let authority = record.authority.unwrap_or_default();
    let path = &record.path[..record.path.floor_char_boundary(max_path)];
    format!("{scheme}://{authority}{path}")
}

/// When the steps to the upstream had ended.
fn events(start: u64, record: &Record<'_>) -> Vec<SpanEvent> {
    let steps = [
        ("dns", TimePoint::DnsEnd),
        ("connect", TimePoint::ConnectEnd),
        ("tls", TimePoint::HandshakeEnd),
        ("first_byte", TimePoint::UpstreamResponseBegin),
    ];
    let reached = steps.into_iter().filter_map(|(name, step)| {
        Some(SpanEvent {
            time_unix_nano: start + nanos(point(step, record)?),
            name: name.to_owned(),
        })
    });
    reached.collect()
}

/// What went wrong, if something did.
fn failure(record: &Record<'_>) -> Option<SpanStatus> {
    let is_error = record.status.is_none_or(|status| status.is_server_error());
    (is_error || record.end.is_some()).then(|| SpanStatus {
        message: record.details.as_deref().unwrap_or_default().to_owned(),
        code: ERROR,
    })
}

fn field(field: LogField, record: &Record<'_>) -> String {
    let inputs = &LogInputs::default();
    text_of(field, LineFacts { record, inputs })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn lossy(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests;
