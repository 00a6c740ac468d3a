//! CONNECT: from a cleared request to a tunnel.

use std::rc::Rc;

use bytes::Bytes;
use egret_config::snapshot::RouteRule;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{Method, Response, Version};

use super::RequestClient;
use crate::body::ResponseBody;
use crate::configuration::WorkerSnapshot;
use crate::message::target::Target;
use crate::policy::Cleared;
use crate::refusal::Refusal;
use crate::tunnel::{Tunnel, TunnelKind, TunnelPermit, TunnelRequest};
use crate::upstream::DirectConnection;

/// A CONNECT, and what was decided about it.
pub(super) struct ConnectRequest<'a> {
    pub(super) target: &'a Target,
    pub(super) parts: &'a Parts,
    pub(super) cleared: Cleared<'a>,
    pub(super) rule: &'a RouteRule,
    pub(super) snapshot: &'a WorkerSnapshot,
}

/// Refuses a CONNECT whose head has a second reading: one with content, which could begin the tunnel or precede it.
///
/// # Errors
/// [`Refusal::Framing`].
pub(super) fn check_framing(parts: &Parts) -> Result<(), Refusal> {
    if parts.method != Method::CONNECT {
        return Ok(());
    }
    let has = |name| parts.headers.contains_key(name);
    if has(CONTENT_LENGTH) || has(TRANSFER_ENCODING) {
        return Err(Refusal::Framing("a CONNECT has no content"));
    }
    // The HTTP library would take the field for a sign that there is to be no tunnel.
    if parts.version == Version::HTTP_10 && has(UPGRADE) {
        return Err(Refusal::Framing("HTTP/1.0 has no Upgrade"));
    }
    Ok(())
}

/// Connects to where a CONNECT goes, and answers it. The tunnel begins when the answer has been sent: what the client
/// sent before that waits (draft-ietf-httpbis-optimistic-upgrade).
///
/// # Errors
/// Every way in which no connection can be made.
pub(super) async fn open(
    request: ConnectRequest<'_>,
    client: &RequestClient,
) -> Result<Response<ResponseBody>, Refusal> {
    let ConnectRequest {
        target,
        parts,
        mut cleared,
        rule,
        snapshot,
    } = request;
    let RequestClient {
        connection,
        exchange,
        ..
    } = client;
    let upstreams = &connection.context.upstreams;
    let connected = upstreams
        .connect(
            &mut cleared,
            rule.timeouts,
            exchange.progress(),
            exchange.trip(),
        )
        .await;
    let DirectConnection { stream, permit } = connected?;
    let plan = cleared.plan();
    client.then(Tunnel {
        kind: TunnelKind::Connect,
        upstream: stream,
        request: TunnelRequest::new(&connection.client, target, parts, plan),
        permit: TunnelPermit::Direct(permit),
        exchange: Rc::clone(exchange),
        judged_by: Rc::clone(snapshot),
    });
    let mut response = Response::new(ResponseBody::text(Bytes::new(), Rc::clone(exchange)));
    for filters in [&rule.filters, plan.filters] {
        filters.response_headers.apply(response.headers_mut());
    }
    Ok(response)
}
