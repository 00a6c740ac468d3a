//! The table of refusals: every way a request can fail, and what is answered, logged and counted for it.
//!
//! A new way to fail is a new variant of [`Refusal`], and does not compile until [`Refusal::row`] says what it means.

use std::fmt::{self, Write as _};

use egret_config::policy::egress::AddressDenied;
use egret_config::resources::ObjectRef;
use egret_config::snapshot::Misconfiguration;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{HeaderName, Response};

use crate::client_hello::HelloError;
use crate::dial::failure::ConnectFailure;
use crate::dns::Failure;
use crate::message::target::TargetError;
use crate::proxy_protocol::HeaderError;
use crate::tls::TlsFailure;

mod convert;
pub(crate) mod grpc;
mod reason;
mod table;
mod unauthenticated;

pub(crate) use reason::Reason;
pub(crate) use table::Row;
pub(crate) use unauthenticated::{Audience, CredentialError, Unauthenticated};

/// `Proxy-Status` (RFC 9209 2).
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// Why a request is not served.
#[derive(Debug)]
pub(crate) enum Refusal {
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

/// What the circuit breakers of a destination limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Open connections, those being opened included.
    Connections,
    /// Requests without a connection yet.
    Pending,
    /// Requests on connections.
    Requests,
    /// Requests that are being sent again.
    Retries,
}

impl Refusal {
    /// One line for people: what happened, without anything that came with the request but its name.
    #[must_use]
    pub(crate) fn details(&self) -> String {
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
    pub(crate) const fn ends_connection(&self) -> bool {
        matches!(self, Self::Framing(_))
    }

    /// The head of the response; the body is what the client is told of it and a newline.
    ///
    /// # Panics
    /// Never: what does not fit a header value is replaced.
    #[must_use]
    pub(crate) fn response(&self) -> Response<String> {
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

fn denied_by(policy: Option<&ObjectRef>, rule: Option<&str>) -> String {
    match (policy, rule) {
        (Some(policy), Some(rule)) => format!("denied by rule {rule} of {policy}"),
        (Some(policy), None) => format!("denied by the default action of {policy}"),
        (None, _) => "denied".to_owned(),
    }
}
