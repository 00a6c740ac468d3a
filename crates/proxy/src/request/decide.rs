//! The order of decisions about a request, for every form of request: which rule it falls under, whether the policies of
//! the rule admit it, what the rule makes of it, and whether its destination is cleared.

use std::rc::Rc;
use std::sync::Arc;

use egret_config::route::{RequestFacts, RouteMatch};
use egret_config::snapshot::{
    FixedResponse, Listener, RedirectResponse, RouteRule, RuleAction, WeightedBackend,
    WeightedBackends,
};
use h2::ext::Protocol;
use http::request::Parts;
use http::{Response, Version};

use super::{RequestClient, check, local};
use crate::body::ResponseBody;
use crate::configuration::WorkerSnapshot;
use crate::exchange::Exchange;
use crate::message::target::Target;
use crate::message::{max_forwards, upgrade};
use crate::plan::{ForwardPlan, PlannedRoute};
use crate::policy::fault;
use crate::policy::limit::WorkerLimits;
use crate::policy::{self, Admission, Admitted, Clearance, CountedRequest, PolicyContext, cors};
use crate::refusal::Refusal;
use crate::request::send::ForwardedRequest;
use crate::upstream::{RequestBody, Upstreams};

/// A request that was admitted under a rule.
pub(super) struct RoutedRequest<'a, 'r> {
    pub(super) target: &'r Target,
    pub(super) found: RouteMatch<'a>,
    /// Whether the path came as rules compare it.
    pub(super) has_normal_path: bool,
    pub(super) admitted: Admitted<'a>,
    /// The protocol that an extended CONNECT asks for.
    pub(super) extended: Option<Protocol>,
    pub(super) snapshot: &'r WorkerSnapshot,
}

/// What the rule makes of requests.
pub(super) enum RuleStep<'a> {
    Respond(&'a FixedResponse),
    Redirect(&'a RedirectResponse),
    Forward(&'a WeightedBackends),
}

/// What comes next for a request.
pub(super) enum NextStep<'a, 'r> {
    /// The gateway answers.
    Answer(Response<ResponseBody>),
    /// A tunnel is opened to there.
    Tunnel(Clearance<'a>),
    /// The request is forwarded.
    Forward(Clearance<'a>, ForwardedRequest<'a, 'r>),
}

/// The rule that a request falls under.
///
/// # Errors
/// If no rule matches, or the listener refuses every request.
pub(super) fn route<'a>(
    listener: &'a Arc<Listener>,
    target: &Target,
    parts: &Parts,
    path: &str,
) -> Result<RouteMatch<'a>, Refusal> {
    if let Some(why) = &listener.refuse {
        return Err(Refusal::Misconfigured(why.clone()));
    }
    let facts = facts(target, parts, path);
    listener.routes.find(&facts).ok_or(Refusal::NoRoute)
}

/// What routes are chosen by.
pub(super) fn facts<'r>(target: &'r Target, parts: &'r Parts, path: &'r str) -> RequestFacts<'r> {
    RequestFacts {
        host: &target.host,
        method: &parts.method,
        path,
        query: parts.uri.query(),
        headers: &parts.headers,
    }
}

/// What the rule makes of a request.
///
/// # Errors
/// If the rule is misconfigured, or answers what asks for a tunnel with what would be taken for one.
pub(super) fn step(rule: &RouteRule, is_connect: bool) -> Result<RuleStep<'_>, Refusal> {
    Ok(match &rule.action {
        RuleAction::Refuse(why) => return Err(Refusal::Misconfigured(why.clone())),
        RuleAction::Respond(fixed) if is_connect && fixed.status.is_success() => {
            return Err(Refusal::NoTunnel("a direct response is no tunnel"));
        }
        RuleAction::Respond(fixed) => RuleStep::Respond(fixed),
        RuleAction::Redirect(redirect) => RuleStep::Redirect(redirect),
        RuleAction::Forward(backends) => RuleStep::Forward(backends),
    })
}

/// The faults that the policies of the rule inject into a request; `None` if they inject none.
pub(super) fn fault<'a>(
    found: &RouteMatch<'a>,
    parts: &'a Parts,
    client: &'a RequestClient,
) -> Option<impl Future<Output = Result<(), Refusal>> + 'a> {
    let active = &client.connection.context.shared.faults;
    let fault = fault::inject(&found.rule.policies, parts, active)?;
    client.exchange.routed(found.rule);
    Some(fault)
}

/// The answer to a preflight request, if a policy of the rule gives it. Tells the exchange whether the page that sent a
/// request may read the response.
pub(super) fn preflight(
    found: &RouteMatch<'_>,
    parts: &Parts,
    exchange: &Rc<Exchange>,
) -> Option<Response<ResponseBody>> {
    let policies = &found.rule.policies;
    let origin = cors::allowed_origin(policies, parts);
    if let Some(origin) = origin {
        exchange.shared_with(origin.clone());
    }
    let fields = cors::preflight(policies, parts, origin)?;
    exchange.routed(found.rule);
    Some(local::preflight(fields, Rc::clone(exchange)))
}

/// Asks the policies of the rule, and tells the exchange what they say.
///
/// # Errors
/// The refusal of the first policy that does not admit the request.
pub(super) fn admit<'a>(
    found: &RouteMatch<'a>,
    context: &PolicyContext<'a, '_>,
    exchange: &Exchange,
) -> Result<Admission<'a>, Refusal> {
    exchange.routed(found.rule);
    let admission = policy::admit(context)?;
    if let Some(principal) = admission.principal() {
        exchange.authenticated(principal.name());
    }
    Ok(admission)
}

