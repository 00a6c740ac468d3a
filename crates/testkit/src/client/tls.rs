//! TLS settings of the test clients.

use std::sync::Arc;

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::ca::{Ca, IssuedCertificate};

/// The TLS settings of a client: trusted CA, server name, ALPN protocols, certificate. Connections with the same
/// settings resume each other's sessions.
pub struct TlsClient {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl TlsClient {
    /// Trusts `ca`, verifies the server as `name`, and offers the protocols `alpn`. An IP address as `name` sends no SNI.
    ///
    /// # Panics
    /// If `name` is neither a DNS name nor an IP address.
    #[must_use]
    pub fn new(ca: &Ca, name: &str, alpn: &[&str]) -> Self {
        Self::with(ca, name, alpn, None, false)
    }

    /// As [`TlsClient::new`], with a client certificate.
    ///
    /// # Panics
    /// As [`TlsClient::new`].
    #[must_use]
    pub fn showing(ca: &Ca, name: &str, alpn: &[&str], identity: &IssuedCertificate) -> Self {
        Self::with(ca, name, alpn, Some(identity), false)
    }

    /// As [`TlsClient::new`], with TLS 1.2 as the highest version.
    ///
    /// # Panics
    /// As [`TlsClient::new`].
    #[must_use]
    pub fn old(ca: &Ca, name: &str, alpn: &[&str]) -> Self {
        Self::with(ca, name, alpn, None, true)
    }

    fn with(
        ca: &Ca,
        name: &str,
        alpn: &[&str],
        identity: Option<&IssuedCertificate>,
        old: bool,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(ca.certificate()).expect("a CA");
        let versions = if old {
            &[&TLS12][..]
        } else {
            &[&TLS13, &TLS12]
        };
        let builder =
            ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.der();
                let config = builder.with_client_auth_cert(chain, key);
                config.expect("a certificate and its key")
            }
        };
        config.alpn_protocols = alpn.iter().map(|one| one.as_bytes().to_vec()).collect();
        Self {
            config: Arc::new(config),
            name: ServerName::try_from(name.to_owned()).expect("a name or an address"),
        }
    }

    /// The first bytes of a handshake: the ClientHello.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn hello(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let written = self.connection().write_tls(&mut bytes);
        written.expect("a ClientHello");
        bytes
    }

    pub(crate) fn connection(&self) -> ClientConnection {
        let (config, name) = (Arc::clone(&self.config), self.name.clone());
        ClientConnection::new(config, name).expect("a client of TLS")
    }

    /// The settings and the server name in the form that `tokio_rustls` takes.
    pub(crate) fn parts(&self) -> (Arc<ClientConfig>, ServerName<'static>) {
        (Arc::clone(&self.config), self.name.clone())
    }
}
