//! The table of refusals: every way a request can fail, and what is answered, logged and counted for it.
//!
//! A new way to fail is a new variant of [`Refusal`], and does not compile until [`Refusal::row`] says what it means.

use std::fmt::{self, Write as _};

use egret_config::name::NameError;
use egret_config::policy::egress::AddressDenied;
use egret_config::resources::ObjectRef;
use egret_config::snapshot::Misconfiguration;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{HeaderName, Response, StatusCode};

use crate::client_hello::HelloError;
use crate::dns::Failure;
use crate::proxy_protocol::HeaderError;
use crate::tls::TlsFailure;

pub(crate) mod grpc;
mod unauthenticated;

pub use unauthenticated::{Audience, Lack, Unauthenticated};

/// `Proxy-Status` (RFC 9209 2).
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// Why a request is not served.
#[derive(Debug)]
pub enum Refusal {
    /// What came is not the head of an HTTP/1 request. The HTTP library has answered it, and the connection ends.
    MalformedHead,
    /// The head has more octets or fields than it may. Likewise.
    HeadTooLarge,
    /// The connection does not begin with a PROXY protocol header that can be read, and has to.
    ProxyHeader(HeaderError),
    /// The connection does not begin with TLS that can be read, and has to.
    Hello(HelloError),
    /// The client speaks TLS and asks for no name, and one is needed.
    NoServerName,
    /// What comes before HTTP took too long.
    HandshakeTimeout,
    /// The listener has as many connections as it may have.
    TooManyConnections,
    /// The client and we did not agree on TLS, or its certificate is none that may be shown; what TLS said.
    ClientTls(String),
    /// The client broke HTTP/2 in a way that ends its connection; what is wrong.
    ClientHttp2(String),
    /// The request names no host, or one that is not a host.
    Target(TargetError),
    /// The head's framing has more than one reading (RFC 9112 6).
    Framing(&'static str),
    /// The rule leads nowhere that a CONNECT could go.
    NoTunnel(&'static str),
    /// No listener of this address takes the host.
    NoListener,
    /// The listener that takes the host is not the one whose certificate the client saw (RFC 9110 15.5.20): another may
    /// ask its clients for other credentials, and so may the same one after a change.
    Misdirected,
    /// No rule of the listener matches.
    NoRoute,
    /// The configuration that the request falls under is invalid.
    Misconfigured(Misconfiguration),
    /// The client has not said who it is, or not as it has to.
    Unauthenticated(Unauthenticated),
    /// An EgressPolicy denies the destination by its name.
    Policy {
        /// The policy.
        policy: Option<ObjectRef>,
        /// Its rule, if one matched.
        rule: Option<std::sync::Arc<str>>,
    },
    /// Every address of the destination is denied; this is the first one's reason.
    Address(AddressDenied),
    /// The name cannot be resolved.
    Dns(Failure),
    /// Too many names are being resolved.
    DnsOverload,
    /// A circuit breaker of the destination is open.
    Limit(Limit),
    /// No address could be connected to.
    Connect(ConnectFailure),
    /// There is a connection, but no TLS on it.
    Tls(TlsFailure),
    /// The upstream closed the connection before it answered.
    Terminated,
    /// The upstream sent what is not HTTP, or a head that is too large.
    UpstreamProtocol,
    /// The upstream speaks HTTP/2, and its settings allow no other protocol on a stream (RFC 8441 3).
    NoExtendedConnect,
    /// The upstream, or the whole exchange, took longer than allowed.
    ResponseTimeout,
    /// The client did not send its request body in time, or broke it off.
    RequestBody,
    /// The request has been through this process before (RFC 9110 7.6.3).
    Loop,
}

/// What is wrong with a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No `Host`, and no authority in the target.
    #[error("the request names no host")]
    Missing,
    /// More than one `Host` (RFC 9112 3.2).
    #[error("the request has more than one Host field")]
    Repeated,
    /// A scheme that is not HTTP's.
    #[error("the scheme of the target is not http or https")]
    Scheme,
    /// Neither a path nor a URI with a scheme (RFC 9112 3.2).
    #[error("the target is neither a path nor an absolute URI")]
    Form,
    /// A CONNECT for something else than a host and a port (RFC 9112 3.2.3).
    #[error("the target of a CONNECT is a host and a port")]
    Authority,
    /// `Host` and the target of a request of HTTP/2 name two hosts (RFC 9113 8.3.1).
    #[error("the Host field names another host than the target")]
    Contradiction,
    /// The host or port is malformed.
    #[error("{0}")]
    Name(#[from] NameError),
}

/// What the circuit breakers of a destination limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Open connections, those being opened included.
    Connections,
    /// Requests without a connection yet.
    Pending,
    /// Requests on connections.
    Requests,
    /// Requests that are being sent again.
    Retries,
}

/// How connecting failed, for all addresses together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectFailure {
    /// A reset in answer to the SYN.
    Refused,
    /// Reset or closed while connecting.
    Terminated,
    /// No route to it.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// It was not tried: this process may not open another descriptor.
    NoDescriptors,
}

