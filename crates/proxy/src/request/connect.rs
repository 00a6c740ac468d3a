//! CONNECT: opens the tunnel of a request that the policies have cleared.

use std::rc::Rc;

use bytes::Bytes;
use egret_config::snapshot::RouteRule;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{Method, Response, Version};

use super::ext_proc::{self, SeenRequest};
use super::{RequestClient, limits};
use crate::body::ResponseBody;
use crate::configuration::WorkerSnapshot;
use crate::message::target::Target;
use crate::policy::{Clearance, Passage};
use crate::refusal::Refusal;
use crate::tunnel::{SniWatch, Tunnel, TunnelKind, TunnelPermit, TunnelRequest};
use crate::upstream::{DirectConnection, RequestBody};

/// A CONNECT, and the decisions about it.
pub(super) struct ConnectRequest<'a> {
    pub(super) target: &'a Target,
    pub(super) parts: &'a Parts,
    pub(super) clearance: Clearance<'a>,
    pub(super) rule: &'a RouteRule,
    pub(super) snapshot: &'a WorkerSnapshot,
}

/// Refuses a CONNECT with ambiguous framing: its content could be part of the tunnel or precede it.
///
/// # Errors
/// [`Refusal::Framing`] if the head has a field for content other than a length of 0, or HTTP/1.0 with `Upgrade`.
pub(super) fn check_framing(parts: &Parts) -> Result<(), Refusal> {
    if parts.method != Method::CONNECT {
        return Ok(());
    }
    let has = |name| parts.headers.contains_key(name);
    let mut lengths = parts.headers.get_all(CONTENT_LENGTH).iter();
    let is_empty = lengths.all(|length| length.as_bytes() == b"0");
    if !is_empty || has(TRANSFER_ENCODING) {
        return Err(Refusal::Framing("a CONNECT has no content"));
    }
    // hyper would not open a tunnel for a request with this field.
    if parts.version == Version::HTTP_10 && has(UPGRADE) {
        return Err(Refusal::Framing("HTTP/1.0 has no Upgrade"));
    }
    Ok(())
}

/// Connects to the destination of a CONNECT and returns the response. The tunnel begins when the response has been sent;
/// bytes that the client sends before wait until then (draft-ietf-httpbis-optimistic-upgrade).
///
/// # Errors
/// The refusal for which no connection could be opened.
pub(super) async fn open(
    request: ConnectRequest<'_>,
    client: &RequestClient,
) -> Result<Response<ResponseBody>, Refusal> {
    let ConnectRequest {
        target,
        parts,
        clearance,
        rule,
        snapshot,
    } = request;
    let RequestClient {
        connection,
        exchange,
        ..
    } = client;
    let upstreams = &connection.context.upstreams;
    let passage = match clearance {
        Clearance::Settled(passage, _) => passage,
        Clearance::Unsettled(unsettled) => {
            let enquiry = client.enquiry(snapshot);
            limits::ask(unsettled, target, parts, enquiry)
                .await?
                .passage
        }
    };
    let mut cleared = match passage {
        Passage::Cleared(cleared) => cleared,
        Passage::Unprocessed(unprocessed) => {
            // What the service changes in the header goes nowhere.
            let seen = SeenRequest {
                parts: &mut parts.clone(),
                body: &mut RequestBody::own(Bytes::new()),
                scheme: connection.client.scheme(),
                is_tunnel: true,
            };
            let enquiry = client.enquiry(snapshot);
            // Boxed at once, so that it costs other tunnels nothing.
            let processed = Box::pin(ext_proc::request(
                unprocessed,
                seen,
                &rule.policies,
                enquiry,
            ));
            processed.await?.cleared
        }
    };
    let connected = upstreams
        .connect(
            &mut cleared,
            rule.timeouts,
            exchange.progress(),
            exchange.trip(),
        )
        .await;
    let DirectConnection { stream, permit } = connected?;
    exchange.trip().answered();
    let plan = cleared.plan();
    let watch = SniWatch::new(target.host.clone(), plan.egress.sni(false));
    let origin = (&*connection.client, exchange.identity());
    let tunnel = TunnelRequest::new(origin, target, parts, plan);
    client.then(Tunnel {
        kind: TunnelKind::Connect,
        upstream: stream,
        request: tunnel.watching_sni(watch),
        permit: TunnelPermit::Direct(permit),
        exchange: Rc::clone(exchange),
        snapshot: Rc::clone(snapshot),
    });
    let mut response = Response::new(ResponseBody::text(Bytes::new(), Rc::clone(exchange)));
    for filters in [&rule.filters, &plan.chosen.filters] {
        filters.response_headers.apply(response.headers_mut());
    }
    Ok(response)
}
