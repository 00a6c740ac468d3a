//! Forwarding: what a cleared request says to its upstream, and what of the response is sent on.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use egret_config::policy::headers::HeaderEdit;
use egret_config::snapshot::{RouteFilters, RouteRule};
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Method, Response, Version};
use http_body::Body as _;

use super::RequestClient;
use super::mirror::{self, MirroredRequest};
use crate::body::ResponseBody;
use crate::configuration::WorkerSnapshot;
use crate::context::WorkerContext;
use crate::exchange::Exchange;
use crate::message::forwarded::ForwardedClient;
use crate::message::request_head::accepts_trailers;
use crate::message::response_head::has_no_content;
use crate::message::target::Target;
use crate::message::upgrade::UpgradeRequest;
use crate::message::via::Via;
use crate::policy::{Cleared, ClientIdentity};
use crate::refusal::Refusal;
use crate::tunnel::{Tunnel, TunnelKind, TunnelPermit, TunnelRequest};
use crate::upstream::{OutgoingRequest, RequestBody, SendOptions, UpstreamBody, UpstreamReply};

/// A request that is forwarded, and what was decided about it.
pub(super) struct ForwardedRequest<'a, 'r> {
    pub(super) target: &'r Target,
    pub(super) rule: &'a Arc<RouteRule>,
    /// The path prefix that the rule matched.
    pub(super) matched_prefix: Option<&'a str>,
    pub(super) snapshot: &'r WorkerSnapshot,
    /// The protocol that the request asks for in place of HTTP.
    pub(super) wanted: Option<Box<UpgradeRequest>>,
}

/// Who sends a request on, and for whom.
#[derive(Clone, Copy)]
pub(super) struct HeadOrigin<'a> {
    pub(super) client: &'a ClientIdentity,
    pub(super) via: &'a Via,
}

impl<'a> HeadOrigin<'a> {
    pub(super) fn new(client: &'a ClientIdentity, context: &'a WorkerContext) -> Self {
        let via = &context.shared.via;
        Self { client, via }
    }
}

/// What came of a request that was sent.
pub(super) enum Forwarded<'a> {
    /// The upstream has answered.
    Answered(UpstreamAnswer<'a>),
    /// The connection carries another protocol now; this is the response that says so.
    Switched(Response<ResponseBody>),
}

/// The response of an upstream, before it is prepared for the client.
pub(super) struct UpstreamAnswer<'a> {
    pub(super) response: Response<UpstreamBody>,
    /// The filters of the rule and of the backend reference.
    pub(super) filters: [&'a RouteFilters; 2],
}

fn options<'a>(rule: &'a RouteRule, upgrade: bool, client: &'a RequestClient) -> SendOptions<'a> {
    SendOptions {
        timeouts: rule.timeouts,
        retry: rule.policies.retry.value().map(|retry| &**retry),
        upgrade,
        progress: client.exchange.progress(),
        trip: client.exchange.trip(),
        memo: &client.connection.memo,
    }
}

/// Sends a request where it goes, and gives the response.
///
/// # Errors
/// Every reason not to, and every way in which an upstream can fail to answer.
pub(super) async fn forward<'a>(
    ForwardedRequest {
        target,
        rule,
        matched_prefix,
        snapshot,
        wanted,
    }: ForwardedRequest<'a, '_>,
    mut cleared: Cleared<'a>,
    mut request: Box<OutgoingRequest>,
    client: &RequestClient,
) -> Result<Forwarded<'a>, Refusal> {
    let RequestClient {
        connection,
        exchange,
        ..
    } = client;
    let chosen = cleared.plan().chosen;
    let filters = [&rule.filters, &chosen.filters];
    let tunnel = wanted.map(|wanted| {
        let origin = (&*connection.client, exchange.identity());
        let tunnel = TunnelRequest::new(origin, target, &request.parts, cleared.plan());
        let tunnel = tunnel.with_protocol(wanted.protocol());
        Box::new((wanted, tunnel))
    });
    let wanted = tunnel.as_deref().map(|(wanted, _)| &**wanted);
    if wanted.is_some() {
        cleared.expects_upgrade();
    } else {
        let mirrored = MirroredRequest {
            target,
            rule,
            chosen,
            matched_prefix,
            parts: &request.parts,
            transformed: cleared.transformed(),
        };
        mirror::start(&mirrored, &mut request.body, client);
    }
    if filters[1].response_headers != HeaderEdit::default() {
        // The changes of a backend reference are made to the final head alone, which an interim one would escape.
        exchange.takes_no_interim();
    }
    let origin = HeadOrigin::new(exchange.identity(), &connection.context);
    let OutgoingRequest { parts, body, trace } = &mut *request;
    prepare(parts, body, &cleared, filters, origin);
    *trace = exchange.sends(parts);
    if let Some(wanted) = wanted {
        wanted.apply_to_request(&mut parts.headers);
    }

    let is_head = parts.method == Method::HEAD;
    let options = options(rule, wanted.is_some(), client);
    let reply = connection.context.upstreams.send(cleared, request, options);
    match (reply.await?, tunnel) {
        (UpstreamReply::Response(mut response), tunnel) => {
            let status = response.status();
            if tunnel.is_some_and(|tunnel| tunnel.0.would_be_misread(status)) {
                return Err(Refusal::UpstreamProtocol);
            }
            if is_head || has_no_content(status) {
                response.body_mut().set_bodiless();
            }
            Ok(Forwarded::Answered(UpstreamAnswer { response, filters }))
        }
        (
            UpstreamReply::Switched {
                mut response,
                upstream,
                lease,
                destination,
            },
            Some(tunnel),
        ) => {
            let (wanted, request) = *tunnel;
            origin.via.prepare_switch(&mut response, &wanted, filters)?;
            client.then(Tunnel {
                kind: TunnelKind::Upgrade,
                upstream,
                request: request.with_destination(*destination),
                permit: TunnelPermit::Leased(lease),
                exchange: Rc::clone(exchange),
                snapshot: Rc::clone(snapshot),
            });
            let body = ResponseBody::text(Bytes::new(), Rc::clone(exchange));
            Ok(Forwarded::Switched(response.map(|()| body)))
        }
        (UpstreamReply::Switched { .. }, None) => Err(Refusal::UpstreamProtocol),
    }
}

