//! TLS settings and handshakes of fake HTTP servers.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{
    HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig, SupportedProtocolVersion, version,
};
use tokio_rustls::server::TlsStream;

use crate::ca::{Ca, IssuedCertificate};

/// The TLS settings of a server: its certificate, versions, ALPN protocols, and whether it requires a client certificate.
pub struct UpstreamTls {
    issued: IssuedCertificate,
    client_ca: Option<RootCertStore>,
    versions: Vec<&'static SupportedProtocolVersion>,
    alpn: Vec<Vec<u8>>,
}

/// A TLS handshake that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsHandshake {
    /// The server name that the client sent (SNI).
    pub sni: Option<String>,
    /// The protocol that ALPN selected.
    pub alpn: Option<String>,
    /// The TLS version: `1.2` or `1.3`.
    pub version: &'static str,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// Whether the client presented a certificate.
    pub client_certificate: bool,
}

impl UpstreamTls {
    /// Uses this certificate, the ALPN protocols `h2` and `http/1.1`, and TLS 1.2 and 1.3.
    #[must_use]
    pub fn new(issued: IssuedCertificate) -> Self {
        Self {
            issued,
            client_ca: None,
            versions: vec![&version::TLS13, &version::TLS12],
            alpn: [&b"h2"[..], b"http/1.1"].map(<[u8]>::to_vec).into(),
        }
    }

    /// As [`UpstreamTls::new`], with a certificate of this CA for these names and addresses.
    #[must_use]
    pub fn of<'a>(ca: &Ca, names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(ca.issue(names))
    }

    /// Requires a client certificate of this CA.
    ///
    /// # Panics
    /// Never: the certificate of a [`Ca`] is valid.
    #[must_use]
    pub fn requiring(mut self, ca: &Ca) -> Self {
        let mut store = RootCertStore::empty();
        store.add(ca.certificate()).expect("a CA");
        self.client_ca = Some(store);
        self
    }

    /// Restricts the server to TLS 1.2.
    #[must_use]
    pub fn old(mut self) -> Self {
        self.versions = vec![&version::TLS12];
        self
    }

    /// Restricts ALPN to this protocol.
    #[must_use]
    pub fn speaking(mut self, protocol: &str) -> Self {
        self.alpn = vec![protocol.as_bytes().to_vec()];
        self
    }

    /// Disables ALPN (RFC 7301).
    #[must_use]
    pub fn agreeing_to_nothing(mut self) -> Self {
        self.alpn = Vec::new();
        self
    }

    pub(super) fn acceptor(self) -> TlsAcceptor {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions)
            .expect("versions that there are");
        let builder = match self.client_ca {
            None => builder.with_no_client_auth(),
            Some(roots) => builder.with_client_cert_verifier(verifier(roots, provider)),
        };
        let (chain, key) = self.issued.der();
        let mut config = builder
            .with_single_cert(chain, key)
            .expect("a key of the certificate");
        config.alpn_protocols = self.alpn;
        TlsAcceptor::from(Arc::new(config))
    }
}

fn verifier(
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
) -> Arc<dyn tokio_rustls::rustls::server::danger::ClientCertVerifier> {
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .expect("a CA")
}

/// Performs the server's side of the handshake. After a failure, the connection stays open until the client has read the
/// alert.
pub(super) async fn accept(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
) -> Option<TlsStream<TcpStream>> {
    match acceptor.accept(stream).into_fallible().await {
        Ok(stream) => Some(stream),
        Err((_, mut stream)) => {
            let _ = stream.shutdown().await;
            let mut rest = [0; 1024];
            while matches!(stream.read(&mut rest).await, Ok(1..)) {}
            None
        }
    }
}

impl TlsHandshake {
    pub(super) fn of(stream: &TlsStream<TcpStream>) -> Self {
        let (_, connection) = stream.get_ref();
        let alpn = connection.alpn_protocol();
        Self {
            sni: connection.server_name().map(str::to_owned),
            alpn: alpn.map(|id| String::from_utf8_lossy(id).into_owned()),
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "1.3",
                _ => "1.2",
            },
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            client_certificate: connection.peer_certificates().is_some(),
        }
    }
}
