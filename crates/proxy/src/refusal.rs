//! Refusals: every way in which a request or a connection can fail, and the response to it.
//!
//! A new way to fail is a new variant of [`Refusal`], and does not compile until [`Refusal::row`] defines its meaning.

use egret_config::policy::egress::{AddressDenied, DecidingRule};
use egret_config::snapshot::Misconfiguration;
use http::StatusCode;

use crate::client_hello::HelloError;
use crate::dial::failure::ConnectFailure;
use crate::dns::DnsFailure;
use crate::message::target::TargetError;
use crate::proxy_protocol::HeaderError;
use crate::tls::TlsFailure;

mod authentication;
mod code_details;
mod convert;
mod denial;
mod details;
mod encoded;
pub(crate) mod grpc;
mod reason;
mod response;
mod subject;
mod table;

pub(crate) use authentication::{AuthenticationFailure, CredentialAudience, CredentialError};
pub(crate) use denial::{DenyingField, PolicyDenial};
pub(crate) use grpc::GRPC_STATUS;
pub(crate) use reason::Reason;
pub(crate) use subject::{RefusalId, RefusalSubject};
pub(crate) use table::RefusalRow;

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
    /// The connection begins with another protocol than HTTP.
    NotHttp(ForeignProtocol),
    /// The listener has reached its limit of connections.
    TooManyConnections,
    /// Requests have waited too long for their turn for a while.
    Overload,
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
    /// A TrafficPolicy denies the request.
    Denied(Box<PolicyDenial>),
    /// An EgressPolicy denies the destination by its name.
    Policy(DecidingRule),
    /// Every address of the destination is denied, with the reason for the first one.
    Address(AddressDenied),
    /// The name cannot be resolved.
    Dns(DnsFailure),
    /// Too many names are being resolved.
    DnsOverload,
    /// The Service has no endpoint that can serve.
    NoEndpoints,
    /// A circuit breaker of the destination is open.
    Limit(CircuitBreakerLimit),
    /// No address could be connected to.
    Connect(ConnectFailure),
    /// The proxy that leads to the upstream made no connection, and answered with this status, or with what is no HTTP.
    Proxy(Option<StatusCode>),
    /// The TLS handshake with the upstream failed.
    Tls(TlsFailure),
    /// The upstream closed the connection before it answered.
    Terminated,
    /// The upstream's response is not valid HTTP, or its head is too large.
    UpstreamProtocol,
    /// The head of the upstream's response has more bytes or fields than are accepted.
    ResponseHeadTooLarge,
    /// The upstream speaks HTTP/2 without extended CONNECT (RFC 8441 3).
    NoExtendedConnect,
    /// The upstream or the whole exchange exceeded its timeout.
    ResponseTimeout,
    /// The client did not send its request body in time, or broke it off.
    RequestBody,
    /// The request has been through this process before (RFC 9110 7.6.3).
    Loop,
}

/// A protocol that a client speaks in place of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForeignProtocol {
    /// TLS, to a listener in the clear.
    Tls,
    /// SOCKS version 4.
    Socks4,
    /// SOCKS version 5 (RFC 1928).
    Socks5,
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
