//! How a client that speaks TLS is told that its connection is not served: a fatal alert, before any handshake (RFC 8446 6).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client_hello::HelloError;
use crate::refusal::Refusal;

/// How long a client may take to read it.
const LINGER: Duration = Duration::from_secs(1);
/// The version that records are of if the client said nothing older (RFC 8446 5.1).
const LEGACY_VERSION: u16 = 0x0303;
/// The oldest that there is (SSL 3.0).
const OLDEST_VERSION: u16 = 0x0300;

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Alert {
    /// The hello has a name that is none.
    IllegalParameter = 47,
    /// A policy denies it.
    AccessDenied = 49,
    /// The hello cannot be read.
    DecodeError = 50,
    /// It is not the client's fault.
    InternalError = 80,
    /// The hello has no name (RFC 8446 9.2).
    MissingExtension = 109,
    /// Nobody here takes the name (RFC 6066 3).
    UnrecognizedName = 112,
}

impl Alert {
    /// What is said of a refusal; nothing if it is not known that the client speaks TLS.
    pub(crate) const fn of(refusal: &Refusal) -> Option<Self> {
        match refusal {
            Refusal::ProxyHeader(_)
            | Refusal::HandshakeTimeout
            | Refusal::TooManyConnections
            | Refusal::ClientTls(_)
            | Refusal::ClientHttp2(_)
            | Refusal::Hello(HelloError::NotTls | HelloError::Ssl2 | HelloError::Alert) => None,
            Refusal::Hello(HelloError::Malformed | HelloError::TooLong) => Some(Self::DecodeError),
            Refusal::Hello(HelloError::Name(_)) => Some(Self::IllegalParameter),
            Refusal::NoServerName => Some(Self::MissingExtension),
            Refusal::NoListener | Refusal::Misdirected | Refusal::NoRoute => {
                Some(Self::UnrecognizedName)
            }
            Refusal::Unauthenticated(_) | Refusal::Policy { .. } | Refusal::Address(_) => {
                Some(Self::AccessDenied)
            }
            Refusal::MalformedHead
            | Refusal::HeadTooLarge
            | Refusal::Target(_)
            | Refusal::Framing(_)
            | Refusal::NoTunnel(_)
            | Refusal::Misconfigured(_)
            | Refusal::Dns(_)
            | Refusal::DnsOverload
            | Refusal::Limit(_)
            | Refusal::Connect(_)
            | Refusal::Tls(_)
            | Refusal::Terminated
            | Refusal::UpstreamProtocol
            | Refusal::NoExtendedConnect
            | Refusal::ResponseTimeout
            | Refusal::RequestBody
            | Refusal::Loop => Some(Self::InternalError),
        }
    }

    /// The record: type, version, length, fatal, which. `version` is that of the client's hello, if it was read.
    pub(crate) fn record(self, version: Option<u16>) -> [u8; 7] {
        let version = version.unwrap_or(LEGACY_VERSION);
        let [major, minor] = version.clamp(OLDEST_VERSION, LEGACY_VERSION).to_be_bytes();
        [21, major, minor, 0, 2, 2, self as u8]
    }
}

/// Tells the client why it is refused, and closes the connection.
pub(crate) async fn send(mut stream: TcpStream, refusal: &Refusal, version: Option<u16>) {
    let Some(alert) = Alert::of(refusal) else {
        return;
    };
    let told = async {
        stream.write_all(&alert.record(version)).await?;
        stream.shutdown().await?;
        // To close before everything was read is a reset, which may overtake the alert.
        let mut rest = [0; 512];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    // Who does not read it has no need of it.
    let _ = timeout(LINGER, told).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_of_a_version_that_the_client_reads() {
        let record = |version| Alert::UnrecognizedName.record(version);
        assert_eq!(record(None), [21, 3, 3, 0, 2, 2, 112]);
        assert_eq!(record(Some(0x0303)), [21, 3, 3, 0, 2, 2, 112]);
        assert_eq!(record(Some(0x0301)), [21, 3, 1, 0, 2, 2, 112]);
        assert_eq!(record(Some(0x0304)), [21, 3, 3, 0, 2, 2, 112]);
        assert_eq!(record(Some(0)), [21, 3, 0, 0, 2, 2, 112]);
    }
}
