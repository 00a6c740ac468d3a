//! Follows redirects in place of the client (`internalRedirect` of a TrafficPolicy).
//!
//! The request to which a redirect leads takes the way of every request: listener, route, policies, limits, egress check.
//! Only who the client is stays as it was found out for the first one. What is refused on that way was never sent, and the
//! client gets the redirect as it came.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use egret_config::policy::traffic::TrafficSettings;
use egret_config::snapshot::{ListenerSocket, RouteFilters, RouteRule, Scheme};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Response, Uri};
use http_body::Body as _;

use super::compression::{self, AcceptedCoding};
use super::decide::{self, NextStep, RoutedRequest};
use super::send::{Forwarded, ForwardedRequest, UpstreamAnswer};
use super::{ChangedRequest, RequestClient, check, edge, send_once, settle, transformation};
use crate::body::ResponseBody;
use crate::configuration::WorkerSnapshot;
use crate::exchange::ExchangePosition;
use crate::message::location::{Url, UrlOrigin};
use crate::message::target::{Target, TargetForm};
use crate::plan::{ForwardPlan, compared_path};
use crate::policy::Passage;
use crate::policy::internal_redirect::{
    RedirectedRequest, UnfollowedRedirect, copy_fields, drop_body, keep_secrets,
};
use crate::policy::{self, Admitted, Clearance, GrantedFields, PolicyContext};
use crate::record::RedirectResult;
use crate::refusal::Refusal;
use crate::upstream::{OutgoingRequest, RequestBody};

/// The most bytes of the body of a redirect that are kept in case that it is passed on: such a body is a note for people.
const MAX_NOTE: usize = 64 * 1024;
/// How long it may take to come.
const NOTE_TIME: Duration = Duration::from_secs(1);

/// A request that is sent again where its upstream redirects it.
pub(super) struct FollowedRequest<'a> {
    /// The rule that it came under.
    rule: &'a Arc<RouteRule>,
    target: &'a Target,
    snapshot: &'a WorkerSnapshot,
    socket: &'a ListenerSocket,
    /// Its head as it came.
    parts: Parts,
    /// The fields of the next request: those of its head, but for what redirects have put in their place.
    headers: HeaderMap,
    /// Its body from the beginning.
    body: RequestBody,
    /// Whether a service has seen the body, and may have made another of it.
    is_body_seen: bool,
    /// What a service has set in it.
    granted: GrantedFields,
    /// The origin that it was for.
    first: UrlOrigin,
    /// What was asked for last.
    last: RedirectedRequest,
}

/// A request that was answered, and how its response goes on.
pub(super) struct AnsweredRequest<'a> {
    pub(super) response: Response<ResponseBody>,
    /// The policies of the rule that it fell under in the end.
    pub(super) policies: &'a TrafficSettings,
    pub(super) accepted: Option<AcceptedCoding>,
}

/// A redirect that is followed.
struct Hop<'a> {
    next: RedirectedRequest,
    target: Target,
    parts: Parts,
    /// What the exchange was before.
    before: Box<ExchangePosition>,
    from: UpstreamAnswer<'a>,
}

/// A redirect whose connection is free, in case that it is passed on.
struct HeldRedirect<'a> {
    head: Response<()>,
    /// Its body; `None` if it was long or slow.
    note: Option<Bytes>,
    filters: [&'a RouteFilters; 2],
}

/// Where a redirect has led.
enum HopEnd<'a> {
    /// To another response of an upstream, under this rule.
    Answered(UpstreamAnswer<'a>, &'a Arc<RouteRule>),
    /// To this response, which is the last.
    Ended(Response<ResponseBody>, &'a Arc<RouteRule>),
    /// Nowhere: the redirect is passed on.
    PassedOn(Response<ResponseBody>),
}

/// A request to which a redirect led, and what comes next for it.
enum HopStep<'a, 'r> {
    Answer(Response<ResponseBody>),
    Forward(Passage<'a>, ForwardedRequest<'a, 'r>, RequestBody),
}

/// Where the request of a client is served.
#[derive(Clone, Copy)]
pub(super) struct ServedAt<'a> {
    pub(super) target: &'a Target,
    pub(super) snapshot: &'a WorkerSnapshot,
    pub(super) socket: &'a ListenerSocket,
}

