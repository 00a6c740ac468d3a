//! The table of refusals: the status, error type and reason of each, and whether another host may serve the request.

use http::StatusCode;

use super::{Reason, Refusal};
use crate::client_hello::HelloError;
use crate::dial::failure::ConnectFailure;
use crate::tls::TlsFailure;

/// What a refusal means for the client, the access log and the metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefusalRow {
    /// The response status.
    pub(crate) status: StatusCode,
    /// The error type of `Proxy-Status`.
    pub(crate) error: &'static str,
    /// The reason in log and metrics.
    pub(crate) reason: Reason,
}

impl Refusal {
    /// The row of the table for this refusal.
    #[must_use]
    pub(crate) const fn row(&self) -> RefusalRow {
        match self {
            Self::MalformedHead => row(400, "http_request_error", Reason::MalformedHead),
            Self::HeadTooLarge => row(431, "http_request_error", Reason::HeadTooLarge),
            Self::ProxyHeader(_) => row(400, "http_request_error", Reason::ProxyHeader),
            Self::Hello(
                HelloError::NotTls | HelloError::Http | HelloError::Ssl2 | HelloError::Alert,
            ) => row(400, "http_request_error", Reason::NotTls),
            Self::Hello(_) => row(400, "http_request_error", Reason::MalformedHello),
            Self::NoServerName => row(400, "http_request_error", Reason::NoServerName),
            Self::HandshakeTimeout => row(408, "http_request_error", Reason::HandshakeTimeout),
            Self::ClientTls(_) => row(400, "tls_protocol_error", Reason::ClientTls),
            Self::ClientHttp2(_) => row(400, "http_request_error", Reason::ClientHttp2),
            Self::NotHttp(_) => row(400, "http_request_error", Reason::NotHttp),
            Self::TooManyConnections => overloaded(Reason::TooManyConnections),
            Self::Overload => overloaded(Reason::Overload),
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
            Self::Denied(denial) => RefusalRow {
                status: denial.status,
                error: denial.by.error(),
                reason: denial.by.reason(),
            },
            Self::Policy(_) => row(403, "http_request_denied", Reason::EgressPolicy),
            Self::Address(_) => row(403, "destination_ip_prohibited", Reason::AddressDenied),
            Self::Dns(failure) if failure.is_timeout() => {
                row(504, "dns_timeout", Reason::DnsTimeout)
            }
            Self::Dns(_) => row(502, "dns_error", Reason::DnsError),
            Self::DnsOverload => overloaded(Reason::DnsOverload),
            Self::NoEndpoints => row(503, "destination_unavailable", Reason::NoEndpoints),
            Self::Limit(_) => overloaded(Reason::CircuitBreaker),
            Self::Connect(failure) => connect_row(*failure),
            Self::Proxy(_) => row(502, "connection_refused", Reason::ProxyRefused),
            Self::Tls(failure) => tls_row(failure),
            Self::Terminated => row(502, "connection_terminated", Reason::UpstreamClosed),
            Self::UpstreamProtocol | Self::NoExtendedConnect => {
                row(502, "http_protocol_error", Reason::UpstreamProtocol)
            }
            Self::ResponseHeadTooLarge => row(
                502,
                "http_response_header_section_size",
                Reason::UpstreamProtocol,
            ),
            Self::ResponseTimeout => row(504, "http_response_timeout", Reason::ResponseTimeout),
            Self::RequestBody => row(400, "http_request_error", Reason::RequestBody),
            Self::Loop => row(508, "proxy_loop_detected", Reason::Loop),
        }
    }

    /// Whether the gateway has decided against the request, rather than failed to serve it.
    #[must_use]
    pub(crate) const fn is_decision(&self) -> bool {
        matches!(
            self,
            Self::Target(_)
                | Self::Framing(_)
                | Self::NoTunnel(_)
                | Self::NoListener
                | Self::Misdirected
                | Self::NoRoute
                | Self::Misconfigured(_)
                | Self::Unauthenticated(_)
                | Self::Denied(_)
                | Self::Policy(_)
                | Self::Address(_)
                | Self::Loop
        )
    }

    /// Whether another host of the backend may serve a request that this host could not, as long as nothing of it has been
    /// sent. Errors of the request, the configuration or this process are the same for every host, and so is the refusal of
    /// a policy, which has evaluated each host before.
    #[must_use]
    pub(crate) const fn elsewhere(&self) -> bool {
        match self {
            // Without descriptors as well: the next host may have an idle connection.
            Self::Address(_) | Self::Dns(_) | Self::Connect(_) | Self::Proxy(_) => true,
            Self::Tls(failure) => !matches!(failure, TlsFailure::Settings(_)),
            Self::MalformedHead
            | Self::HeadTooLarge
            | Self::ProxyHeader(_)
            | Self::Hello(_)
            | Self::NoServerName
            | Self::HandshakeTimeout
            | Self::NotHttp(_)
            | Self::TooManyConnections
            | Self::Overload
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
            | Self::Denied(_)
            | Self::Policy(_)
            | Self::DnsOverload
            | Self::NoEndpoints
            | Self::Limit(_)
            | Self::Terminated
            | Self::UpstreamProtocol
            | Self::ResponseHeadTooLarge
            | Self::NoExtendedConnect
            | Self::ResponseTimeout
            | Self::RequestBody
            | Self::Loop => false,
        }
    }
}

const fn connect_row(failure: ConnectFailure) -> RefusalRow {
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

const fn tls_row(failure: &TlsFailure) -> RefusalRow {
    match failure {
        TlsFailure::Protocol(_) => row(502, "tls_protocol_error", Reason::TlsFailed),
        TlsFailure::Certificate(_) => row(502, "tls_certificate_error", Reason::TlsCertificate),
        TlsFailure::Settings(_) => row(500, "proxy_configuration_error", Reason::Misconfigured),
    }
}

/// The row of a refusal for a limit of this process or of the destination.
const fn overloaded(reason: Reason) -> RefusalRow {
    row(503, "connection_limit_reached", reason)
}

const fn row(status: u16, error: &'static str, reason: Reason) -> RefusalRow {
    let Ok(status) = StatusCode::from_u16(status) else {
        panic!("the table holds valid statuses")
    };
    RefusalRow {
        status,
        error,
        reason,
    }
}

#[cfg(test)]
mod tests;
