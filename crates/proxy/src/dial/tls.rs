//! TLS on a connection that was just made.

use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::failure::{ConnectFailure, SecureFailure};
use crate::tls::{HTTP_2, TlsFailure};

/// Whom to expect at the other end, and how to tell.
pub(crate) struct Expected {
    pub(crate) client: Arc<ClientConfig>,
    /// The name to ask for (RFC 6066 3), unless it is an address, and the one of the certificate.
    pub(crate) peer: ServerName<'static>,
}

/// A connection that only the two ends can read.
pub(crate) struct Secured<S> {
    pub(crate) stream: TlsStream<S>,
    /// Whether the two ends knew each other from before (RFC 8446 2.2).
    pub(crate) resumed: bool,
    /// Whether they agreed on HTTP/2 (RFC 9113 3.2); what they agreed on otherwise is HTTP/1.1.
    pub(crate) http2: bool,
}

/// Shakes hands until `until` at the latest.
///
/// # Errors
/// [`SecureFailure::Tls`] if the handshake fails, or if only HTTP/2 was offered and the server does not support ALPN (RFC
/// 7301); [`SecureFailure::Connect`] if it is not over by `until`.
pub(crate) async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    expected: Expected,
    until: Instant,
) -> Result<Secured<S>, SecureFailure> {
    let Expected { client, peer } = expected;
    let shaking = TlsConnector::from(Arc::clone(&client)).connect(peer, stream);
    let stream = timeout_at(until.into(), shaking)
        .await
        .map_err(|_| SecureFailure::Connect(ConnectFailure::Timeout))?
        .map_err(|error| SecureFailure::Tls(TlsFailure::of(&error, &client.alpn_protocols)))?;
    let (_, session) = stream.get_ref();
    let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
    let http2 = session.alpn_protocol() == Some(HTTP_2);
    // A server that knows nothing of RFC 7301 agrees to nothing, and speaks HTTP/1.1.
    if !http2 && client.alpn_protocols == [HTTP_2] {
        return Err(SecureFailure::Tls(TlsFailure::no_common_protocol(
            &client.alpn_protocols,
        )));
    }
    Ok(Secured {
        stream,
        resumed,
        http2,
    })
}