/// Whether another attempt can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The answer would be the same.
    Never,
    /// On another address, or later.
    Elsewhere,
}

/// What a refusal means to client, log and metrics.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The response status.
    pub status: StatusCode,
    /// The error type of `Proxy-Status`.
    pub error: &'static str,
    /// The reason in log and metrics: a bounded set, and finer than `error`.
    pub reason: &'static str,
    /// Its class of retry.
    pub retry: Retry,
}

impl Refusal {
    /// The table.
    #[must_use]
    pub const fn row(&self) -> Row {
        match self {
            Self::MalformedHead => row(400, "http_request_error", "malformed_head", Retry::Never),
            Self::HeadTooLarge => row(431, "http_request_error", "head_too_large", Retry::Never),
            Self::ProxyHeader(_) => row(400, "http_request_error", "proxy_header", Retry::Never),
            Self::Hello(HelloError::NotTls | HelloError::Ssl2 | HelloError::Alert) => {
                row(400, "http_request_error", "not_tls", Retry::Never)
            }
            Self::Hello(_) => row(400, "http_request_error", "malformed_hello", Retry::Never),
            Self::NoServerName => row(400, "http_request_error", "no_server_name", Retry::Never),
            Self::HandshakeTimeout => {
                row(408, "http_request_error", "handshake_timeout", Retry::Never)
            }
            Self::ClientTls(_) => row(400, "tls_protocol_error", "client_tls", Retry::Never),
            Self::ClientHttp2(_) => row(400, "http_request_error", "client_http2", Retry::Never),
            Self::TooManyConnections => row(
                503,
                "connection_limit_reached",
                "too_many_connections",
                Retry::Never,
            ),
            Self::Target(_) => row(400, "http_request_error", "malformed_target", Retry::Never),
            Self::Framing(_) => row(400, "http_request_error", "malformed_framing", Retry::Never),
            Self::NoTunnel(_) => row(403, "http_request_denied", "no_tunnel", Retry::Never),
            Self::NoListener => row(404, "destination_not_found", "no_listener", Retry::Never),
            Self::Misdirected => row(421, "http_request_error", "misdirected", Retry::Never),
            Self::NoRoute => row(404, "destination_not_found", "no_route", Retry::Never),
            Self::Misconfigured(_) => row(
                500,
                "proxy_configuration_error",
                "misconfigured",
                Retry::Never,
            ),
            Self::Unauthenticated(client) => client.row(),
            Self::Policy { .. } => row(403, "http_request_denied", "egress_policy", Retry::Never),
            Self::Address(_) => row(
                403,
                "destination_ip_prohibited",
                "address_denied",
                Retry::Never,
            ),
            Self::Dns(failure) if failure.is_timeout() => {
                row(504, "dns_timeout", "dns_timeout", Retry::Elsewhere)
            }
            Self::Dns(_) => row(502, "dns_error", "dns_error", Retry::Never),
            Self::DnsOverload => full("dns_overload"),
            Self::Limit(_) => full("circuit_breaker"),
            Self::Connect(failure) => failure.row(),
            Self::Tls(failure) => tls_row(failure),
            Self::Terminated => row(
                502,
                "connection_terminated",
                "upstream_closed",
                Retry::Elsewhere,
            ),
            Self::UpstreamProtocol | Self::NoExtendedConnect => row(
                502,
                "http_protocol_error",
                "upstream_protocol",
                Retry::Elsewhere,
            ),
            Self::ResponseTimeout => row(
                504,
                "http_response_timeout",
                "response_timeout",
                Retry::Elsewhere,
            ),
            Self::RequestBody => row(400, "http_request_error", "request_body", Retry::Never),
            Self::Loop => row(508, "proxy_loop_detected", "loop", Retry::Never),
        }
    }

