//! The policies of a request, in the one order in which they are asked, for every form of request: HTTP, CONNECT, Upgrade
//! and TLS passthrough.
//!
//! Before all others, [`fault`] delays and fails requests on purpose, and [`cors`] answers the preflight requests of browsers,
//! which carry no credentials. Then [`admit`] asks
//! the policies of the rule, whatever the rule makes of the request. Then the request is planned, and [`Admitted::clear`]
//! asks the egress policies about the destination by its name, before any DNS query is made for it. Only what is [`Cleared`]
//! can be sent. Each address is checked after that, in `dial/egress.rs`.
//!
//! [`readmit`] and [`Admitted::keeps`] ask the same policies again about an open tunnel when the configuration has changed.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::slice;
use std::sync::Arc;

use egret_config::expression::{EgressDestination, KeptRequest};
use egret_config::name::Port;
use egret_config::policy::egress::{
    AskedRequest, EgressAction, EgressClient, EgressDecision, EgressRequest,
};
use egret_config::policy::global_limit::GlobalRateLimit;
use egret_config::policy::traffic::{PolicySetting, TrafficSettings};
use egret_config::resources::ObjectRef;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock;
use crate::dial::egress::{EgressGuard, OwnAddresses};
use crate::plan::ForwardPlan;
use crate::refusal::Refusal;

mod acl;
mod asked;
mod context;
pub(crate) mod cors;
pub(crate) mod credentials;
mod csrf;
mod draw;
pub(crate) mod envoy;
pub(crate) mod ext_auth;
pub(crate) mod ext_proc;
pub(crate) mod fault;
pub(crate) mod global_limit;
mod header_modifiers;
pub(crate) mod internal_redirect;
pub(crate) mod jwt_auth;
pub(crate) mod limit;
mod rbac;
pub(crate) mod transformation;
mod unsettled;

pub(crate) use context::{ClientIdentity, PolicyContext};
pub(crate) use unsettled::{LimitStep, Passage, ProcessedRequest, Settled, Unprocessed, Unsettled};

use credentials::Principal;
use envoy::structure::Struct;
use ext_auth::Identified;
use limit::{LimitShare, LimitedRequest, WorkerLimits};
use transformation::TransformedHead;

/// Who sent a request: by its connection, and by its credentials.
struct RequestSender<'a> {
    identity: Rc<ClientIdentity>,
    principal: Option<Principal<'a>>,
    /// The fields that a service has set in the request.
    granted: Vec<(HeaderName, HeaderValue)>,
    /// What else it has said, if one was asked.
    word: Option<Box<ServiceWord>>,
}

/// What a service that was asked about who may send a request has said of it.
struct ServiceWord {
    /// The names of the fields to which it has added something.
    joined: Vec<HeaderName>,
    /// What is for those that are asked later.
    metadata: Option<Struct>,
}

/// Whether the policies of a rule let a request through at once.
pub(crate) enum Admission<'a> {
    /// They do.
    Admitted(Admitted<'a>),
    /// A service has to be asked before.
    Identified(Box<Identified<'a>>),
}

/// A request that the policies of its rule let through. Made by [`admit`] alone.
pub(crate) struct Admitted<'a> {
    policies: &'a TrafficSettings,
    sender: RequestSender<'a>,
}

/// A request that may be sent: the policies of its rule let it through, and the egress policies its destination. Made by
/// [`Admitted::clear`] alone, as a permitted address is made by the egress check alone. The destination can only be changed
/// to another that the policies allow.
pub(crate) struct Cleared<'a> {
    plan: Box<ForwardPlan<'a>>,
    /// The policies of the rule; `None` for a request of the gateway's own.
    policies: Option<&'a TrafficSettings>,
    /// Likewise.
    sender: Option<RequestSender<'a>>,
    /// The request as it was cleared, if policies are asked about it again before it goes elsewhere.
    kept: Option<Box<KeptRequest>>,
    /// What templates made of its head.
    transformed: Option<Rc<TransformedHead>>,
}

/// What the policies made of a request that they let through, without the limits.
pub(crate) struct ClearedRequest<'a> {
    pub(crate) cleared: Cleared<'a>,
    /// What the egress policies decided.
    pub(crate) decision: EgressDecision<'a>,
}

/// What the policies made of a request that they let through.
pub(crate) struct CountedRequest<'a> {
    pub(crate) clearance: Clearance<'a>,
    /// What the egress policies decided.
    pub(crate) decision: EgressDecision<'a>,
}

