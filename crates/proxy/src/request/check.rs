//! Checks of a request against the connection on which it arrived, before it is routed.

use egret_config::route::RouteMatch;
use egret_config::snapshot::{ConnectionLimits, Listener};
use http::HeaderMap;
use http::header::COOKIE;
use http::request::Parts;

use crate::client::ClientConnection;
use crate::plan::ForwardPlan;
use crate::refusal::Refusal;

/// Checks the number of header fields. Only HTTP/2 requests can exceed it, as the HTTP/1 parser has the same limit. The
/// fields into which HTTP/2 may split cookies (RFC 9113 8.2.3) are one field.
///
/// # Errors
/// [`Refusal::HeadTooLarge`].
pub(super) fn fields(parts: &Parts, limits: &ConnectionLimits) -> Result<(), Refusal> {
    let most = limits.max_header_fields;
    let fields = parts.headers.len();
    if fields > most && fields - extra_cookies(&parts.headers) > most {
        return Err(Refusal::HeadTooLarge);
    }
    Ok(())
}

fn extra_cookies(headers: &HeaderMap) -> usize {
    headers.get_all(COOKIE).iter().skip(1).count()
}

/// Checks that a TLS connection was made for the listener that serves the request.
///
/// # Errors
/// [`Refusal::Misdirected`].
pub(super) fn listener(listener: &Listener, connection: &ClientConnection) -> Result<(), Refusal> {
    let Some(tls) = &connection.tls else {
        return Ok(());
    };
    if !tls.is_for_listener(listener) {
        return Err(Refusal::Misdirected);
    }
    if !tls.is_valid_for(listener) {
        connection.close_after_response();
        return Err(Refusal::Misdirected);
    }
    Ok(())
}

/// Checks that the rule allows CONNECT, and that its backend leads to where the client asks for. `is_offered` says whether
/// the client's connection takes it.
///
/// # Errors
/// [`Refusal::NoTunnel`].
pub(super) fn connect(
    found: &RouteMatch<'_>,
    plan: &ForwardPlan<'_>,
    is_offered: bool,
) -> Result<(), Refusal> {
    if !is_offered || !found.rule.policies.upgrades().connect {
        return Err(Refusal::NoTunnel("CONNECT is not enabled here"));
    }
    if !plan.dynamic {
        return Err(Refusal::NoTunnel("a static backend takes no CONNECT"));
    }
    Ok(())
}
