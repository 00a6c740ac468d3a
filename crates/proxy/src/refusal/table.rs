//! The table of refusals: what is answered, logged and counted for each, and whether another host may serve the request.

use http::StatusCode;

use super::{Reason, Refusal};
use crate::client_hello::HelloError;
use crate::dial::failure::ConnectFailure;
use crate::tls::TlsFailure;

/// What a refusal means to client, log and metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The response status.
    pub(crate) status: StatusCode,
    /// The error type of `Proxy-Status`.
    pub(crate) error: &'static str,
    /// The reason in log and metrics.
    pub(crate) reason: Reason,
}

impl Refusal {
    /// The table.
    #[must_use]
    pub(crate) const fn row(&self) -> Row {
        match self {
            Self::MalformedHead => row(400, "http_request_error", Reason::MalformedHead),
            Self::HeadTooLarge => row(431, "http_request_error", Reason::HeadTooLarge),
            Self::ProxyHeader(_) => row(400, "http_request_error", Reason::ProxyHeader),
            Self::Hello(HelloError::NotTls | HelloError::Ssl2 | HelloError::Alert) => {
                row(400, "http_request_error", Reason::NotTls)
            }
            Self::Hello(_) => row(400, "http_request_error", Reason::MalformedHello),
            Self::NoServerName => row(400, "http_request_error", Reason::NoServerName),
            Self::HandshakeTimeout => row(408, "http_request_error", Reason::HandshakeTimeout),
            Self::ClientTls(_) => row(400, "tls_protocol_error", Reason::ClientTls),
            Self::ClientHttp2(_) => row(400, "http_request_error", Reason::ClientHttp2),
            Self::TooManyConnections => overloaded(Reason::TooManyConnections),
            Self::Target(_) => row(400, "http_request_error", Reason::MalformedTarget),
            Self::Framing(_) => row(400, "http_request_error", Reason::MalformedFraming),
            Self::NoTunnel(_) => row(403, "http_request_denied", Reason::NoTunnel),
            Self::NoListener => row(404, "destination_not_found", Reason::NoListener),
            Self::Misdirected => row(421, "http_request_error", Reason::Misdirected),
            Self::NoRoute => row(404, "destination_not_found", Reason::NoRoute),
            Self::Misconfigured(_) => row(500, "proxy_configuration_error", Reason::Misconfigured),
            Self::Unauthenticated(client) => row(
                client.status(),
                "http_request_denied",
                Reason::Unauthenticated,
            ),
            Self::Policy { .. } => row(403, "http_request_denied", Reason::EgressPolicy),
            Self::Address(_) => row(403, "destination_ip_prohibited", Reason::AddressDenied),
            Self::Dns(failure) if failure.is_timeout() => {
                row(504, "dns_timeout", Reason::DnsTimeout)
            }
            Self::Dns(_) => row(502, "dns_error", Reason::DnsError),
            Self::DnsOverload => overloaded(Reason::DnsOverload),
            Self::Limit(_) => overloaded(Reason::CircuitBreaker),
            Self::Connect(failure) => connect_row(*failure),
            Self::Tls(failure) => tls_row(failure),
            Self::Terminated => row(502, "connection_terminated", Reason::UpstreamClosed),
            Self::UpstreamProtocol | Self::NoExtendedConnect => {
                row(502, "http_protocol_error", Reason::UpstreamProtocol)
            }
            Self::ResponseTimeout => row(504, "http_response_timeout", Reason::ResponseTimeout),
            Self::RequestBody => row(400, "http_request_error", Reason::RequestBody),
            Self::Loop => row(508, "proxy_loop_detected", Reason::Loop),
        }
    }

    /// Whether another host of the backend may serve what this one could not, where nothing of it has been sent yet. What
    /// is wrong with the request, with the configuration or with this process is the same for every host; so is the
    /// refusal of a policy, which was asked about each host before.
    #[must_use]
    pub(crate) const fn elsewhere(&self) -> bool {
        match self {
            Self::Address(_) | Self::Dns(_) => true,
            Self::Connect(failure) => !matches!(failure, ConnectFailure::NoDescriptors),
            Self::Tls(failure) => !matches!(failure, TlsFailure::Settings(_)),
            Self::MalformedHead
            | Self::HeadTooLarge
            | Self::ProxyHeader(_)
            | Self::Hello(_)
            | Self::NoServerName
            | Self::HandshakeTimeout
            | Self::TooManyConnections
            | Self::ClientTls(_)
            | Self::ClientHttp2(_)
            | Self::Target(_)
            | Self::Framing(_)
            | Self::NoTunnel(_)
            | Self::NoListener
            | Self::Misdirected
            | Self::NoRoute
            | Self::Misconfigured(_)
            | Self::Unauthenticated(_)
            | Self::Policy { .. }
            | Self::DnsOverload
            | Self::Limit(_)
            | Self::Terminated
            | Self::UpstreamProtocol
            | Self::NoExtendedConnect
            | Self::ResponseTimeout
            | Self::RequestBody
            | Self::Loop => false,
        }
    }
}

const fn connect_row(failure: ConnectFailure) -> Row {
    match failure {
        ConnectFailure::Refused => row(502, "connection_refused", Reason::ConnectRefused),
        ConnectFailure::Terminated => row(502, "connection_terminated", Reason::ConnectTerminated),
        ConnectFailure::Unreachable => {
            row(502, "destination_ip_unroutable", Reason::ConnectUnreachable)
        }
        ConnectFailure::Timeout => row(504, "connection_timeout", Reason::ConnectTimeout),
        ConnectFailure::NoDescriptors => overloaded(Reason::NoDescriptors),
    }
}

const fn tls_row(failure: &TlsFailure) -> Row {
    match failure {
        TlsFailure::Protocol(_) => row(502, "tls_protocol_error", Reason::TlsFailed),
        TlsFailure::Certificate(_) => row(502, "tls_certificate_error", Reason::TlsCertificate),
        TlsFailure::Settings(_) => row(500, "proxy_configuration_error", Reason::Misconfigured),
    }
}

/// A limit of this process or of the destination is reached.
const fn overloaded(reason: Reason) -> Row {
    row(503, "connection_limit_reached", reason)
}

const fn row(status: u16, error: &'static str, reason: Reason) -> Row {
    let Ok(status) = StatusCode::from_u16(status) else {
        panic!("the table holds valid statuses")
    };
    Row {
        status,
        error,
        reason,
    }
}