/// What a service has changed in a request, credentials for the upstream among it.
#[derive(Default)]
pub(crate) struct GrantedFields {
    pub(crate) set: Vec<(HeaderName, HeaderValue)>,
    pub(crate) names: Vec<HeaderName>,
}

/// Whether a request may be sent at once.
pub(crate) enum Clearance<'a> {
    /// No service keeps a limit of it. With what it took from limits; `None` if none is for it.
    Settled(Passage<'a>, Option<LimitShare>),
    /// Services that keep limits have to be asked before.
    Unsettled(Box<Unsettled<'a>>),
}

/// Asks the policies of the rule, in their order.
///
/// # Errors
/// The refusal of the first policy that does not let the request through.
pub(crate) fn admit<'a>(context: &PolicyContext<'a, '_>) -> Result<Admission<'a>, Refusal> {
    let admitted = admit_here(context)?;
    match &context.rule.policies.ext_auth {
        PolicySetting::Set(policy, auth) => Ok(Admission::Identified(Box::new(Identified {
            admitted,
            policy,
            auth,
        }))),
        PolicySetting::Unset | PolicySetting::Disabled(_) => Ok(Admission::Admitted(admitted)),
    }
}

/// Asks the policies of the rule that this process decides itself: about a request that nobody sends, or of which services
/// were asked before.
///
/// # Errors
/// As of [`admit`].
pub(crate) fn admit_here<'a>(context: &PolicyContext<'a, '_>) -> Result<Admitted<'a>, Refusal> {
    admit_by(context, credentials::authenticate)
}

/// Asks these policies about a request that nobody sends, as if its client had proven to be `user` wherever credentials are
/// required.
///
/// # Errors
/// As of [`admit`].
pub(crate) fn admit_as<'a>(
    context: &PolicyContext<'a, '_>,
    user: &'a Arc<str>,
) -> Result<Admitted<'a>, Refusal> {
    admit_by(context, |context| Ok(credentials::assume(context, user)))
}

fn admit_by<'a, 'r>(
    context: &PolicyContext<'a, 'r>,
    authenticate: impl FnOnce(&PolicyContext<'a, 'r>) -> Result<Option<Principal<'a>>, Refusal>,
) -> Result<Admitted<'a>, Refusal> {
    csrf::check(&context.rule.policies, context.request)?;
    acl::check(&context.rule.policies, context.client.address.ip())?;
    let principal = authenticate(context)?;
    Ok(Admitted {
        policies: &context.rule.policies,
        sender: RequestSender {
            identity: Rc::clone(context.client),
            principal,
            granted: Vec::new(),
            word: None,
        },
    })
}

/// Asks the policies of a rule about a request to which a redirect of the first one led. Who sent it is known by the
/// credentials of the first one, and no service is asked about that again.
///
/// # Errors
/// As of [`admit`], and [`Refusal::Denied`] if the rule wants a service asked that was not.
pub(crate) fn admit_redirected<'a>(
    context: &PolicyContext<'a, '_>,
    first: &PolicyContext<'a, '_>,
) -> Result<Admitted<'a>, Refusal> {
    let auth = &context.rule.policies.ext_auth;
    if let PolicySetting::Set(policy, _) = auth
        && *auth != first.rule.policies.ext_auth
    {
        return Err(ext_auth::unasked(policy));
    }
    admit_by(context, |context| {
        credentials::authenticate(&PolicyContext {
            rule: context.rule,
            ..*first
        })
    })
}

/// Asks the policies of the rule again about a tunnel that is open, with the request that opened it. `None` if they do not
/// admit it any more. Services are not asked again.
pub(crate) fn readmit<'a>(context: &PolicyContext<'a, '_>) -> Option<Admitted<'a>> {
    admit_here(context).ok()
}

/// Makes the changes of the policies of a rule to the response of a request that fell under it, whether it comes from an
/// upstream, from the gateway or is a refusal. `origin` is that of the page that may read it.
pub(crate) fn edit_response(
    policies: &TrafficSettings,
    origin: Option<&HeaderValue>,
    headers: &mut HeaderMap,
) {
    header_modifiers::edit_response(policies, headers);
    cors::edit_response(policies, origin, headers);
}

impl<'a> Admission<'a> {
    /// Who sent the request, if a policy asked for it.
    pub(crate) fn principal(&self) -> Option<&Principal<'a>> {
        match self {
            Self::Admitted(admitted) => admitted.principal(),
            Self::Identified(identified) => identified.admitted.principal(),
        }
    }
}

