//! DNS over TLS (RFC 7858) and over HTTPS (RFC 8484): the listeners, and a certificate from a CA made for the server.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;

use super::DnsServer;
use crate::ca::{Ca, IssuedCertificate};

/// The default names of the certificate.
const NAMES: [&str; 2] = ["dns.test", "127.0.0.1"];

/// What a client needs in order to connect: the addresses, and the CA as PEM.
#[derive(Debug)]
pub(super) struct EncryptedEndpoints {
    tls: SocketAddr,
    https: SocketAddr,
    ca: String,
}

/// The encrypted listeners of a DNS server, each with its TLS settings.
pub(super) struct EncryptedListeners {
    pub(super) tls: (TcpListener, TlsAcceptor),
    pub(super) https: (TcpListener, TlsAcceptor),
}

impl DnsServer {
    /// Starts a server that also answers over TLS and HTTPS, with a certificate for `dns.test` and 127.0.0.1.
    #[must_use]
    pub fn start_encrypted() -> Self {
        Self::start_encrypted_as(NAMES)
    }

    /// Starts a server that also answers over TLS and HTTPS, with a certificate for these names and addresses.
    ///
    /// # Panics
    /// If one of `names` is neither a DNS name nor an IP address.
    #[must_use]
    pub fn start_encrypted_as<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::start_with(Some(set_up(names)))
    }

    /// The address of the server for DNS over TLS.
    ///
    /// # Panics
    /// If the server was not started encrypted.
    #[must_use]
    pub fn tls_addr(&self) -> SocketAddr {
        self.encrypted().tls
    }

    /// The address of the server for DNS over HTTPS, on the path `/dns-query`.
    ///
    /// # Panics
    /// If the server was not started encrypted.
    #[must_use]
    pub fn https_addr(&self) -> SocketAddr {
        self.encrypted().https
    }

    /// The CA that issued the certificate of the server, as PEM.
    ///
    /// # Panics
    /// If the server was not started encrypted.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.encrypted().ca
    }

    fn encrypted(&self) -> &EncryptedEndpoints {
        self.encrypted.as_ref().expect("a server started encrypted")
    }
}

fn set_up<'a>(
    names: impl IntoIterator<Item = &'a str>,
) -> (EncryptedEndpoints, EncryptedListeners) {
    let (tls, tls_addr) = listen();
    let (https, https_addr) = listen();
    let ca = Ca::new();
    let issued = ca.issue(names);
    let encrypted = EncryptedEndpoints {
        tls: tls_addr,
        https: https_addr,
        ca: ca.pem(),
    };
    let listeners = EncryptedListeners {
        tls: (tls, acceptor(&issued, &[])),
        https: (https, acceptor(&issued, &[b"h2"])),
    };
    (encrypted, listeners)
}

fn acceptor(issued: &IssuedCertificate, alpn: &[&[u8]]) -> TlsAcceptor {
    let (chain, key) = issued.der();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a key of the certificate");
    config.alpn_protocols = alpn.iter().map(|id| id.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let addr = listener.local_addr().expect("a bound socket");
    (listener, addr)
}
