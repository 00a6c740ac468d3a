//! The protocols that run over TLS, and how they are negotiated (ALPN, RFC 7301).

use egret_config::snapshot::{AlpnProtocol, HttpVersion, UpstreamTls};

/// The ALPN protocol id of HTTP/2.
pub(crate) const HTTP_2: &[u8] = AlpnProtocol::H2.as_str().as_bytes();

/// The protocols that are offered to an upstream: those of the settings, unless one version of HTTP is wanted.
pub(crate) fn offered_alpn(
    settings: Option<&UpstreamTls>,
    version: HttpVersion,
) -> &[AlpnProtocol] {
    match version {
        HttpVersion::Auto => settings.map_or(&AlpnProtocol::BOTH, |settings| &settings.alpn),
        HttpVersion::Http1 => &[AlpnProtocol::Http11],
        HttpVersion::Http2 => &[AlpnProtocol::H2],
    }
}

/// The protocol that a handshake negotiated, if it is one of HTTP.
pub(crate) fn negotiated_alpn(protocol: Option<&[u8]>) -> Option<AlpnProtocol> {
    let protocol = protocol?;
    AlpnProtocol::BOTH
        .into_iter()
        .find(|known| known.as_str().as_bytes() == protocol)
}
