//! Verifies the certificates of clients.

use std::fmt;
use std::sync::Arc;

use egret_config::snapshot::{ClientValidation, ValidationMode};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::certificates::{ca_store, server_name};
use super::signatures::signature_checks_of;

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
    let roots = ca_store(&validation.authorities)?;
    if validation.mode == ValidationMode::Unverified {
        return Ok(Arc::new(AnyClientVerifier {
            hints: roots.subjects(),
            algorithms: provider.signature_verification_algorithms,
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
    if validation.names.is_empty() && validation.fingerprints.is_empty() {
        return Ok(verifier);
    }
    let names: Result<_, _> = validation.names.iter().map(server_name).collect();
    Ok(Arc::new(MatchingClientVerifier {
        names: names?,
        fingerprints: validation.fingerprints.clone(),
        verifier,
    }))
}

/// Accepts a valid certificate that has one of these names and one of these fingerprints.
#[derive(Debug)]
struct MatchingClientVerifier {
    /// The names; any name is accepted if there are none.
    names: Vec<ServerName<'static>>,
    /// SHA-256 fingerprints; any certificate is accepted if there are none.
    fingerprints: Vec<[u8; 32]>,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// Accepts any certificate whose key the client has, and clients without a certificate (`AllowInsecureFallback`).
struct AnyClientVerifier {
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl MatchingClientVerifier {
    fn accepts(&self, certificate: &CertificateDer<'_>) -> Result<bool, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let mut names = self.names.iter();
        let named = self.names.is_empty()
            || names.any(|name| rustls::client::verify_server_name(&parsed, name).is_ok());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
        let mut fingerprints = self.fingerprints.iter();
        let known = self.fingerprints.is_empty()
            || fingerprints.any(|fingerprint| fingerprint == digest.as_ref());
        Ok(named && known)
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
        if self.accepts(certificate)? {
            Ok(verified)
        } else {
            let error = CertificateError::ApplicationVerificationFailure;
            Err(Error::InvalidCertificate(error))
        }
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

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Debug for AnyClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyClientVerifier")
    }
}
