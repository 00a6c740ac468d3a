//! Limits the algorithms of the signatures in handshakes to those of the settings: what is offered to the peer, what is
//! accepted of it, and what a listener signs with.

use std::sync::Arc;

use egret_config::snapshot::SignatureAlgorithm;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, SignatureScheme};

/// Something that verifies or makes signatures, for which some algorithms may be used.
#[derive(Debug)]
struct SignatureLimit<T> {
    inner: T,
    allowed: Vec<SignatureScheme>,
}

/// Limits a verifier of servers; without algorithms there is no limit.
pub(super) fn of_servers(
    verifier: Arc<dyn ServerCertVerifier>,
    signatures: &[SignatureAlgorithm],
) -> Arc<dyn ServerCertVerifier> {
    match signatures {
        [] => verifier,
        signatures => Arc::new(SignatureLimit::new(verifier, signatures)),
    }
}

/// Limits a verifier of clients; without algorithms there is no limit.
pub(super) fn of_clients(
    verifier: Arc<dyn ClientCertVerifier>,
    signatures: &[SignatureAlgorithm],
) -> Arc<dyn ClientCertVerifier> {
    match signatures {
        [] => verifier,
        signatures => Arc::new(SignatureLimit::new(verifier, signatures)),
    }
}

/// Limits what is signed with the key of a listener; without algorithms there is no limit.
pub(super) fn of_key(mut key: CertifiedKey, signatures: &[SignatureAlgorithm]) -> CertifiedKey {
    if !signatures.is_empty() {
        key.key = Arc::new(SignatureLimit::new(Arc::clone(&key.key), signatures));
    }
    key
}

impl<T> SignatureLimit<T> {
    fn new(inner: T, signatures: &[SignatureAlgorithm]) -> Self {
        Self {
            inner,
            allowed: signatures.iter().map(|one| scheme(*one)).collect(),
        }
    }

    /// # Errors
    /// If the peer has used an algorithm that was not offered to it.
    fn check(&self, signed: &DigitallySignedStruct) -> Result<(), Error> {
        match self.allowed.contains(&signed.scheme) {
            true => Ok(()),
            false => Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into()),
        }
    }

    /// The allowed ones of these, in the order of the settings.
    fn allowed_of(&self, schemes: &[SignatureScheme]) -> Vec<SignatureScheme> {
        let allowed = self.allowed.iter().copied();
        allowed.filter(|one| schemes.contains(one)).collect()
    }
}

fn scheme(algorithm: SignatureAlgorithm) -> SignatureScheme {
    match algorithm {
        SignatureAlgorithm::EcdsaP256Sha256 => SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureAlgorithm::EcdsaP384Sha384 => SignatureScheme::ECDSA_NISTP384_SHA384,
        SignatureAlgorithm::EcdsaP521Sha512 => SignatureScheme::ECDSA_NISTP521_SHA512,
        SignatureAlgorithm::Ed25519 => SignatureScheme::ED25519,
        SignatureAlgorithm::RsaPssSha256 => SignatureScheme::RSA_PSS_SHA256,
        SignatureAlgorithm::RsaPssSha384 => SignatureScheme::RSA_PSS_SHA384,
        SignatureAlgorithm::RsaPssSha512 => SignatureScheme::RSA_PSS_SHA512,
        SignatureAlgorithm::RsaPkcs1Sha256 => SignatureScheme::RSA_PKCS1_SHA256,
        SignatureAlgorithm::RsaPkcs1Sha384 => SignatureScheme::RSA_PKCS1_SHA384,
        SignatureAlgorithm::RsaPkcs1Sha512 => SignatureScheme::RSA_PKCS1_SHA512,
    }
}

/// The checks of signatures, after the check of their algorithm.
macro_rules! limited_checks {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.check(signed)?;
            self.inner
                .verify_tls12_signature(message, certificate, signed)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.check(signed)?;
            self.inner
                .verify_tls13_signature(message, certificate, signed)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.allowed_of(&self.inner.supported_verify_schemes())
        }
    };
}

impl ServerCertVerifier for SignatureLimit<Arc<dyn ServerCertVerifier>> {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.inner
            .verify_server_cert(certificate, intermediates, server_name, ocsp_response, now)
    }

    limited_checks!();
}

impl ClientCertVerifier for SignatureLimit<Arc<dyn ClientCertVerifier>> {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.inner
            .verify_client_cert(certificate, intermediates, now)
    }

    limited_checks!();
}

impl SigningKey for SignatureLimit<Arc<dyn SigningKey>> {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        self.inner.choose_scheme(&self.allowed_of(offered))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.inner.public_key()
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        self.inner.algorithm()
    }
}
