//! Chooses the cryptography and the versions of TLS for every connection.

use std::sync::Arc;

use egret_config::snapshot::{
    CipherSuite, KeyExchangeGroup, TlsAlgorithms, TlsVersion, TlsVersions,
};
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};

/// The provider of cryptography for every connection.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The provider of cryptography that has these algorithms alone. The algorithms of signatures are for
/// [`super::signature_limit`].
pub(super) fn provider_of(algorithms: &TlsAlgorithms) -> Arc<CryptoProvider> {
    let TlsAlgorithms {
        cipher_suites,
        groups,
        signatures: _,
    } = algorithms;
    let mut provider = aws_lc_rs::default_provider();
    if !cipher_suites.is_empty() {
        let all = std::mem::take(&mut provider.cipher_suites);
        let named: Vec<_> = cipher_suites.iter().map(|one| suite(*one)).collect();
        let is_limited = |version| named.iter().any(|one| one.version().version == version);
        let unlimited = all
            .into_iter()
            .filter(|one| !is_limited(one.version().version));
        provider.cipher_suites = named.iter().copied().chain(unlimited).collect();
    }
    if !groups.is_empty() {
        provider.kx_groups = groups.iter().map(|one| group(*one)).collect();
    }
    Arc::new(provider)
}

fn suite(suite: CipherSuite) -> SupportedCipherSuite {
    use cipher_suite as of;
    match suite {
        CipherSuite::EcdheEcdsaAes128Gcm => of::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::EcdheRsaAes128Gcm => of::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::EcdheEcdsaAes256Gcm => of::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        CipherSuite::EcdheRsaAes256Gcm => of::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        CipherSuite::EcdheEcdsaChacha20 => of::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite::EcdheRsaChacha20 => of::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite::Aes128Gcm => of::TLS13_AES_128_GCM_SHA256,
        CipherSuite::Aes256Gcm => of::TLS13_AES_256_GCM_SHA384,
        CipherSuite::Chacha20 => of::TLS13_CHACHA20_POLY1305_SHA256,
    }
}

fn group(group: KeyExchangeGroup) -> &'static dyn SupportedKxGroup {
    match group {
        KeyExchangeGroup::X25519MlKem768 => kx_group::X25519MLKEM768,
        KeyExchangeGroup::X25519 => kx_group::X25519,
        KeyExchangeGroup::P256 => kx_group::SECP256R1,
        KeyExchangeGroup::P384 => kx_group::SECP384R1,
    }
}

/// The protocol versions within these bounds.
pub(super) fn protocol_versions(
    versions: TlsVersions,
) -> &'static [&'static SupportedProtocolVersion] {
    static TLS_1_2: [&SupportedProtocolVersion; 1] = [&version::TLS12];
    static TLS_1_3: [&SupportedProtocolVersion; 1] = [&version::TLS13];
    static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    match (versions.min, versions.max) {
        (TlsVersion::V1_3, _) => &TLS_1_3,
        (TlsVersion::V1_2, TlsVersion::V1_2) => &TLS_1_2,
        (TlsVersion::V1_2, TlsVersion::V1_3) => &BOTH,
    }
}