/// As [`forward`], in a box that is made here, so that a caller who needs no box has no place for the future twice.
pub(super) fn forward_boxed<'f, 'a: 'f>(
    forwarded: ForwardedRequest<'a, 'f>,
    cleared: Cleared<'a>,
    request: Box<OutgoingRequest>,
    client: &'f RequestClient,
) -> Pin<Box<impl Future<Output = Result<Forwarded<'a>, Refusal>> + 'f>> {
    Box::pin(forward(forwarded, cleared, request, client))
}

impl Forwarded<'_> {
    /// Prepares the response for the client.
    ///
    /// # Errors
    /// [`Refusal::UpstreamProtocol`] if it is no valid response.
    pub(super) fn for_client(
        self,
        via: &Via,
        exchange: &Rc<Exchange>,
    ) -> Result<Response<ResponseBody>, Refusal> {
        match self {
            Self::Answered(answer) => answer.for_client(via, exchange),
            Self::Switched(response) => Ok(response),
        }
    }
}

impl UpstreamAnswer<'_> {
    /// Prepares the response for the client.
    ///
    /// # Errors
    /// [`Refusal::UpstreamProtocol`] if it is no valid response.
    pub(super) fn for_client(
        self,
        via: &Via,
        exchange: &Rc<Exchange>,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let Self {
            mut response,
            filters,
        } = self;
        if let Some(deadline) = response.body().deadline() {
            exchange.must_end(deadline);
        }
        via.prepare_response(&mut response, filters)?;
        Ok(response.map(|body| ResponseBody::upstream(body, Rc::clone(exchange))))
    }
}

/// Makes a request's head say what was decided: without the client's credentials and the fields of its hop, with the
/// changes of the filters and the destination of the plan.
pub(super) fn prepare(
    parts: &mut Parts,
    body: &RequestBody,
    cleared: &Cleared<'_>,
    filters: [&RouteFilters; 2],
    HeadOrigin { client, via }: HeadOrigin<'_>,
) {
    let (plan, principal) = (cleared.plan(), cleared.principal());
    // HTTP/2 says it end to end (RFC 9113 8.2.2), and gRPC relies on it.
    let trailers = plan.may_speak_http2() && accepts_trailers(&parts.headers);
    let host = parts.headers.get(HOST).cloned();
    let from = (!plan.dynamic).then(|| ForwardedClient {
        client: client.address.ip(),
        scheme: client.scheme,
        host: host.as_ref(),
        fields: &client.forwarded,
    });
    if let Some(principal) = principal {
        principal.remove_headers(&mut parts.headers);
        let granted = cleared.granted().iter();
        let is_gone = |(name, _): &&(_, _)| !parts.headers.contains_key(name);
        let granted: Vec<_> = granted.filter(is_gone).collect();
        for (name, value) in granted {
            parts.headers.append(name, value.clone());
        }
    }
    if parts.version == Version::HTTP_2 {
        say_length(&mut parts.headers, body);
    }
    let edits = |headers: &mut HeaderMap| {
        cleared.edit_request(headers);
        for filters in filters {
            filters.request_headers.apply(headers);
        }
    };
    via.prepare_request(&mut parts.headers, parts.version, from.as_ref(), edits);
    if trailers {
        parts
            .headers
            .insert(TE, HeaderValue::from_static("trailers"));
    }
    plan.address(parts, host);
    if let Some(principal) = principal {
        principal.remove_query_parameters(&mut parts.uri);
        principal.set_headers(&mut parts.headers);
    }
    if parts.method == Method::TRACE {
        conceal(&mut parts.headers, cleared.granted());
    }
}

/// Removes from a request what is for the upstream alone, because it will send all that it gets back to the client (RFC 9110
/// 9.3.8): what came from a Secret, and what a service has set.
fn conceal(headers: &mut HeaderMap, granted: &[(HeaderName, HeaderValue)]) {
    let secret = headers.iter().filter(|(_, value)| value.is_sensitive());
    let secret = secret.map(|(name, _)| name);
    let secret: Vec<_> = secret
        .chain(granted.iter().map(|(name, _)| name))
        .cloned()
        .collect();
    for name in secret {
        headers.remove(name);
    }
}

/// Says to whoever reads HTTP/1.1 how long a body is whose end HTTP/2 tells by itself.
fn say_length(headers: &mut HeaderMap, body: &RequestBody) {
    if let Some(length) = headers.get(CONTENT_LENGTH).cloned() {
        // It may say it more than once, if it is always the same (RFC 9110 8.6).
        headers.insert(CONTENT_LENGTH, length);
    } else if !body.is_end_stream() {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}