impl<'a> Admitted<'a> {
    /// Who sent the request, if a policy asked for it.
    pub(crate) fn principal(&self) -> Option<&Principal<'a>> {
        self.sender.principal.as_ref()
    }

    /// The request has these fields by the word of a service that was asked about it before.
    pub(crate) fn with_granted(mut self, set: &[(HeaderName, HeaderValue)]) -> Self {
        self.sender.granted = set.to_vec();
        self
    }

    /// Whether `rbac` and the egress policies let an open tunnel of this request stay, which leads to `peer` by this plan.
    pub(crate) fn keeps(
        &self,
        context: &PolicyContext<'_, '_>,
        plan: &ForwardPlan<'_>,
        peer: SocketAddr,
        own: &OwnAddresses,
    ) -> bool {
        let kept = self.kept(context, plan);
        let request = EgressRequest {
            is_open: true,
            ..egress_request(plan, self.sender.facts(), kept.as_deref())
        };
        let guard = EgressGuard {
            egress: plan.egress,
            request,
            // It was an endpoint when the tunnel was opened. One that is none any more gets no new tunnels, and keeps those
            // that it has.
            endpoints: plan.endpoints().map(|_| slice::from_ref(&peer)),
            is_own: false,
            own,
        };
        let is_let_through =
            rbac::check(self.policies, || asked::view(context, &self.sender, plan));
        is_let_through.is_ok()
            && guard.permit(peer).is_ok()
            && plan.egress.check(request).action == EgressAction::Allow
    }

    /// Asks `rbac`, then the egress policies about the destination by its name, and then the limits of this process. Gives
    /// the decision beside the witness. `context` is that by which the request was admitted.
    ///
    /// # Errors
    /// [`Refusal::Denied`] or [`Refusal::Policy`] with what denied it, and [`Refusal::Denied`] with the limit that is reached.
    pub(crate) fn clear(
        self,
        mut plan: Box<ForwardPlan<'a>>,
        context: &PolicyContext<'_, '_>,
        limits: &WorkerLimits,
        generation: u64,
    ) -> Result<CountedRequest<'a>, Refusal> {
        let (decision, kept) = self.check_destination(&mut plan, context)?;
        let limited = LimitedRequest {
            policies: self.policies,
            egress: plan.egress,
            destination: &plan.destination,
            client: self.sender.facts(),
        };
        let share = limited.take(limits, generation)?;
        let cleared = self.cleared(plan, kept);
        let clearance = match cleared.global_limits() {
            [] => Clearance::Settled(Passage::of(cleared), share),
            limits => {
                let unsettled = Unsettled::new(cleared, share, limits);
                Clearance::Unsettled(Box::new(unsettled))
            }
        };
        Ok(CountedRequest {
            clearance,
            decision,
        })
    }

    /// Asks `rbac` and the egress policies about a destination, and takes nothing from limits: for the copy of a request,
    /// which was counted itself, and for a request that is only asked about. `context` is that by which it was admitted.
    ///
    /// # Errors
    /// [`Refusal::Denied`] or [`Refusal::Policy`] with what denied it.
    pub(crate) fn clear_uncounted(
        self,
        mut plan: Box<ForwardPlan<'a>>,
        context: &PolicyContext<'_, '_>,
    ) -> Result<ClearedRequest<'a>, Refusal> {
        let (decision, kept) = self.check_destination(&mut plan, context)?;
        Ok(ClearedRequest {
            cleared: self.cleared(plan, kept),
            decision,
        })
    }

    /// Which policy may decide about the request by what the default access log does not tell of it, in words.
    pub(crate) fn undecided(
        &self,
        plan: &ForwardPlan<'_>,
        context: &PolicyContext<'_, '_>,
    ) -> Option<String> {
        if let Some(policy) = rbac::undecided(self.policies) {
            return Some(format!("rbac of {policy}"));
        }
        let kept = self.kept(context, plan);
        let request = egress_request(plan, self.sender.facts(), kept.as_deref());
        let (policy, rule) = plan.egress.undecided(request)?;
        Some(format!("rule {} of {policy}", rule.name))
    }

    /// The rules of egress policies that nearly allow the request, in words.
    pub(crate) fn near_misses(
        &self,
        plan: &ForwardPlan<'_>,
        context: &PolicyContext<'_, '_>,
    ) -> Vec<String> {
        let kept = self.kept(context, plan);
        let request = egress_request(plan, self.sender.facts(), kept.as_deref());
        let near = plan.egress.near_misses(request);
        near.iter().map(ToString::to_string).collect()
    }

    /// Asks `rbac`, and then the egress policies, about the destination of a plan. Gives the request as it was asked about
    /// beside the decision, if it is needed again.
    fn check_destination(
        &self,
        plan: &mut ForwardPlan<'a>,
        context: &PolicyContext<'_, '_>,
    ) -> Result<(EgressDecision<'a>, Option<Box<KeptRequest>>), Refusal> {
        let kept = self.kept(context, plan);
        let decision = first_allowed(plan, |plan| {
            rbac::check(self.policies, || asked::view(context, &self.sender, plan))?;
            check_name(plan, self.sender.facts(), kept.as_deref())
        })?;
        Ok((decision, kept))
    }

    /// The witness of a request whose destination was checked.
    fn cleared(self, plan: Box<ForwardPlan<'a>>, kept: Option<Box<KeptRequest>>) -> Cleared<'a> {
        Cleared {
            plan,
            policies: Some(self.policies),
            sender: Some(self.sender),
            kept,
            transformed: None,
        }
    }
}