/// Plans where a request goes: to one of the backends by weight, and to one of the hosts of that.
///
/// # Errors
/// If the backend is misconfigured, or a rewritten path is not a path.
pub(super) fn plan<'a>(
    backends: &'a WeightedBackends,
    route: &PlannedRoute<'_>,
    target: &Target,
    parts: &Parts,
    upstreams: &Upstreams,
) -> Result<Box<ForwardPlan<'a>>, Refusal> {
    let mut plan = Box::new(ForwardPlan::new(target, route, pick(backends), parts)?);
    upstreams.choose_host(&mut plan);
    Ok(plan)
}

/// Asks the policies about the destination by its name, and the limits, and tells the exchange what they say.
///
/// # Errors
/// [`Refusal::Denied`] or [`Refusal::Policy`].
pub(super) fn clear<'a>(
    admitted: Admitted<'a>,
    plan: Box<ForwardPlan<'a>>,
    context: &PolicyContext<'_, '_>,
    limits: &WorkerLimits,
    exchange: &Exchange,
) -> Result<Clearance<'a>, Refusal> {
    exchange.planned(&plan.destination, plan.backend);
    let CountedRequest {
        mut clearance,
        decision,
    } = admitted.clear(plan, context, limits, exchange.generation())?;
    if clearance.plan().other_hosts() > 0 {
        // It may be another host that is allowed.
        exchange.planned(&clearance.plan().destination, clearance.plan().backend);
    }
    exchange.cleared(&decision);
    if let Clearance::Settled(_, share) = &mut clearance
        && let Some(share) = share.take()
    {
        exchange.limited(share);
    }
    Ok(clearance)
}

impl<'a, 'r> RoutedRequest<'a, 'r> {
    /// Decides what the rule makes of the request, and clears what is to be sent.
    ///
    /// # Errors
    /// Every reason not to answer, open a tunnel or forward.
    pub(super) fn decide(
        self,
        parts: &mut Parts,
        body: &RequestBody,
        client: &RequestClient,
    ) -> Result<NextStep<'a, 'r>, Refusal> {
        let RequestClient {
            connection,
            exchange,
            ..
        } = client;
        let rule = &**self.found.rule;
        let is_connect = self.target.is_tunnel() || self.extended.is_some();
        let response = match step(rule, is_connect)? {
            RuleStep::Respond(fixed) => local::respond(fixed, parts, Rc::clone(exchange)),
            RuleStep::Redirect(redirect) => {
                if let Some(principal) = self.admitted.principal() {
                    principal.remove_query_parameters(&mut parts.uri);
                }
                let at = local::RedirectContext {
                    target: self.target,
                    scheme: connection.client.scheme(),
                    port: connection.client.bind.port,
                    matched_prefix: self.found.matched_prefix,
                };
                local::redirect(redirect, &at, parts, Rc::clone(exchange))?
            }
            RuleStep::Forward(backends) => match max_forwards::check(parts) {
                Ok(()) => {
                    max_forwards::count(parts);
                    return self.leave(backends, parts, body, client);
                }
                Err(spent) => local::last(spent, Rc::clone(exchange)),
            },
        };
        Ok(NextStep::Answer(filtered(response, rule)))
    }

    /// Plans and clears a request that leaves the gateway.
    fn leave(
        self,
        backends: &'a WeightedBackends,
        parts: &Parts,
        body: &RequestBody,
        client: &RequestClient,
    ) -> Result<NextStep<'a, 'r>, Refusal> {
        let Self {
            target,
            found,
            has_normal_path,
            admitted,
            extended,
            snapshot,
        } = self;
        let RequestClient {
            connection,
            exchange,
            ..
        } = client;
        let route = PlannedRoute {
            has_normal_path,
            client: Some(connection.client.addresses()),
            ..PlannedRoute::from(&found)
        };
        let upstreams = &connection.context.upstreams;
        let limits = &connection.context.limits;
        let mut plan = plan(backends, &route, target, parts, upstreams)?;
        if let Some(cookie) = plan.take_cookie() {
            exchange.set_cookie(cookie);
        }
        if let Some(session) = plan.take_session() {
            exchange.belongs_to(session);
        }
        let context = client.policy_context(found.rule, target, parts);
        if target.is_tunnel() {
            let is_offered =
                parts.version != Version::HTTP_2 || connection.client.limits().http2.allow_connect;
            check::connect(&found, &plan, is_offered)?;
            let clearance = clear(admitted, plan, &context, limits, exchange)?;
            return Ok(NextStep::Tunnel(clearance));
        }
        let rule = &**found.rule;
        let has_body = !http_body::Body::is_end_stream(body);
        let wanted =
            upgrade::requested(parts, has_body, extended.as_ref(), rule.policies.upgrades())?;
        let forwarded = ForwardedRequest {
            target,
            rule: found.rule,
            matched_prefix: found.matched_prefix,
            snapshot,
            wanted,
        };
        let clearance = clear(admitted, plan, &context, limits, exchange)?;
        Ok(NextStep::Forward(clearance, forwarded))
    }
}

/// Applies to an answer of the gateway's own the filters that a forwarded response would have.
fn filtered(mut response: Response<ResponseBody>, rule: &RouteRule) -> Response<ResponseBody> {
    let edit = &rule.filters.response_headers;
    edit.apply(response.headers_mut());
    response
}

/// One of the backends, by weight.
fn pick(backends: &WeightedBackends) -> &WeightedBackend {
    let [first, rest @ ..] = backends.backends.as_slice() else {
        unreachable!("there is at least one backend")
    };
    if rest.is_empty() {
        return first;
    }
    let mut ticket = rand::random_range(0..backends.total);
    for backend in &backends.backends {
        match ticket.checked_sub(u64::from(backend.weight)) {
            Some(left) => ticket = left,
            None => return backend,
        }
    }
    first
}
