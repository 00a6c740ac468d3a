//! Fatal TLS alerts (RFC 8446 6), by which a client is refused before a handshake.

use tokio::net::TcpStream;

use super::farewell;
use crate::client_hello::HelloError;
use crate::refusal::Refusal;

/// The record version unless the client's ClientHello has an older one (RFC 8446 5.1).
const LEGACY_VERSION: u16 = 0x0303;
/// The oldest record version: SSL 3.0.
const OLDEST_VERSION: u16 = 0x0300;

/// The descriptions of alerts that are sent for refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum TlsAlert {
    /// The server name in the ClientHello is invalid.
    IllegalParameter = 47,
    /// A policy denies the connection.
    AccessDenied = 49,
    /// The ClientHello is malformed.
    DecodeError = 50,
    /// The cause is not the client.
    InternalError = 80,
    /// The ClientHello has no server name (RFC 8446 9.2).
    MissingExtension = 109,
    /// No listener matches the server name (RFC 6066 3).
    UnrecognizedName = 112,
}

impl TlsAlert {
    /// The alert for a refusal; `None` where the client may not speak TLS, where rustls has sent an alert, and for a
    /// connection that no backend takes: the Gateway API has it reset or closed (TLSRouteRule), and its conformance suite
    /// takes an alert for a server that answers.
    pub(crate) const fn of(refusal: &Refusal) -> Option<Self> {
        match refusal {
            Refusal::ProxyHeader(_)
            | Refusal::HandshakeTimeout
            | Refusal::NotHttp(_)
            | Refusal::TooManyConnections
            | Refusal::Overload
            | Refusal::ClientTls(_)
            | Refusal::ClientHttp2(_)
            | Refusal::NoRoute
            | Refusal::Misconfigured(_)
            | Refusal::Hello(
                HelloError::NotTls | HelloError::Http | HelloError::Ssl2 | HelloError::Alert,
            ) => None,
            Refusal::Hello(HelloError::Malformed | HelloError::TooLong) => Some(Self::DecodeError),
            Refusal::Hello(HelloError::Name(_)) => Some(Self::IllegalParameter),
            Refusal::NoServerName => Some(Self::MissingExtension),
            Refusal::NoListener | Refusal::Misdirected => Some(Self::UnrecognizedName),
            Refusal::Unauthenticated(_)
            | Refusal::Denied(_)
            | Refusal::Policy(_)
            | Refusal::Address(_) => Some(Self::AccessDenied),
            Refusal::MalformedHead
            | Refusal::HeadTooLarge
            | Refusal::Target(_)
            | Refusal::Framing(_)
            | Refusal::NoTunnel(_)
            | Refusal::Dns(_)
            | Refusal::DnsOverload
            | Refusal::NoEndpoints
            | Refusal::Limit(_)
            | Refusal::Connect(_)
            | Refusal::Proxy(_)
            | Refusal::Tls(_)
            | Refusal::Terminated
            | Refusal::UpstreamProtocol
            | Refusal::ResponseHeadTooLarge
            | Refusal::NoExtendedConnect
            | Refusal::ResponseTimeout
            | Refusal::RequestBody
            | Refusal::Loop => Some(Self::InternalError),
        }
    }

    /// The alert as a TLS record. `version` is the legacy version of the ClientHello, if it was read.
    pub(crate) fn record(self, version: Option<u16>) -> [u8; 7] {
        let version = version.unwrap_or(LEGACY_VERSION);
        let [major, minor] = version.clamp(OLDEST_VERSION, LEGACY_VERSION).to_be_bytes();
        [21, major, minor, 0, 2, 2, self as u8]
    }
}

/// What a refused client is told: a TLS alert, or a response of HTTP if that is what it speaks. `None` if it is unknown
/// what it understands.
fn last_words(refusal: &Refusal, version: Option<u16>) -> Option<Vec<u8>> {
    if matches!(refusal, Refusal::Hello(HelloError::Http)) {
        return Some(refusal.encoded());
    }
    TlsAlert::of(refusal).map(|alert| alert.record(version).to_vec())
}

/// Tells the client why it is refused, and closes the connection.
pub(crate) async fn send(stream: TcpStream, refusal: &Refusal, version: Option<u16>) {
    if let Some(last) = last_words(refusal, version) {
        farewell::send(stream, &last).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_of_a_version_that_the_client_reads() {
        let record = |version| TlsAlert::UnrecognizedName.record(version);
        assert_eq!(record(None), [21, 3, 3, 0, 2, 2, 112]);
        assert_eq!(record(Some(0x0303)), [21, 3, 3, 0, 2, 2, 112]);
        assert_eq!(record(Some(0x0301)), [21, 3, 1, 0, 2, 2, 112]);
        assert_eq!(record(Some(0x0304)), [21, 3, 3, 0, 2, 2, 112]);
        assert_eq!(record(Some(0)), [21, 3, 0, 0, 2, 2, 112]);
    }
}