impl<'a> Clearance<'a> {
    /// Where the request goes.
    pub(crate) fn plan(&self) -> &ForwardPlan<'a> {
        self.cleared().plan()
    }

    /// What a service has set in the request, and the names of all fields that it has changed.
    pub(crate) fn granted(&self) -> GrantedFields {
        let sender = self.cleared().sender.as_ref();
        sender.map_or_else(GrantedFields::default, |sender| {
            let set = sender.granted.iter().map(|(name, _)| name);
            let joined = sender.word.iter().flat_map(|word| &word.joined);
            GrantedFields {
                names: set.chain(joined).cloned().collect(),
                set: sender.granted.clone(),
            }
        })
    }

    fn cleared(&self) -> &Cleared<'a> {
        match self {
            Self::Settled(passage, _) => passage.cleared(),
            Self::Unsettled(unsettled) => unsettled.cleared(),
        }
    }
}

impl Admitted<'_> {
    /// Keeps the request, if policies are asked about it again before it goes elsewhere, or to an address.
    fn kept(
        &self,
        context: &PolicyContext<'_, '_>,
        plan: &ForwardPlan<'_>,
    ) -> Option<Box<KeptRequest>> {
        let is_needed = plan.egress.reads_requests()
            || rbac::reads_egress(self.policies)
            || ext_proc::reads_requests(self.policies);
        is_needed.then(|| Box::new(asked::view(context, &self.sender, plan).keep()))
    }
}

impl<'a> Cleared<'a> {
    /// Clears a request of the gateway's own, which falls under no rule: only the egress policies of the service are asked.
    ///
    /// # Errors
    /// [`Refusal::Policy`] with what denied it.
    pub(crate) fn own(mut plan: Box<ForwardPlan<'a>>) -> Result<Self, Refusal> {
        first_allowed(&mut plan, |plan| {
            check_name(plan, EgressClient::default(), None)
        })?;
        Ok(Self {
            plan,
            policies: None,
            sender: None,
            kept: None,
            transformed: None,
        })
    }

