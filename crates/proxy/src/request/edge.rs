//! What a listener does with a request whatever its route is (`httpSettings` of a ListenerPolicy).

use std::rc::Rc;

use bytes::Bytes;
use egret_config::name::Port;
use egret_config::policy::traffic::TrafficSettings;
use egret_config::snapshot::{Listener, ListenerHttp, ListenerSocket, RequestIds, WHOLE};
use http::header::{HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode, Version};

use super::{RequestClient, forwarding, local};
use crate::body::ResponseBody;
use crate::exchange::Exchange;
use crate::message::target::Target;
use crate::message::trace::{Trace, TracePropagation};
use crate::policy::ClientIdentity;
use crate::refusal::Refusal;
use crate::telemetry::traces::TracedRequest;
use crate::tls::PresentedCertificate;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives an HTTP/1.0 request that names no host that of the listeners.
pub(super) fn complete_host(socket: &ListenerSocket, parts: &mut Parts) {
    if parts.version != Version::HTTP_10
        || parts.headers.contains_key(HOST)
        || parts.uri.authority().is_some()
    {
        return;
    }
    let mut settings = socket.listeners.iter().filter_map(|one| one.http.as_ref());
    let host = settings.find_map(|http| http.default_host.as_ref());
    if let Some(Ok(host)) = host.map(|host| HeaderValue::try_from(host.to_string())) {
        parts.headers.insert(HOST, host);
    }
}

/// Lets the listener change the fields of a request, and say who sends it, before anything is decided about it.
pub(super) fn receive(listener: &Listener, parts: &mut Parts, client: &RequestClient) {
    let Some(http) = &listener.http else {
        return;
    };
    let connection = &client.connection.client;
    let presented = connection.tls.as_ref();
    let presented = presented.and_then(|tls| tls.presented.as_deref());
    if let Some(sender) = enter(http, parts, connection.identity(), presented) {
        client.exchange.sent_by(sender);
    }
}

/// Changes the fields of a request, and says who sends it, if that is not just the other end of the connection.
pub(super) fn enter(
    http: &ListenerHttp,
    parts: &mut Parts,
    peer: &ClientIdentity,
    presented: Option<&PresentedCertificate>,
) -> Option<ClientIdentity> {
    if let Some(edit) = &http.early_headers {
        edit.apply(&mut parts.headers);
    }
    forwarding::sender(http, peer, presented, &parts.headers)
}

/// What a request is for, as far as the settings say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It asks whether the gateway is ready.
    HealthCheck,
    /// It is routed.
    Routing,
}

/// Does what the settings say before the request is routed, and answers it if it asks whether the gateway is ready.
///
/// # Errors
/// As of [`settle`].
pub(super) fn begin(
    listener: &Listener,
    target: &mut Target,
    parts: &mut Parts,
    client: &RequestClient,
) -> Result<Option<Response<ResponseBody>>, Refusal> {
    let RequestClient {
        connection,
        exchange,
        ..
    } = client;
    match settle(listener, target, parts, connection.client.bind.port)? {
        Purpose::Routing => {
            let propagation = connection.context.shared.trace_propagation;
            trace(listener, parts, propagation, exchange);
            Ok(None)
        }
        Purpose::HealthCheck => {
            exchange.is_health_check();
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = readiness(connection.context.shared.drain.is_announced());
            Ok(Some(local::own(response, Rc::clone(exchange))))
        }
    }
}

/// Finds the place of a request in its trace, if the listener traces requests.
fn trace(listener: &Listener, parts: &Parts, propagation: TracePropagation, exchange: &Exchange) {
    let Some(http) = &listener.http else {
        return;
    };
    let Some(tracing) = &http.tracing else {
        return;
    };
    let traceparent = exchange.traceparent(&parts.headers, http.early_headers.is_some());
    let is_drawn = rand::random_range(0..WHOLE) < tracing.sampling;
    let spawns = tracing.spawns_upstream_span;
    let traceparent = traceparent.as_ref();
    let trace = Trace::of(traceparent, &parts.headers, propagation, is_drawn, spawns);
    if let Some(trace) = trace {
        let traced = TracedRequest::new(trace, tracing, &parts.headers);
        exchange.traced(traced.told_by(propagation));
    }
}