    /// One line for people: what happened, without anything that came with the request but its name.
    #[must_use]
    pub fn details(&self) -> String {
        match self {
            Self::MalformedHead => "what came is not the head of a request".to_owned(),
            Self::HeadTooLarge => "the head has too many octets or fields".to_owned(),
            Self::ProxyHeader(error) => error.to_string(),
            Self::Hello(error) => error.to_string(),
            Self::NoServerName => "the client asks for no name".to_owned(),
            Self::HandshakeTimeout => "what comes before HTTP took too long".to_owned(),
            Self::ClientTls(error) => format!("TLS with the client failed: {error}"),
            Self::ClientHttp2(error) => format!("the client broke HTTP/2: {error}"),
            Self::TooManyConnections => "the listener has too many connections".to_owned(),
            Self::Target(error) => error.to_string(),
            Self::Framing(what) | Self::NoTunnel(what) => (*what).to_owned(),
            Self::NoListener => "no listener takes this host".to_owned(),
            Self::Misdirected => {
                "this connection was not made for the listener that serves the host".to_owned()
            }
            Self::NoRoute => "no route matches the request".to_owned(),
            Self::Misconfigured(at) => format!("{}: {}", at.object, at.message),
            Self::Unauthenticated(client) => client.details(),
            Self::Policy { policy, rule } => denied_by(policy.as_ref(), rule.as_deref()),
            Self::Address(AddressDenied {
                policy: Some(policy),
                ..
            }) => {
                format!("every address of the host is denied by {policy}")
            }
            Self::Address(AddressDenied {
                policy: None,
                class,
            }) => {
                format!("every address of the host is denied ({class})")
            }
            Self::Dns(failure) => failure.to_string(),
            Self::DnsOverload => "too many names are being resolved".to_owned(),
            Self::Limit(limit) => format!("the destination has too many {limit}"),
            Self::Connect(failure) => failure.details().to_owned(),
            Self::Tls(failure) => failure.details(),
            Self::Terminated => "the upstream closed the connection before it answered".to_owned(),
            Self::UpstreamProtocol => {
                "the upstream's answer is not valid HTTP, or too large".to_owned()
            }
            Self::NoExtendedConnect => {
                "the upstream speaks HTTP/2 and takes no upgrades on it".to_owned()
            }
            Self::ResponseTimeout => "the upstream did not answer in time".to_owned(),
            Self::RequestBody => "the request body was broken off".to_owned(),
            Self::Loop => "the request came back to this proxy".to_owned(),
        }
    }

    /// The same for the client, who is not told how names are resolved, nor what is wrong with that.
    fn told(&self) -> String {
        match self {
            Self::Dns(Failure::Network(_)) => "no DNS server could be asked".to_owned(),
            other => other.details(),
        }
    }

    /// Whether what follows on the connection cannot be told to be a request: the framing has two readings.
    #[must_use]
    pub const fn ends_connection(&self) -> bool {
        matches!(self, Self::Framing(_))
    }

