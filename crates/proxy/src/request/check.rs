//! What is refused of a request for how it came, before anything is decided about where it goes.

use egret_config::route::RouteMatch;
use egret_config::snapshot::{ConnectionLimits, Listener};
use http::Version;
use http::request::Parts;

use crate::client::ClientConnection;
use crate::refusal::Refusal;

/// How many fields a request may have. Of HTTP/1.1 there are no more, or it would not have been read.
pub(super) fn fields(parts: &Parts, limits: &ConnectionLimits) -> Result<(), Refusal> {
    if parts.headers.len() > limits.max_header_fields {
        return Err(Refusal::HeadTooLarge);
    }
    Ok(())
}

/// Whether a connection over TLS was made for the listener that takes the request.
pub(super) fn listener(asked: &Listener, connection: &ClientConnection) -> Result<(), Refusal> {
    let Some(secured) = &connection.tls else {
        return Ok(());
    };
    if !secured.is_for(asked) {
        return Err(Refusal::Misdirected);
    }
    if !secured.is_good_for(asked) {
        connection.close_after_response();
        return Err(Refusal::Misdirected);
    }
    Ok(())
}

/// Whether CONNECT is served here, in this version of HTTP.
pub(super) fn connect(
    found: &RouteMatch<'_>,
    connection: &ClientConnection,
    version: Version,
) -> Result<(), Refusal> {
    let limits = connection.limits();
    let served = version != Version::HTTP_2 || limits.http2.allow_connect;
    if found.rule.policies.upgrades().connect && served {
        return Ok(());
    }
    Err(Refusal::NoTunnel("CONNECT is not enabled here"))
}