/// Lets a rule have its own word about whether a request is traced, and what its spans say.
pub(super) fn trace_rule(policies: &TrafficSettings, parts: &Parts, exchange: &Exchange) {
    if let Some(rule) = policies.tracing.value() {
        let is_drawn = |sampling| rand::random_range(0..WHOLE) < sampling;
        exchange.retraced(rule, rule.sampling.map(is_drawn), &parts.headers);
    }
}

/// Changes a request as the settings say. `of_listener` is the port of the listener.
///
/// # Errors
/// If the path is refused.
pub(super) fn settle(
    listener: &Listener,
    target: &mut Target,
    parts: &mut Parts,
    of_listener: Port,
) -> Result<Purpose, Refusal> {
    let Some(http) = &listener.http else {
        return Ok(Purpose::Routing);
    };
    // What names a scheme is for somebody else.
    let is_for_us = !target.is_tunnel() && target.scheme.is_none();
    if is_for_us && http.health_path.as_deref() == Some(parts.uri.path()) {
        return Ok(Purpose::HealthCheck);
    }
    check_path(listener, parts)?;
    if let (Some(strip), Some(port)) = (http.strip_port, target.port)
        && !target.is_tunnel()
        && strip.strips(port, of_listener)
    {
        target.port = None;
        if let Ok(host) = HeaderValue::try_from(target.host.to_string()) {
            parts.headers.insert(HOST, host);
        }
    }
    let generates = match http.request_ids {
        RequestIds::Untouched => false,
        RequestIds::Generated => true,
        RequestIds::Completed => !parts.headers.contains_key(&REQUEST_ID),
    };
    if generates {
        parts.headers.insert(REQUEST_ID, request_id(rand::random()));
    }
    Ok(Purpose::Routing)
}

/// Checks that the listener takes the path of a request.
///
/// # Errors
/// [`Refusal::Framing`] if it does not.
pub(super) fn check_path(listener: &Listener, parts: &Parts) -> Result<(), Refusal> {
    let http = listener.http.as_ref();
    let rejects = http.is_some_and(|http| http.rejects_escaped_slashes);
    if rejects && has_escaped_slash(parts.uri.path()) {
        return Err(Refusal::Framing("the path has an escaped slash"));
    }
    Ok(())
}

/// The answer to a health check. Whoever balances clients over gateways has to look for another in time.
fn readiness(is_stopping: bool) -> StatusCode {
    match is_stopping {
        true => StatusCode::SERVICE_UNAVAILABLE,
        false => StatusCode::OK,
    }
}

/// Whether a path has `%2F` or `%5C`, which some take for a separator and others do not.
fn has_escaped_slash(path: &str) -> bool {
    let escapes = path.as_bytes().windows(3);
    escapes.filter(|escape| escape[0] == b'%').any(|escape| {
        escape[1..].eq_ignore_ascii_case(b"2f") || escape[1..].eq_ignore_ascii_case(b"5c")
    })
}

/// A random UUID (RFC 9562 5.4) of these bits.
fn request_id(bits: u128) -> HeaderValue {
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    HeaderValue::try_from(parts.join("-")).expect("a UUID is visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_a_uuid() {
        assert_eq!(request_id(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(
            request_id(u128::MAX),
            "ffffffff-ffff-4fff-bfff-ffffffffffff"
        );
    }

    #[test]
    fn a_gateway_that_is_about_to_stop_is_not_ready() {
        assert_eq!(readiness(false), 200);
        assert_eq!(readiness(true), 503);
    }

    #[test]
    fn slashes_are_found_in_either_case() {
        for (path, is_found) in [
            ("/a/b", false),
            ("/a%2fb", true),
            ("/a%5Cb", true),
            ("/a%2", false),
            ("/%252f", false),
        ] {
            assert_eq!(has_escaped_slash(path), is_found, "{path}");
        }
    }
}