    /// Where the request goes.
    pub(crate) fn plan(&self) -> &ForwardPlan<'a> {
        &self.plan
    }

    /// Who sent the request, if a policy asked for it.
    pub(crate) fn principal(&self) -> Option<&Principal<'a>> {
        self.sender.as_ref()?.principal.as_ref()
    }

    /// What a service that was asked about who may send the request has said of it.
    pub(crate) fn metadata(&self) -> Option<&Struct> {
        let word = self.sender.as_ref()?.word.as_ref()?;
        word.metadata.as_ref()
    }

    /// The limits of which services are asked about the request.
    pub(crate) fn global_limits(&self) -> &'a [GlobalRateLimit] {
        let limits = self.policies.and_then(|it| it.rate_limit_global.value());
        limits.map_or(&[], |limits| &limits.0)
    }

    /// The fields that a service has set in the request, credentials for the upstream among them.
    pub(crate) fn granted(&self) -> &[(HeaderName, HeaderValue)] {
        let sender = self.sender.as_ref();
        sender.map_or(&[], |sender| &sender.granted)
    }

    /// A service has changed these fields of the request.
    fn grant<'n>(&mut self, names: impl Iterator<Item = &'n HeaderName>, headers: &HeaderMap) {
        if let Some(sender) = &mut self.sender {
            sender.grant(names, headers);
        }
    }

    /// The check of the addresses that are connected to. A proxy is named by the configuration, as a service of the gateway's
    /// own requests is.
    pub(crate) fn guard<'b>(&'b self, own: &'b OwnAddresses) -> EgressGuard<'b> {
        let guard = self.target_guard(own);
        EgressGuard {
            is_own: guard.is_own || self.plan.destination.proxy.is_some(),
            ..guard
        }
    }

    /// The check of the addresses of the destination.
    pub(crate) fn target_guard<'b>(&'b self, own: &'b OwnAddresses) -> EgressGuard<'b> {
        EgressGuard {
            egress: self.plan.egress,
            request: self.egress_request(),
            endpoints: self.plan.endpoints().map(|endpoints| &**endpoints),
            // Of what a client chooses, nobody has said that it may be reached.
            is_own: self.policies.is_none() && !self.plan.dynamic,
            own,
        }
    }

    /// The policy in audit mode that would deny this address of the destination.
    pub(crate) fn audit_address(&self, address: IpAddr) -> Option<&'a ObjectRef> {
        if self.plan.destination.proxy.is_some() {
            return None;
        }
        let request = self.egress_request();
        self.plan.egress.audit_address(address, request)
    }

    fn egress_request(&self) -> EgressRequest<'_> {
        egress_request(&self.plan, self.client(), self.kept.as_deref())
    }

    /// The sender as egress policies see it.
    pub(crate) fn client(&self) -> EgressClient<'_> {
        self.sender
            .as_ref()
            .map_or_else(EgressClient::default, RequestSender::facts)
    }

    /// Sends what templates made of the head of the request. If that has another method or path, gives what the egress
    /// policies decide about it.
    ///
    /// # Errors
    /// [`Refusal::Policy`] with what denies it.
    pub(crate) fn transform(
        &mut self,
        mut head: Rc<TransformedHead>,
    ) -> Result<Option<EgressDecision<'a>>, Refusal> {
        let decision = if head.changes_target() {
            self.plan.retarget(head.method.as_ref(), head.path.as_ref());
            Some(check_name(&self.plan, self.client(), self.kept.as_deref())?)
        } else {
            None
        };
        if let Some(earlier) = self.transformed.take() {
            head = Rc::new(Rc::unwrap_or_clone(head).with_target_of(&earlier));
        }
        self.transformed = Some(head);
        Ok(decision)
    }

    /// What templates made of the head of the request.
    pub(crate) fn transformed(&self) -> Option<&Rc<TransformedHead>> {
        self.transformed.as_ref()
    }

    /// Makes the changes of the policies to the head of the request, before those of the filters of the rule.
    pub(crate) fn edit_request(&self, headers: &mut HeaderMap) {
        if let Some(transformed) = &self.transformed {
            transformed.fields.apply(headers);
        }
        if let Some(policies) = self.policies {
            transformation::edit_request(policies, headers);
            header_modifiers::edit_request(policies, headers);
        }
    }

    /// Whether the policies allow this port of the destination, which its HTTPS record may name. Policies know a Service by
    /// its own port, and not by those of its endpoints.
    pub(crate) fn allows_port(&self, port: u16) -> bool {
        if self.plan.endpoints().is_some() || self.plan.destination.proxy.is_some() {
            return true;
        }
        let Some(port) = Port::new(port) else {
            return false;
        };
        port == self.plan.destination.port || {
            let request = EgressRequest {
                port,
                ..self.egress_request()
            };
            let there = EgressDestination {
                port,
                ..asked::destination(&self.plan)
            };
            self.is_let_through(there)
                && self.plan.egress.check(request).action == EgressAction::Allow
        }
    }

    /// Whether `rbac` lets the request go there.
    fn is_let_through(&self, there: EgressDestination<'_>) -> bool {
        match (&self.kept, self.policies) {
            (Some(kept), Some(policies)) => rbac::check(policies, || kept.view(there)).is_ok(),
            // It was let through wherever it goes.
            (None, _) | (_, None) => true,
        }
    }

    /// Turns to the next host of the backend that the policies allow, if one of the next `others` is. Returns how many of
    /// them come after that; `None` if the policies allow none, and the plan is then as it was.
    pub(crate) fn next_host(&mut self, others: usize) -> Option<usize> {
        let began_at = self.plan.host_index();
        for passed in 1..=others {
            self.plan.next_host();
            let is_let_through = self.is_let_through(asked::destination(&self.plan));
            let request = self.egress_request();
            let is_allowed = self.plan.egress.check(request).action == EgressAction::Allow;
            if is_let_through && is_allowed {
                return Some(others - passed);
            }
        }
        self.plan.turn_to(began_at);
        None
    }

    /// The request asks for another protocol in place of HTTP.
    pub(crate) fn expects_upgrade(&mut self) {
        self.plan.expects_upgrade();
    }

    /// Goes on with HTTP/1.1, which the upstream requires (RFC 9113 7, HTTP_1_1_REQUIRED). False if another version is
    /// configured.
    pub(crate) fn fall_back_to_http1(&mut self) -> bool {
        self.plan.fall_back_to_http1()
    }
}