/// Keeps what is needed to send a request again, if a policy of its rule follows redirects. A request for another protocol is
/// not sent again.
pub(super) fn keep<'a>(
    forwarded: &ForwardedRequest<'a, '_>,
    clearance: &Clearance<'a>,
    request: &mut OutgoingRequest,
    at: ServedAt<'a>,
    client: &RequestClient,
) -> Option<Box<FollowedRequest<'a>>> {
    let policies = &forwarded.rule.policies;
    policies.internal_redirect.value()?;
    if forwarded.wanted.is_some() {
        return None;
    }
    let OutgoingRequest { parts, body, .. } = request;
    // What is sent again is decompressed as well.
    compression::decode(policies, parts, body);
    let plan = clearance.plan();
    body.keep(plan.settings.replay_limit);
    let url = requested(plan, at.target, parts, client.connection.client.scheme());
    Some(Box::new(FollowedRequest {
        rule: forwarded.rule,
        target: at.target,
        snapshot: at.snapshot,
        socket: at.socket,
        headers: parts.headers.clone(),
        parts: parts.clone(),
        is_body_seen: policies.ext_proc.value().is_some(),
        granted: clearance.granted(),
        first: url.origin.clone(),
        last: RedirectedRequest {
            url,
            method: parts.method.clone(),
            redirects: 0,
            has_body: !body.is_end_stream(),
        },
        body: body.replay_copy()?,
    }))
}

/// The URL that a client has asked for, as it would resolve a redirect against it.
fn requested(plan: &ForwardPlan<'_>, target: &Target, parts: &Parts, client: Scheme) -> Url {
    let destination = &plan.destination;
    let scheme = match plan.dynamic {
        true => destination.scheme,
        false => target.scheme.unwrap_or(client),
    };
    let is_there = plan.dynamic && destination.host == target.host;
    let default = match is_there {
        true => destination.port,
        false => scheme.default_port(),
    };
    let path = parts.uri.path_and_query();
    let path = path.filter(|path| path.as_str().starts_with('/')).cloned();
    Url {
        origin: UrlOrigin {
            scheme,
            host: target.host.clone(),
            port: target.port.unwrap_or(default),
        },
        path: path.unwrap_or(PathAndQuery::from_static("/")),
    }
}

