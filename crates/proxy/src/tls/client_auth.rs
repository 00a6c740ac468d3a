//! What is asked of the certificates of clients.

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

use super::{authorities, server_name};

/// Who checks them.
///
/// # Errors
/// If the settings cannot be used, with what is wrong.
pub(super) fn verifier(
    wanted: Option<&ClientValidation>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Arc<str>> {
    let Some(wanted) = wanted else {
        return Ok(WebPkiClientVerifier::no_client_auth());
    };
    let roots = authorities(&wanted.authorities)?;
    if wanted.mode == ValidationMode::Unverified {
        return Ok(Arc::new(Anybody {
            hints: roots.subjects(),
            algorithms: provider.signature_verification_algorithms,
        }));
    }
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    let builder = match wanted.mode {
        ValidationMode::Optional => builder.allow_unauthenticated(),
        ValidationMode::Required | ValidationMode::Unverified => builder,
    };
    let verifier = builder
        .build()
        .map_err(|error| Arc::from(error.to_string()))?;
    if wanted.names.is_empty() && wanted.fingerprints.is_empty() {
        return Ok(verifier);
    }
    let names: Result<_, _> = wanted.names.iter().map(server_name).collect();
    Ok(Arc::new(OneOf {
        names: names?,
        fingerprints: wanted.fingerprints.clone(),
        verifier,
    }))
}

/// The certificate is good, and one of these.
#[derive(Debug)]
struct OneOf {
    /// Of any name, if there are none.
    names: Vec<ServerName<'static>>,
    /// SHA-256 of it; any, if there are none.
    fingerprints: Vec<[u8; 32]>,
    verifier: Arc<dyn ClientCertVerifier>,
}

/// It may be any, if only the client has its key, or there may be none (`AllowInsecureFallback`).
struct Anybody {
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl OneOf {
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

impl ClientCertVerifier for OneOf {
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

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

impl ClientCertVerifier for Anybody {
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

impl fmt::Debug for Anybody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Anybody")
    }
}
