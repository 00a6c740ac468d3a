//! The protocols that run over TLS, and how they are negotiated (ALPN, RFC 7301).

use egret_config::snapshot::{Alpn, HttpVersion, UpstreamTls};

/// The ALPN protocol id of HTTP/2.
pub(crate) const HTTP_2: &[u8] = Alpn::H2.as_str().as_bytes();

/// The protocols that are offered to an upstream: those of the settings, unless one version of HTTP is wanted.
pub(crate) fn offered_alpn(settings: Option<&UpstreamTls>, version: HttpVersion) -> &[Alpn] {
    match version {
        HttpVersion::Auto => settings.map_or(&Alpn::BOTH, |settings| &settings.alpn),
        HttpVersion::Http1 => &[Alpn::Http11],
        HttpVersion::Http2 => &[Alpn::H2],
    }
}

/// The protocol that a handshake negotiated, if it is one of HTTP.
pub(crate) fn negotiated_alpn(protocol: Option<&[u8]>) -> Option<Alpn> {
    let protocol = protocol?;
    Alpn::BOTH
        .into_iter()
        .find(|known| known.as_str().as_bytes() == protocol)
}
