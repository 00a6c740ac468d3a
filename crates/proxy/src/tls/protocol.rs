//! Chooses the cryptography and the versions of TLS for every connection.

use std::sync::Arc;

use egret_config::snapshot::{TlsVersion, TlsVersions};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{SupportedProtocolVersion, version};

/// The provider of cryptography for every connection.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
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