    /// The head of the response; the body is what the client is told of it and a newline.
    ///
    /// # Panics
    /// Never: what does not fit a header value is replaced.
    #[must_use]
    pub fn response(&self) -> Response<String> {
        let row = self.row();
        let mut details = self.told();
        let status = self.proxy_status(&details);
        details.push('\n');
        let mut response = Response::new(details);
        *response.status_mut() = row.status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        if let Ok(value) = HeaderValue::from_str(&status) {
            headers.insert(PROXY_STATUS, value);
        }
        if let Self::Unauthenticated(client) = self {
            client.challenge(headers);
        }
        if self.ends_connection() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// `egret; error=...; details="..."`, a structured field item (RFC 9209 2, RFC 8941).
    fn proxy_status(&self, details: &str) -> String {
        let mut text = format!("egret; error={}", self.row().error);
        if let Self::Dns(failure) = self
            && let Some(rcode) = failure.rcode()
        {
            let _ = write!(text, "; rcode=\"{rcode}\"");
        }
        text.push_str("; details=\"");
        for char in details.chars() {
            match char {
                '"' | '\\' => text.extend(['\\', char]),
                ' '..='~' => text.push(char),
                _ => text.push('?'),
            }
        }
        text.push('"');
        text
    }
}

impl ConnectFailure {
    const fn row(self) -> Row {
        let (status, error, reason) = match self {
            Self::Refused => (502, "connection_refused", "connect_refused"),
            Self::Terminated => (502, "connection_terminated", "connect_terminated"),
            Self::Unreachable => (502, "destination_ip_unroutable", "connect_unreachable"),
            Self::Timeout => (504, "connection_timeout", "connect_timeout"),
            Self::NoDescriptors => (503, "connection_limit_reached", "no_descriptors"),
        };
        row(status, error, reason, Retry::Elsewhere)
    }

    const fn details(self) -> &'static str {
        match self {
            Self::Refused => "the upstream refused the connection",
            Self::Terminated => "the upstream broke off the connection",
            Self::Unreachable => "there is no route to the upstream",
            Self::Timeout => "connecting to the upstream timed out",
            Self::NoDescriptors => "the proxy has no descriptor left to connect with",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connections => "connections, all in use",
            Self::Pending => "requests waiting for a connection",
            Self::Requests => "requests in progress",
            Self::Retries => "requests being sent again",
        })
    }
}

impl From<TargetError> for Refusal {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        Self::Target(TargetError::Name(error))
    }
}

const fn tls_row(failure: &TlsFailure) -> Row {
    let (status, error, reason, retry) = match failure {
        TlsFailure::Protocol(_) => (502, "tls_protocol_error", "tls_failed", Retry::Elsewhere),
        TlsFailure::Certificate(_) => (
            502,
            "tls_certificate_error",
            "tls_certificate",
            Retry::Elsewhere,
        ),
        TlsFailure::Settings(_) => (
            500,
            "proxy_configuration_error",
            "misconfigured",
            Retry::Never,
        ),
    };
    row(status, error, reason, retry)
}

fn denied_by(policy: Option<&ObjectRef>, rule: Option<&str>) -> String {
    match (policy, rule) {
        (Some(policy), Some(rule)) => format!("denied by rule {rule} of {policy}"),
        (Some(policy), None) => format!("denied by the default action of {policy}"),
        (None, _) => "denied".to_owned(),
    }
}

/// There is no room for it, here or there.
const fn full(reason: &'static str) -> Row {
    row(503, "connection_limit_reached", reason, Retry::Elsewhere)
}

const fn row(status: u16, error: &'static str, reason: &'static str, retry: Retry) -> Row {
    let Ok(status) = StatusCode::from_u16(status) else {
        panic!("the table holds valid statuses")
    };
    Row {
        status,
        error,
        reason,
        retry,
    }
}
