//! Verifies the certificates of upstreams: by names that the settings give in place of the host, of servers that are
//! trusted themselves, or not at all.

use std::sync::Arc;

use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, OtherError, RootCertStore};

use super::signatures::{SignatureChecks, signature_checks_of};

/// Accepts a valid certificate that has one of these names.
#[derive(Debug)]
pub(super) struct NamedServerVerifier {
    names: Vec<ServerName<'static>>,
    verifier: Arc<AnchoredServerVerifier>,
}

/// Accepts a certificate that one of the trusted CAs has issued, or that is itself one of the trusted certificates. What
/// `openssl req -x509` makes is a certificate of a CA, which webpki does not accept of a server.
#[derive(Debug)]
pub(super) struct AnchoredServerVerifier {
    roots: Arc<RootCertStore>,
    verifier: Arc<WebPkiServerVerifier>,
}

/// Accepts any certificate whose key the server has.
#[derive(Debug)]
pub(super) struct AnyServerVerifier {
    signatures: SignatureChecks,
}

impl NamedServerVerifier {
    pub(super) fn new(
        names: Vec<ServerName<'static>>,
        verifier: Arc<AnchoredServerVerifier>,
    ) -> Self {
        Self { names, verifier }
    }
}

impl AnchoredServerVerifier {
    /// Creates the verifier of certificates that these CAs have issued.
    ///
    /// # Errors
    /// If there is no CA.
    pub(super) fn new(
        roots: Arc<RootCertStore>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), provider).build()?;
        Ok(Self { roots, verifier })
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
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut outcome = Err(Error::InvalidCertificate(CertificateError::NotValidForName));
        for name in &self.names {
            outcome = self.verifier.verify_server_cert(
                certificate,
                intermediates,
                name,
                ocsp_response,
                now,
            );
            let other_name = matches!(
                outcome,
                Err(Error::InvalidCertificate(
                    CertificateError::NotValidForName
                        | CertificateError::NotValidForNameContext { .. }
                ))
            );
            if !other_name {
                break;
            }
        }
        outcome
    }

    signature_checks_of!(verifier);
}

impl ServerCertVerifier for AnchoredServerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let outcome = self.verifier.verify_server_cert(
            certificate,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match outcome {
            // The period of validity has been checked before.
            Err(Error::InvalidCertificate(CertificateError::Other(other)))
                if is_of_ca(&other) && self.is_anchor(certificate) =>
            {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            outcome => outcome,
        }
    }

    signature_checks_of!(verifier);
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
