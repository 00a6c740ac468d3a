//! Refusals: every way in which a request or a connection can fail, and the response to it.
//!
//! A new way to fail is a new variant of [`Refusal`], and does not compile until [`Refusal::row`] defines its meaning.

use std::fmt::{self, Write as _};

use egret_config::policy::egress::AddressDenied;
use egret_config::resources::ObjectRef;
use egret_config::snapshot::Misconfiguration;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{HeaderName, Response};

use crate::client_hello::HelloError;
use crate::dial::failure::ConnectFailure;
use crate::dns::DnsFailure;
use crate::message::target::TargetError;
use crate::proxy_protocol::HeaderError;
use crate::tls::TlsFailure;

mod authentication;
mod convert;
pub(crate) mod grpc;
mod reason;
mod table;

pub(crate) use authentication::{AuthenticationFailure, CredentialAudience, CredentialError};
pub(crate) use reason::Reason;
pub(crate) use table::RefusalRow;

/// The `Proxy-Status` field (RFC 9209 2).
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// Why a request or a connection is not served.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The head of a request is malformed.
    MalformedHead,
    /// The head of a request exceeds the limit of bytes or fields.
    HeadTooLarge,
    /// The PROXY protocol header, which the listener requires, is missing or malformed.
    ProxyHeader(HeaderError),
    /// The connection does not begin with a valid ClientHello, which the listener requires.
    Hello(HelloError),
    /// The client sent no SNI, and the listener requires one.
    NoServerName,
    /// The PROXY header or the TLS handshake did not complete in time.
    HandshakeTimeout,
    /// The listener has reached its limit of connections.
    TooManyConnections,
    /// The TLS handshake with the client failed, with the error of TLS.
    ClientTls(String),
    /// The client violated HTTP/2 in a way that ends its connection, with the error.
    ClientHttp2(String),
    /// The request names no valid host.
    Target(TargetError),
    /// The framing of the request is ambiguous (RFC 9112 6).
    Framing(&'static str),
    /// The rule does not allow the tunnel that the client asks for.
    NoTunnel(&'static str),
    /// No listener of this address serves the host.
    NoListener,
    /// The listener that serves the host is not the one whose certificate the client saw, or validates client certificates
    /// differently by now (RFC 9110 15.5.20).
    Misdirected,
    /// No rule of the listener matches.
    NoRoute,
    /// The configuration of the matched rule is invalid.
    Misconfigured(Misconfiguration),
    /// The client did not authenticate as the policies require.
    Unauthenticated(AuthenticationFailure),
    /// An EgressPolicy denies the destination by its name.
    Policy {
        /// The policy.
        policy: Option<ObjectRef>,
        /// Its rule, if one matched.
        rule: Option<std::sync::Arc<str>>,
    },
    /// Every address of the destination is denied, with the reason for the first one.
    Address(AddressDenied),
    /// The name cannot be resolved.
    Dns(DnsFailure),
    /// Too many names are being resolved.
    DnsOverload,
    /// A circuit breaker of the destination is open.
    Limit(CircuitBreakerLimit),
    /// No address could be connected to.
    Connect(ConnectFailure),
    /// The TLS handshake with the upstream failed.
    Tls(TlsFailure),
    /// The upstream closed the connection before it answered.
    Terminated,
    /// The upstream's response is not valid HTTP, or its head is too large.
    UpstreamProtocol,
    /// The upstream speaks HTTP/2 without extended CONNECT (RFC 8441 3).
    NoExtendedConnect,
    /// The upstream or the whole exchange exceeded its timeout.
    ResponseTimeout,
    /// The client did not send its request body in time, or broke it off.
    RequestBody,
    /// The request has been through this process before (RFC 9110 7.6.3).
    Loop,
}

/// A limit of the circuit breakers of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CircuitBreakerLimit {
    /// Connections that are open or being opened.
    Connections,
    /// Requests that wait for a connection.
    Pending,
    /// Requests in progress on connections.
    Requests,
    /// Retries in progress.
    Retries,
}

impl Refusal {
    /// Describes the refusal in one line for people. Of the request itself it contains at most the host.
    #[must_use]
    pub(crate) fn details(&self) -> String {
        match self {
            Self::MalformedHead => "the request head is malformed".to_owned(),
            Self::HeadTooLarge => "the request head has too many bytes or fields".to_owned(),
            Self::ProxyHeader(error) => error.to_string(),
            Self::Hello(error) => error.to_string(),
            Self::NoServerName => "the client sent no SNI".to_owned(),
            Self::HandshakeTimeout => {
                "timed out during the TLS handshake or PROXY header".to_owned()
            }
            Self::ClientTls(error) => format!("TLS with the client failed: {error}"),
            Self::ClientHttp2(error) => format!("the client violated HTTP/2: {error}"),
            Self::TooManyConnections => "the listener has too many connections".to_owned(),
            Self::Target(error) => error.to_string(),
            Self::Framing(what) | Self::NoTunnel(what) => (*what).to_owned(),
            Self::NoListener => "no listener serves this host".to_owned(),
            Self::Misdirected => {
                "this connection was made for another listener than the one that serves the host"
                    .to_owned()
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
                "the upstream's response is not valid HTTP, or its head is too large".to_owned()
            }
            Self::NoExtendedConnect => {
                "the upstream speaks HTTP/2 and takes no upgrades on it".to_owned()
            }
            Self::ResponseTimeout => "the upstream did not answer in time".to_owned(),
            Self::RequestBody => "the request body was broken off".to_owned(),
            Self::Loop => "the request came back to this proxy".to_owned(),
        }
    }

    /// Describes the refusal for the client. Unlike [`Refusal::details`] it discloses nothing about the DNS servers.
    fn client_message(&self) -> String {
        match self {
            Self::Dns(DnsFailure::Network(_)) => "no DNS server could be asked".to_owned(),
            other => other.details(),
        }
    }

    /// Whether the connection must close, because ambiguous framing leaves it unclear where the next request begins.
    #[must_use]
    pub(crate) const fn ends_connection(&self) -> bool {
        matches!(self, Self::Framing(_))
    }

    /// The response to the client. Its body is the description and a newline.
    #[must_use]
    pub(crate) fn response(&self) -> Response<String> {
        let row = self.row();
        let mut details = self.client_message();
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

    /// The value of `Proxy-Status`: `egret; error=...; details="..."`, a structured field item (RFC 9209 2, RFC 8941).
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

impl fmt::Display for CircuitBreakerLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connections => "connections, all in use",
            Self::Pending => "requests waiting for a connection",
            Self::Requests => "requests in progress",
            Self::Retries => "requests being sent again",
        })
    }
}

fn denied_by(policy: Option<&ObjectRef>, rule: Option<&str>) -> String {
    match (policy, rule) {
        (Some(policy), Some(rule)) => format!("denied by rule {rule} of {policy}"),
        (Some(policy), None) => format!("denied by the default action of {policy}"),
        (None, _) => "denied".to_owned(),
    }
}
