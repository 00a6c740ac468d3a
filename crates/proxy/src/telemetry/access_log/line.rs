//! The JSON of a line of the access log.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use egret_config::name::DnsName;
use egret_config::snapshot::{RouteRule, Scheme};
use http::{HeaderValue, Method};
use serde::Serialize;

use crate::meter::LabelValue as _;
use crate::record::{ExchangeEnd, Record, Verdict};

/// Most bytes of a `User-Agent` that are logged.
const MAX_USER_AGENT: usize = 200;

/// One line of the access log. Fields without a value are left out.
#[derive(Debug, Serialize)]
pub(super) struct LogLine<'a> {
    /// When the request's head was read, or a connection without one was refused (RFC 3339).
    time: String,
    /// The Gateway and listener that served the request, `namespace/name/listener`.
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<&'a str>,
    /// The route and rule that matched the request, `namespace/name/rule`.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<String>,
    /// The client's address and port.
    client: String,
    /// The server name in the client's ClientHello (RFC 6066 3), canonical; for a CONNECT, in the one inside the tunnel.
    #[serde(skip_serializing_if = "Option::is_none")]
    sni: Option<&'a str>,
    /// Whether the client offered an encrypted ClientHello, so that `sni` may be a public name (RFC 9849).
    #[serde(skip_serializing_if = "Option::is_none")]
    ech: Option<bool>,
    /// The authenticated user or client.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    /// The request's method.
    #[serde(skip_serializing_if = "str::is_empty")]
    method: &'a str,
    /// The scheme towards the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<&'a str>,
    /// The host that the request names, canonical, with the port if it names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    authority: Option<&'a str>,
    /// The host and port that the request is sent to, after rewrites and the choice of a backend, as policies see them.
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    /// The path as received. The query is never logged, because it may contain credentials.
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'a str,
    /// The protocol and its version, such as `HTTP/1.1`.
    #[serde(skip_serializing_if = "str::is_empty")]
    protocol: &'a str,
    /// The status of the response; absent if none was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Why the request was refused or broken off: a value of the metrics' `reason`, or one such as `client_closed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The reason in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a str>,
    /// The identity of the refusal, which its response has in `Proxy-Status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The generation of the configuration by which the request was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    /// The trace that the request belongs to (W3C Trace Context).
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    /// The beginning of the `User-Agent` of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'a, str>>,
    /// `allow` or `deny`; `audit` for what an audit policy would have denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'a str>,
    /// The policy that made the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    /// The rule of the policy that made the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    /// Why the rule is there, as the policy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_reason: Option<&'a str>,
    /// The address of the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<String>,
    /// Whether the connection came from the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    reused: Option<bool>,
    /// The number of retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u32>,
    /// The source of the name's addresses, if a name had to be resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<&'a str>,
    /// Bytes of the request body that were forwarded.
    bytes_received: u64,
    /// Bytes of the response body that were sent.
    bytes_sent: u64,
    /// Time for DNS, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    dns_ms: Option<f64>,
    /// Time for the TCP connection, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_ms: Option<f64>,
    /// Time for the TLS handshake with the upstream, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_ms: Option<f64>,
    /// Time from the request's head to the response's, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_ms: Option<f64>,
    /// Time from the request's head to the end of the exchange, in milliseconds.
    total_ms: f64,
}

impl<'a> From<&'a Record<'a>> for LogLine<'a> {
    fn from(record: &'a Record<'a>) -> Self {
        let verdict = record.verdict.as_ref();
        let policy = verdict.and_then(Verdict::policy);
        Self {
            time: record.started.map(rfc3339).unwrap_or_default(),
            listener: record.listener.map(|listener| &*listener.full_name),
            route: record.rule.map(RouteRule::full_name),
            client: record
                .client
                .map(|client| client.to_string())
                .unwrap_or_default(),
            sni: record.sni.map(DnsName::as_str),
            ech: Some(record.ech).filter(|ech| *ech),
            user: record.user,
            method: record.method.map_or("", Method::as_str),
            scheme: record.scheme.map(Scheme::as_str),
            authority: record.authority,
            destination: record
                .destination
                .map(|(host, port)| format!("{host}:{port}")),
            path: record.path,
            protocol: record.protocol,
            status: record.status.map(|status| status.as_u16()),
            reason: record.end.map(ExchangeEnd::as_str),
            details: record.details.as_deref(),
            id: record.refusal.map(|id| id.to_string()),
            generation: record.refusal.map(|_| record.generation),
            trace_id: record.trace_id,
            user_agent: record.user_agent.map(user_agent),
            verdict: verdict.map(Verdict::as_str),
            policy: policy.map(|policy| format!("{}/{}", policy.namespace, policy.name)),
            rule: verdict.and_then(Verdict::rule).map(|rule| &**rule),
            rule_reason: verdict
                .and_then(Verdict::rule_reason)
                .map(|reason| &**reason),
            upstream: record.upstream.map(|address| address.to_string()),
            reused: record.upstream.map(|_| record.reused),
            retries: Some(record.retries).filter(|count| *count > 0),
            dns: record.resolution.map(|(how, _)| how.as_str()),
            bytes_received: record.request_bytes,
            bytes_sent: record.response_bytes,
            dns_ms: record.resolution.map(|(_, took)| millis(took)),
            connect_ms: record.connect.map(millis),
            tls_ms: record.tls.map(millis),
            first_byte_ms: record.first_byte.map(millis),
            total_ms: millis(record.duration),
        }
    }
}

/// The beginning of a `User-Agent`. It can have any length, and bytes that are no text.
fn user_agent(value: &HeaderValue) -> Cow<'_, str> {
    let bytes = value.as_bytes();
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_USER_AGENT)])
}

fn rfc3339(at: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(at);
    at.map(|at| format!("{at:.3}")).unwrap_or_default()
}

/// Converts a duration to milliseconds with a resolution of one microsecond: a cached name is resolved in less than one
/// millisecond.
pub(super) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