/// Asks about the destination of a plan. Of a backend with several hosts, turns to the first that is allowed.
///
/// # Errors
/// The refusal of the host that the plan began with, if no host is allowed.
fn first_allowed<'a>(
    plan: &mut ForwardPlan<'a>,
    check: impl Fn(&ForwardPlan<'a>) -> Result<EgressDecision<'a>, Refusal>,
) -> Result<EgressDecision<'a>, Refusal> {
    let mut first = check(plan);
    for _ in 0..plan.other_hosts() {
        if first.is_ok() {
            break;
        }
        plan.next_host();
        first = check(plan).or(first);
    }
    first
}

/// Asks the egress policies about the destination of a plan by its name.
///
/// # Errors
/// [`Refusal::Policy`] with what denied it.
fn check_name<'a>(
    plan: &ForwardPlan<'a>,
    client: EgressClient<'_>,
    kept: Option<&KeptRequest>,
) -> Result<EgressDecision<'a>, Refusal> {
    let decision = plan.egress.check(egress_request(plan, client, kept));
    match decision.action {
        EgressAction::Allow => Ok(decision),
        EgressAction::Deny => Err(Refusal::Policy(decision.deciding_rule())),
    }
}

/// The check of the addresses of a backend that is asked for its health. The egress policies decide about it as about a request
/// of nobody in particular; `is_service` says that the gateway itself uses it.
///
/// # Errors
/// [`Refusal::Policy`] with what denies the host by its name.
pub(crate) fn guard_of_checks<'b>(
    plan: &'b ForwardPlan<'_>,
    is_service: bool,
    own: &'b OwnAddresses,
) -> Result<EgressGuard<'b>, Refusal> {
    check_name(plan, EgressClient::default(), None)?;
    Ok(EgressGuard {
        egress: plan.egress,
        request: egress_request(plan, EgressClient::default(), None),
        endpoints: plan.endpoints().map(|endpoints| &**endpoints),
        is_own: is_service,
        own,
    })
}

/// A planned request as egress policies see it.
fn egress_request<'b>(
    plan: &'b ForwardPlan<'_>,
    client: EgressClient<'b>,
    kept: Option<&'b KeptRequest>,
) -> EgressRequest<'b> {
    EgressRequest {
        host: &plan.destination.host,
        port: plan.destination.port,
        request: plan.method_and_path(),
        client,
        is_open: false,
        asked: kept.map(|request| AskedRequest {
            request,
            scheme: asked::destination(plan).scheme,
        }),
        now: if plan.egress.reads_time() {
            clock::unix_time()
        } else {
            0
        },
    }
}

impl RequestSender<'_> {
    /// A service has changed these fields of the request, which now has these headers: what it has set are no credentials of
    /// the client, which are taken away.
    fn grant<'n>(&mut self, names: impl Iterator<Item = &'n HeaderName>, headers: &HeaderMap) {
        for name in names {
            self.granted.retain(|(granted, _)| granted != name);
            let values = headers.get_all(name).iter();
            let fields = values.map(|value| (name.clone(), value.clone()));
            self.granted.extend(fields);
        }
    }

    /// The sender as egress policies see it.
    fn facts(&self) -> EgressClient<'_> {
        let Self {
            identity,
            principal,
            ..
        } = self;
        EgressClient {
            user: principal.as_ref().and_then(Principal::user),
            key_owner: principal.as_ref().and_then(Principal::key_owner),
            certificate: identity.certificate.as_deref(),
            source: Some(identity.address.ip()),
        }
    }
}

#[cfg(test)]
mod tests;
