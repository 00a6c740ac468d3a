//! Verifies the certificates of upstreams: by names that the settings give in place of the host, of servers that are
//! trusted themselves, or not at all.

use std::sync::Arc;

use egret_config::certificate::{AlternativeName, CertificateFacts};
use egret_config::snapshot::PeerName;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, OtherError, RootCertStore};

use super::certificates::server_name;
use super::signatures::{SignatureChecks, signature_checks_of};

/// Accepts a valid certificate that has one of these names.
#[derive(Debug)]
pub(super) struct NamedServerVerifier {
    names: Vec<ServerName<'static>>,
    uris: Vec<String>,
    verifier: Arc<AnchoredServerVerifier>,
}

/// Accepts a certificate that one of the trusted CAs has issued, or that is itself one of the trusted certificates. What
/// `openssl req -x509` makes is a certificate of a CA, which webpki does not accept of a server.
#[derive(Debug)]
pub(super) struct AnchoredServerVerifier {
    roots: Arc<RootCertStore>,
    signatures: SignatureChecks,
}

/// Accepts any certificate whose key the server has.
#[derive(Debug)]
pub(super) struct AnyServerVerifier {
    signatures: SignatureChecks,
}

impl NamedServerVerifier {
    /// Creates the verifier of certificates that have one of these names.
    ///
    /// # Errors
    /// If certificates cannot have one of the names, with the reason.
    pub(super) fn new(
        expected: &[PeerName],
        verifier: Arc<AnchoredServerVerifier>,
    ) -> Result<Self, Arc<str>> {
        let (mut names, mut uris) = (Vec::new(), Vec::new());
        for name in expected {
            match name {
                PeerName::Host(host) => names.push(server_name(host)?),
                PeerName::Uri(uri) => uris.push(uri.clone()),
            }
        }
        Ok(Self {
            names,
            uris,
            verifier,
        })
    }

    /// Whether the certificate has one of the URIs. They are compared as they are written.
    fn has_uri(&self, certificate: &CertificateDer<'_>) -> bool {
        let facts = (!self.uris.is_empty()).then(|| CertificateFacts::read(certificate));
        let names = facts.flatten().map(|facts| facts.names);
        let mut names = names.into_iter().flatten();
        names.any(|name| matches!(name, AlternativeName::Uri(uri) if self.uris.contains(&uri)))
    }
}

impl AnchoredServerVerifier {
    /// Creates the verifier of certificates that these CAs have issued. If there are none, it accepts no certificate.
    pub(super) fn new(roots: Arc<RootCertStore>, provider: &CryptoProvider) -> Self {
        let signatures = SignatureChecks(provider.signature_verification_algorithms);
        Self { roots, signatures }
    }

    /// Verifies all of a certificate but its names.
    fn verify_chain(
        &self,
        certificate: &ParsedCertificate<'_>,
        der: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let outcome = verify_server_cert_signed_by_trust_anchor(
            certificate,
            &self.roots,
            intermediates,
            now,
            self.signatures.0.all,
        );
        match outcome {
            // The period of validity has been checked before.
            Err(Error::InvalidCertificate(CertificateError::Other(other)))
                if is_of_ca(&other) && self.is_anchor(der) =>
            {
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Whether the certificate has the name and the key of a trusted one. That the server has the key is proven by the
    /// handshake.
    fn is_anchor(&self, certificate: &CertificateDer<'_>) -> bool {
        let mut own = RootCertStore::empty();
        let added = own.add(certificate.clone().into_owned());
        added.is_ok() && own.roots.iter().all(|one| self.roots.roots.contains(one))
    }
}

impl AnyServerVerifier {
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        let signatures = SignatureChecks(provider.signature_verification_algorithms);
        Self { signatures }
    }
}

impl ServerCertVerifier for NamedServerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        self.verifier
            .verify_chain(&parsed, certificate, intermediates, now)?;
        let mut outcome = Err(Error::InvalidCertificate(CertificateError::NotValidForName));
        for name in &self.names {
            outcome = verify_server_name(&parsed, name);
            if outcome.is_ok() {
                break;
            }
        }
        if outcome.is_err() && !self.has_uri(certificate) {
            outcome?;
        }
        Ok(ServerCertVerified::assertion())
    }

    signature_checks_of!(verifier);
}

impl ServerCertVerifier for AnchoredServerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        self.verify_chain(&parsed, certificate, intermediates, now)?;
        verify_server_name(&parsed, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    signature_checks_of!(signatures);
}

/// Whether webpki says that the certificate is one of a CA. rustls has no variant for it.
pub(super) fn is_of_ca(error: &OtherError) -> bool {
    error.to_string() == "CaUsedAsEndEntity"
}

impl ServerCertVerifier for AnyServerVerifier {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    signature_checks_of!(signatures);
}
