//! The protocols that run over TLS, and how they are negotiated (ALPN, RFC 7301).

use egret_config::snapshot::{AlpnProtocol, HttpVersion, UpstreamTls};

/// What a TLS connection to an upstream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsContent {
    /// HTTP of this version.
    Http(HttpVersion),
    /// The bytes of a tunnel. No protocol is offered, because it is unknown which they are of.
    Tunnel,
}

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

impl TlsContent {
    /// The protocols that are offered to an upstream.
    pub(super) fn offered(self, settings: Option<&UpstreamTls>) -> &[AlpnProtocol] {
        match self {
            Self::Http(version) => offered_alpn(settings, version),
            Self::Tunnel => &[],
        }
    }

    /// The index of the content among all.
    pub(super) const fn index(self) -> usize {
        match self {
            Self::Http(version) => version as usize,
            Self::Tunnel => HttpVersion::Http2 as usize + 1,
        }
    }
}

/// The protocol that a handshake negotiated, if it is one of HTTP.
pub(crate) fn negotiated_alpn(protocol: Option<&[u8]>) -> Option<AlpnProtocol> {
    let protocol = protocol?;
    AlpnProtocol::BOTH
        .into_iter()
        .find(|known| known.as_str().as_bytes() == protocol)
}
