//! Verifies the certificates of clients.

use std::sync::Arc;

use egret_config::snapshot::{ClientValidation, ValidationMode};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, DistinguishedName, Error};

use super::certificates::{ca_store, server_name};
use super::signatures::{SignatureChecks, signature_checks_of};

/// The verifier for these settings; without settings, clients are not asked for a certificate.
///
/// # Errors
/// If the settings cannot be used, with the reason.
pub(super) fn verifier(
    validation: Option<&ClientValidation>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Arc<str>> {
    let Some(validation) = validation else {
        return Ok(WebPkiClientVerifier::no_client_auth());
    };
    let signatures = SignatureChecks(provider.signature_verification_algorithms);
    let names: Result<Vec<_>, _> = validation.names.iter().map(server_name).collect();
    let expected = ExpectedCertificates {
        names: names?,
        fingerprints: validation.fingerprints.clone(),
    };
    if validation.authorities.is_empty() {
        return Ok(Arc::new(PinnedClientVerifier {
            expected,
            signatures,
        }));
    }
    let roots = ca_store(&validation.authorities)?;
    if validation.mode == ValidationMode::Unverified {
        return Ok(Arc::new(AnyClientVerifier {
            hints: roots.subjects(),
            signatures,
        }));
    }
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    let builder = match validation.mode {
        ValidationMode::Optional => builder.allow_unauthenticated(),
        ValidationMode::Required | ValidationMode::Unverified => builder,
    };
    let verifier = builder
        .build()
        .map_err(|error| Arc::from(error.to_string()))?;
    if expected.names.is_empty() && expected.fingerprints.is_empty() {
        return Ok(verifier);
    }
    Ok(Arc::new(MatchingClientVerifier { expected, verifier }))
}

/// Which certificates are accepted, whoever issued them.
#[derive(Debug)]
struct ExpectedCertificates {
    /// The names; any name is accepted if there are none.
    names: Vec<ServerName<'static>>,
    /// SHA-256 fingerprints; any certificate is accepted if there are none.
    fingerprints: Vec<[u8; 32]>,
}

/// Accepts a valid certificate that is expected.
#[derive(Debug)]
struct MatchingClientVerifier {
    expected: ExpectedCertificates,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// Accepts an expected certificate whose key the client has, whoever issued it, and no client without one. The
/// fingerprints say all that there is to know, so that validity and usage are not asked about, as in Envoy.
#[derive(Debug)]
struct PinnedClientVerifier {
    expected: ExpectedCertificates,
    signatures: SignatureChecks,
}

/// Accepts any certificate whose key the client has, and clients without a certificate (`AllowInsecureFallback`).
#[derive(Debug)]
struct AnyClientVerifier {
    hints: Vec<DistinguishedName>,
    signatures: SignatureChecks,
}

impl ExpectedCertificates {
    /// # Errors
    /// If the certificate cannot be parsed or is not expected.
    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let mut names = self.names.iter();
        let named = self.names.is_empty()
            || names.any(|name| rustls::client::verify_server_name(&parsed, name).is_ok());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
        let mut fingerprints = self.fingerprints.iter();
        let known = self.fingerprints.is_empty()
            || fingerprints.any(|fingerprint| fingerprint == digest.as_ref());
        if named && known {
            return Ok(());
        }
        let error = CertificateError::ApplicationVerificationFailure;
        Err(Error::InvalidCertificate(error))
    }
}

impl ClientCertVerifier for MatchingClientVerifier {
    fn offer_client_auth(&self) -> bool {
        self.verifier.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.verifier.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .verifier
            .verify_client_cert(certificate, intermediates, now)?;
        self.expected.check(certificate)?;
        Ok(verified)
    }

    signature_checks_of!(verifier);
}

impl ClientCertVerifier for AnyClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    signature_checks_of!(signatures);
}

impl ClientCertVerifier for PinnedClientVerifier {
    /// None: a certificate that is its own issuer is as good as any.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.expected.check(certificate)?;
        Ok(ClientCertVerified::assertion())
    }

    signature_checks_of!(signatures);
}