impl<'a> FollowedRequest<'a> {
    /// Follows redirects as long as the policies say so. `first` is what came of the request itself.
    ///
    /// # Errors
    /// Every way in which an upstream to which a redirect led can fail to answer.
    pub(super) async fn follow(
        mut self: Box<Self>,
        first: Forwarded<'a>,
        client: &RequestClient,
    ) -> Result<AnsweredRequest<'a>, Refusal> {
        let exchange = &client.exchange;
        let via = &client.connection.context.shared.via;
        let mut rule = self.rule;
        let mut answer = match first {
            Forwarded::Answered(answer) => answer,
            switched @ Forwarded::Switched(_) => {
                let response = switched.for_client(via, exchange)?;
                return Ok(self.answered(response, rule));
            }
        };
        while let Some(next) = self.next(&answer, rule, client) {
            let hop = self.depart(next, answer, rule, client);
            match self.go(hop, client).await? {
                HopEnd::Answered(another, under) => (answer, rule) = (another, under),
                HopEnd::Ended(response, under) => return Ok(self.answered(response, under)),
                HopEnd::PassedOn(response) => {
                    let scheme = client.connection.client.scheme();
                    transformation::keep(&rule.policies, &self.parts, scheme, exchange);
                    return Ok(self.answered(response, rule));
                }
            }
        }
        let response = answer.for_client(via, exchange)?;
        Ok(self.answered(response, rule))
    }

    fn answered(
        &self,
        response: Response<ResponseBody>,
        rule: &'a RouteRule,
    ) -> AnsweredRequest<'a> {
        AnsweredRequest {
            response,
            policies: &rule.policies,
            accepted: compression::accepted(&rule.policies, &self.parts),
        }
    }

    /// The next request, if the policy of the rule follows this answer and it can be followed.
    fn next(
        &self,
        answer: &UpstreamAnswer<'_>,
        rule: &RouteRule,
        client: &RequestClient,
    ) -> Option<RedirectedRequest> {
        let policy = rule.policies.internal_redirect.value()?;
        let (status, headers) = (answer.response.status(), answer.response.headers());
        let next = self.last.next(policy, status, headers)?;
        let is_gone = self.is_body_seen || !self.body.is_replayable();
        let next = next.and_then(|next| match next.has_body && is_gone {
            true => Err(UnfollowedRedirect::Body),
            false => Ok(next),
        });
        let told = |why: &UnfollowedRedirect| {
            let to = self.last.url.redirected(headers);
            let to = to.map_or_else(|_| "nowhere".to_owned(), |to| to.to_string());
            let exchange = &client.exchange;
            exchange.passes_on(RedirectResult::PassedOn, &to, &why.to_string());
        };
        next.inspect_err(told).ok()
    }

    /// Makes the next request.
    fn depart(
        &mut self,
        next: RedirectedRequest,
        from: UpstreamAnswer<'a>,
        rule: &RouteRule,
        client: &RequestClient,
    ) -> Hop<'a> {
        if let Some(policy) = rule.policies.internal_redirect.value() {
            let redirect = from.response.headers();
            copy_fields(&policy.copied, redirect, &mut self.headers);
        }
        let UrlOrigin { scheme, host, port } = &next.url.origin;
        let target = Target {
            scheme: Some(*scheme),
            host: host.clone(),
            port: Some(*port),
            form: TargetForm::Request,
        };
        let mut parts = self.parts.clone();
        parts.headers.clone_from(&self.headers);
        parts.uri = Uri::from(next.url.path.clone());
        target.override_host(&mut parts.headers, parts.version);
        if next.method != parts.method {
            parts.method = next.method.clone();
            drop_body(&mut parts.headers);
        }
        let policies = &self.rule.policies;
        keep_secrets(
            &mut parts.headers,
            &next.url.origin,
            &self.first,
            policies,
            &self.granted.names,
        );
        Hop {
            next,
            target,
            parts,
            before: client.exchange.departs(),
            from,
        }
    }

    /// Asks the policies about the next request, and sends it if they let it through.
    async fn go(&mut self, hop: Hop<'a>, client: &RequestClient) -> Result<HopEnd<'a>, Refusal> {
        let Hop {
            next,
            target,
            mut parts,
            before,
            from,
        } = hop;
        let exchange = &client.exchange;
        let status = from.response.status();
        let (rule, step) = match self.clear(&next, &target, &mut parts, client).await {
            Ok(cleared) => cleared,
            Err(refusal) => {
                exchange.refuses_redirect(&next.url, &refusal, before);
                let via = &client.connection.context.shared.via;
                return Ok(HopEnd::PassedOn(from.for_client(via, exchange)?));
            }
        };
        let (passage, forwarded, mut request) = match step {
            HopStep::Answer(response) => {
                exchange.followed(status, &next.url, before);
                return Ok(HopEnd::Ended(response, rule));
            }
            HopStep::Forward(passage, forwarded, body) => {
                let request = OutgoingRequest::of(parts, body);
                (passage, forwarded, request)
            }
        };
        // Its connection may be the only one that there can be.
        let note = hold(from).await;
        if !request.body.claim() {
            return Err(Refusal::RequestBody);
        }
        self.is_body_seen |= rule.policies.ext_proc.value().is_some();
        // The service of this request is another, or asked anew.
        let processor = exchange.take_processor();
        let change = ChangedRequest {
            passage,
            request: &mut request,
            is_upgrade: forwarded.wanted.is_some(),
        };
        let sent = match change.by(&rule.policies, client, self.snapshot).await {
            Ok(cleared) => send_once(forwarded, cleared, request, client).await,
            Err(refusal) => Err(refusal),
        };
        let forwarded = match sent {
            Ok(forwarded) => forwarded,
            Err(refusal) if refusal.is_decision() => {
                exchange.refuses_redirect(&next.url, &refusal, before);
                exchange.take_processor();
                if let Some(processor) = processor {
                    exchange.seen_by(processor);
                }
                return Ok(HopEnd::PassedOn(note.for_client(client)?));
            }
            Err(refusal) => {
                exchange.followed(status, &next.url, before);
                return Err(refusal);
            }
        };
        exchange.followed(status, &next.url, before);
        self.last = next;
        match forwarded {
            Forwarded::Answered(answer) => Ok(HopEnd::Answered(answer, rule)),
            Forwarded::Switched(response) => Ok(HopEnd::Ended(response, rule)),
        }
    }

    /// Takes the next request through listener, route and policies.
    ///
    /// # Errors
    /// The first refusal on this way.
    async fn clear<'r>(
        &mut self,
        next: &RedirectedRequest,
        target: &'r Target,
        parts: &mut Parts,
        client: &RequestClient,
    ) -> Result<(&'a Arc<RouteRule>, HopStep<'a, 'r>), Refusal>
    where
        'a: 'r,
    {
        let (connection, exchange) = (&client.connection, &client.exchange);
        let listener = self.socket.listener_for(&target.host);
        let listener = listener.ok_or(Refusal::NoListener)?;
        check::listener(listener, &connection.client)?;
        edge::check_path(listener, parts)?;
        let found = {
            let path = compared_path(parts.uri.path(), &parts.method);
            decide::route(listener, target, parts, &path)?
        };
        exchange.routed(found.rule);
        transformation::keep(
            &found.rule.policies,
            parts,
            connection.client.scheme(),
            exchange,
        );
        let admitted = self.admit(found.rule, target, parts, client)?;
        if next.url.origin != self.first {
            self.granted.set.clear();
        }
        let admitted = admitted.with_granted(&self.granted.set);
        if !next.has_body {
            self.body = self.body.emptied();
        }
        let body = self.body.replay_copy().ok_or(Refusal::RequestBody)?;
        let rule = found.rule;
        let routed = RoutedRequest {
            target,
            found,
            has_normal_path: false,
            admitted,
            extended: None,
            snapshot: self.snapshot,
        };
        let step = match routed.decide(parts, &body, client)? {
            NextStep::Answer(response) => HopStep::Answer(response),
            NextStep::Tunnel(_) => return Err(Refusal::NoTunnel("a redirect leads to no tunnel")),
            NextStep::Forward(clearance, forwarded) => {
                let passage = settle(clearance, target, parts, client, self.snapshot).await?;
                HopStep::Forward(passage, forwarded, body)
            }
        };
        Ok((rule, step))
    }

    fn admit(
        &self,
        rule: &'a Arc<RouteRule>,
        target: &Target,
        parts: &Parts,
        client: &RequestClient,
    ) -> Result<Admitted<'a>, Refusal> {
        let context = client.policy_context(rule, target, parts);
        let first = PolicyContext {
            rule: self.rule,
            target: self.target,
            request: &self.parts,
            asked_before: true,
            ..context
        };
        let admitted = policy::admit_redirected(&context, &first)?;
        if let Some(principal) = admitted.principal() {
            client.exchange.authenticated(principal.name());
        }
        Ok(admitted)
    }
}

/// Reads the body of a redirect, as far as it is short.
async fn hold(answer: UpstreamAnswer<'_>) -> HeldRedirect<'_> {
    let UpstreamAnswer { response, filters } = answer;
    let (head, body) = response.into_parts();
    HeldRedirect {
        head: Response::from_parts(head, ()),
        note: body.read_short(MAX_NOTE, NOTE_TIME).await,
        filters,
    }
}

impl HeldRedirect<'_> {
    /// Prepares the redirect for the client.
    ///
    /// # Errors
    /// [`Refusal::UpstreamProtocol`] if it is no valid response.
    fn for_client(self, client: &RequestClient) -> Result<Response<ResponseBody>, Refusal> {
        let Self {
            mut head,
            note,
            filters,
        } = self;
        let via = &client.connection.context.shared.via;
        via.prepare_response(&mut head, filters)?;
        if note.is_none() {
            for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING] {
                head.headers_mut().remove(name);
            }
        }
        let note = note.unwrap_or_default();
        let body = ResponseBody::text(note, Rc::clone(&client.exchange));
        Ok(head.map(|()| body))
    }
}
