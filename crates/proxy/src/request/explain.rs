//! What would become of a request, without sending anything: the decisions of [`decide`] about it, by the same functions
//! and in the same order, with what each of them said.
//!
//! Left out are the things that a decision is not needed for or that it would change: faults are not injected, nothing is
//! taken from limits, no DNS server is asked.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use egret_config::name::{DnsName, Host};
use egret_config::policy::egress::EgressDecision;
use egret_config::policy::global_limit::GlobalRateLimit;
use egret_config::policy::traffic::PolicySetting;
use egret_config::route::RouteMatch;
use egret_config::snapshot::{
    BindAddress, Listener, ListenerSocket, ResolverId, Snapshot, WeightedBackend, WeightedBackends,
};
use http::StatusCode;
use http::request::Parts;

use super::decide::{self, RuleStep};
use super::edge::{self, Purpose};
use super::{check, connect, tls};
use crate::dial::egress::OwnAddresses;
use crate::dns::family::order_by_family;
use crate::message::target::{Target, TargetForm, check_framing};
use crate::message::{max_forwards, upgrade};
use crate::plan::{ForwardPlan, PlannedRoute, compared_path};
use crate::policy::credentials::{self, CredentialStore, Principal};
use crate::policy::transformation;
use crate::policy::{self, Admitted, Cleared, ClearedRequest, ClientIdentity, PolicyContext, cors};
use crate::record::VerdictFacts;
use crate::refusal::Refusal;

mod explanation;
mod question;

pub use explanation::{
    ExplainedAddress, ExplainedField, ExplainedPolicy, Explanation, Outcome, Undecided,
};
pub use question::{PARAMETERS, QuestionForm, QuestionUrl, RequestQuestion, UrlError};

const FAULTS: &str = "faultInjection may delay or fail it before anything else is asked";
const KEYS_UNKNOWN: &str =
    "the keys of the token's issuer are not known here; a user can be named instead of a token";
const ADDRESSES_UNKNOWN: &str = "each address is judged once the name is resolved";

/// What explanations are made of.
pub(crate) struct Explainer<'a> {
    /// The configuration.
    pub(crate) snapshot: &'a Snapshot,
    /// What is known of credentials beside the configuration.
    pub(crate) credentials: &'a CredentialStore,
    /// The addresses that the process listens on.
    pub(crate) own: &'a OwnAddresses,
}

/// A request at one socket.
struct AskedAt<'a> {
    explainer: &'a Explainer<'a>,
    question: &'a RequestQuestion,
    bind: BindAddress,
    socket: &'a ListenerSocket,
    client: Rc<ClientIdentity>,
}

/// A request whose head was read.
struct AskedHead {
    target: Target,
    parts: Parts,
    /// Who sends it, if the listener has its own word in that.
    sender: Option<Rc<ClientIdentity>>,
}

/// A request that fell under a rule.
struct AskedUnder<'a, 'r> {
    at: &'r AskedAt<'a>,
    head: &'r AskedHead,
    found: RouteMatch<'a>,
    has_normal_path: bool,
}

/// Explains a request by a configuration that is not served: no keys of tokens were fetched.
#[must_use]
pub fn explain(snapshot: &Snapshot, question: &RequestQuestion) -> Vec<Explanation> {
    let sockets = snapshot.sockets.keys().map(|bind| {
        let ip = bind.ip.unwrap_or_else(|| [0, 0, 0, 0].into());
        SocketAddr::new(ip, bind.port.get())
    });
    let explainer = Explainer {
        snapshot,
        credentials: &CredentialStore::default(),
        own: &OwnAddresses(sockets.collect()),
    };
    explainer.explain(question)
}

impl Explainer<'_> {
    /// What would become of the request at every socket that a client could send it to, and at each backend of its rule.
    /// Sockets that have no listener for it are left out if another has one.
    pub(crate) fn explain(&self, question: &RequestQuestion) -> Vec<Explanation> {
        let sockets = self.snapshot.sockets.iter();
        let sockets = sockets.filter(|(_, socket)| question.fits(socket));
        let mut told: Vec<_> = sockets
            .flat_map(|(bind, socket)| {
                let asked = AskedAt {
                    explainer: self,
                    question,
                    bind: *bind,
                    socket,
                    client: Rc::new(question.identity(*bind, socket)),
                };
                asked.explain()
            })
            .collect();
        if told.iter().any(|one| one.listener.is_some()) {
            told.retain(|one| one.listener.is_some());
        }
        if let Some(listener) = &question.listener {
            told.retain(|one| one.listener.as_ref().is_none_or(|name| name == listener));
        }
        told
    }
}

impl<'a> AskedAt<'a> {
    fn explain(&self) -> Vec<Explanation> {
        let mut so_far = Explanation::at(self.bind);
        self.route(&mut so_far).unwrap_or_else(|refusal| {
            so_far.settled(VerdictFacts::default(), Some(&refusal), None);
            vec![so_far]
        })
    }

    /// Reads the head, and finds the rule.
    fn route(&self, so_far: &mut Explanation) -> Result<Vec<Explanation>, Refusal> {
        let mut head = self.read()?;
        let listener = match head.target.form {
            TargetForm::Passthrough | TargetForm::Terminate => self
                .socket
                .listener_for_sni(self.client.server_name.as_ref()),
            TargetForm::Request | TargetForm::Connect => {
                self.socket.listener_for(&head.target.host)
            }
        };
        let listener = listener.ok_or(Refusal::NoListener)?;
        so_far.taken_by(listener);
        self.check_listener(listener)?;
        if self.question.form != QuestionForm::Sni {
            let AskedHead {
                target,
                parts,
                sender,
            } = &mut head;
            if let Some(http) = &listener.http {
                let said = edge::enter(http, parts, &self.client, None);
                *sender = said.map(Rc::new);
            }
            let purpose = edge::settle(listener, target, parts, self.bind.port)?;
            if purpose == Purpose::HealthCheck {
                so_far.answered(StatusCode::OK);
                return Ok(vec![so_far.clone()]);
            }
        }
        let path = match head.target.form {
            TargetForm::Request => compared_path(head.parts.uri.path(), &head.parts.method),
            _ => Cow::Borrowed(""),
        };
        if self.question.is_recorded && self.question.form != QuestionForm::Sni {
            let facts = decide::facts(&head.target, &head.parts, &path);
            let rule = listener.routes.undecided(&facts);
            let matches = rule.map(|rule| format!("matches of {}", rule.full_name()));
            so_far.undecided = matches.map(Undecided::By);
        }
        let found = decide::route(listener, &head.target, &head.parts, &path)?;
        so_far.routed(found.rule);
        let under = AskedUnder {
            at: self,
            head: &head,
            has_normal_path: matches!(path, Cow::Borrowed(path) if path == head.parts.uri.path()),
            found,
        };
        under.decide(so_far)
    }

    /// The head and its target, as far as it is valid.
    fn read(&self) -> Result<AskedHead, Refusal> {
        if let Some(target) = self.question.tls_target(self.socket) {
            return Ok(AskedHead {
                target,
                parts: tls::connect_parts(),
                sender: None,
            });
        }
        if self.question.form == QuestionForm::Sni {
            return Err(Refusal::NoServerName);
        }
        let mut parts = self.question.head();
        let target = Target::of(&parts, self.client.scheme).map_err(Refusal::Target)?;
        target.override_host(&mut parts.headers, parts.version);
        check::fields(&parts, &self.socket.limits)?;
        check_framing(&parts.headers)?;
        connect::check_framing(&parts)?;
        Ok(AskedHead {
            target,
            parts,
            sender: None,
        })
    }

    /// Checks that the handshake of a client that names the host is for the listener of the host.
    fn check_listener(&self, listener: &Arc<Listener>) -> Result<(), Refusal> {
        let Some(name) = &self.client.server_name else {
            return Ok(());
        };
        let shown = self.socket.listener_for_sni(Some(name));
        if shown.is_some_and(|shown| shown.is_same(listener)) {
            Ok(())
        } else {
            Err(Refusal::Misdirected)
        }
    }
}

impl<'a> AskedUnder<'a, '_> {
    fn context(&self) -> PolicyContext<'a, '_> {
        PolicyContext {
            rule: self.found.rule,
            target: &self.head.target,
            request: &self.head.parts,
            client: self.head.sender.as_ref().unwrap_or(&self.at.client),
            credentials: self.at.explainer.credentials,
            asked_before: false,
        }
    }

    fn admit(&self) -> Result<Admitted<'a>, Refusal> {
        let context = self.context();
        match &self.at.question.user {
            Some(user) => policy::admit_as(&context, user),
            None => policy::admit_here(&context).or_else(|refusal| {
                let password = refusal
                    .wants_comparison()
                    .then(|| credentials::slow_password(&context));
                match password.flatten() {
                    Some(password) if context.credentials.passwords.compare_here(&password) => {
                        policy::admit_here(&context)
                    }
                    _ => Err(refusal),
                }
            }),
        }
    }

    /// Asks the policies of the rule, and what it makes of the request.
    fn decide(&self, so_far: &mut Explanation) -> Result<Vec<Explanation>, Refusal> {
        let parts = &self.head.parts;
        let policies = &self.found.rule.policies;
        if policies.fault_injection.value().is_some() {
            so_far.notes.push(FAULTS.to_owned());
        }
        let origin = cors::allowed_origin(policies, parts);
        if cors::preflight(policies, parts, origin).is_some() {
            so_far.answered(StatusCode::OK);
            return Ok(vec![so_far.clone()]);
        }
        let admitted = self.admit().inspect_err(|refusal| {
            if refusal.wants_keys() {
                so_far.notes.push(KEYS_UNKNOWN.to_owned());
            }
            if self.at.question.is_recorded && refusal.is_about_secrets() {
                so_far.undecided = Some(Undecided::ByCredentials);
            }
        })?;
        if let Some(name) = admitted.principal().and_then(Principal::name) {
            so_far.user = Some(name.to_string());
        }
        if let PolicySetting::Set(policy, _) = &policies.ext_auth {
            let note = format!("the service of extAuth of {policy} is asked about it");
            so_far.notes.push(note);
        }
        let backends = match self.head.target.form {
            TargetForm::Passthrough | TargetForm::Terminate => tls::relayed_to(self.found.rule)?,
            form => match decide::step(self.found.rule, form == TargetForm::Connect)? {
                RuleStep::Respond(fixed) => {
                    so_far.answered(fixed.status);
                    return Ok(vec![so_far.clone()]);
                }
                RuleStep::Redirect(redirect) => {
                    so_far.answered(redirect.status);
                    return Ok(vec![so_far.clone()]);
                }
                RuleStep::Forward(backends) => match max_forwards::check(parts) {
                    Ok(()) => backends,
                    Err(spent) => {
                        so_far.answered(spent.status);
                        return Ok(vec![so_far.clone()]);
                    }
                },
            },
        };
        Ok(self.leave_by_each(backends, so_far))
    }

    fn leave_by_each(
        &self,
        backends: &'a WeightedBackends,
        so_far: &Explanation,
    ) -> Vec<Explanation> {
        let used = backends
            .backends
            .iter()
            .filter(|backend| backend.weight > 0);
        used.map(|backend| {
            let mut told = so_far.clone();
            told.planned(backend, backends.total);
            if let Err(refusal) = self.leave(backend, &mut told) {
                told.settled(VerdictFacts::default(), Some(&refusal), None);
            }
            told
        })
        .collect()
    }

    /// Plans and clears the request.
    fn leave(&self, backend: &'a WeightedBackend, told: &mut Explanation) -> Result<(), Refusal> {
        let AskedHead { target, parts, .. } = self.head;
        let route = PlannedRoute {
            has_normal_path: self.has_normal_path,
            ..PlannedRoute::from(&self.found)
        };
        let plan = Box::new(ForwardPlan::new(target, &route, backend, parts)?);
        told.heads_for(&plan);
        let rule = self.found.rule;
        match target.form {
            TargetForm::Connect => check::connect(&self.found, &plan, true)?,
            TargetForm::Request => {
                upgrade::requested(parts, false, None, rule.policies.upgrades())?;
            }
            TargetForm::Passthrough | TargetForm::Terminate => {}
        }
        let to = &plan.destination;
        let destination = Some((to.host.clone(), to.port));
        let mut facts = VerdictFacts::default();
        let admitted = self.admit()?;
        if self.at.question.is_recorded && told.undecided.is_none() {
            let by = admitted.undecided(&plan, &self.context());
            told.undecided = by.map(Undecided::By);
        }
        // A log is replayed for what is decided, and not for why.
        if !self.at.question.is_recorded {
            told.notes
                .extend(admitted.near_misses(&plan, &self.context()));
        }
        match admitted.clear_uncounted(plan, &self.context()) {
            Err(refusal) => told.settled(facts, Some(&refusal), destination),
            Ok(ClearedRequest {
                mut cleared,
                decision,
            }) => {
                facts.cleared(&decision);
                let transformed = self.transform(&mut cleared, told);
                if let Some(decision) = transformed.as_ref().ok().and_then(Option::as_ref) {
                    facts.cleared(decision);
                }
                if let Err(refusal) = transformed {
                    told.settled(facts, Some(&refusal), destination);
                    return Ok(());
                }
                told.heads_for(cleared.plan());
                told.outcome = match target.is_tunnel() {
                    true => Outcome::Tunnel,
                    false => Outcome::Forwarded,
                };
                told.notes.extend(limits(&cleared));
                told.notes.extend(self.processed());
                let refusal = self.judge_addresses(&cleared, told).err();
                let to = &cleared.plan().destination;
                told.settled(facts, refusal.as_ref(), Some((to.host.clone(), to.port)));
            }
        }
        Ok(())
    }

    /// Lets templates change the method and the path of the request, about which the egress policies are asked again.
    fn transform(
        &self,
        cleared: &mut Cleared<'a>,
        told: &mut Explanation,
    ) -> Result<Option<EgressDecision<'a>>, Refusal> {
        let AskedHead { target, parts, .. } = self.head;
        let policies = &self.found.rule.policies;
        let scheme = self.at.client.scheme;
        if target.is_tunnel() {
            return Ok(None);
        }
        match transformation::target_without_body(policies, parts, scheme) {
            None => Ok(None),
            Some(Ok(head)) => cleared.transform(Rc::new(head?)),
            Some(Err(policy)) => {
                let note = format!(
                    "templates of {policy} may change the method and the path by the body; the egress policies are then \
                     asked about them"
                );
                told.notes.push(note);
                Ok(None)
            }
        }
    }

    /// The service that sees the request, unless it cannot be read.
    fn processed(&self) -> Option<String> {
        let form = self.head.target.form;
        let is_read = matches!(form, TargetForm::Request | TargetForm::Connect);
        match &self.found.rule.policies.ext_proc {
            PolicySetting::Set(policy, _) if is_read => Some(format!(
                "the service of extProc of {policy} sees it, and may refuse or change it"
            )),
            _ => None,
        }
    }

    /// The addresses of a name that is never queried. What the hosts file of the gateway's machine says is not known here.
    fn known_addresses(&self, resolver: &ResolverId, name: &DnsName) -> Vec<IpAddr> {
        let Some(settings) = self.at.explainer.snapshot.resolvers.get(resolver) else {
            return Vec::new();
        };
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        match settings.hosts.get(name) {
            Some(addresses) => order_by_family(addresses, settings.family).to_vec(),
            None if name.is_localhost() => order_by_family(&loopback, settings.family).to_vec(),
            None => Vec::new(),
        }
    }

    /// Judges the addresses of the destination that are known.
    fn judge_addresses(
        &self,
        cleared: &Cleared<'a>,
        told: &mut Explanation,
    ) -> Result<(), Refusal> {
        let plan = cleared.plan();
        let port = plan.destination.port.get();
        let addresses: Vec<_> = match (plan.endpoints(), &plan.destination.host) {
            (Some(endpoints), _) if endpoints.is_empty() => return Err(Refusal::NoEndpoints),
            (Some(endpoints), _) => endpoints.to_vec(),
            (None, Host::Ip(ip)) => vec![SocketAddr::new(*ip, port)],
            (None, Host::Name(name)) => {
                let given = &self.at.question.addresses;
                let ips = match given.is_empty() && plan.destination.proxy.is_none() {
                    true => self.known_addresses(&plan.destination.resolver, name),
                    false => given.clone(),
                };
                ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect()
            }
        };
        if addresses.is_empty() {
            told.notes.push(ADDRESSES_UNKNOWN.to_owned());
        }
        let guard = cleared.guard(self.at.explainer.own);
        for address in &addresses {
            let denied = guard.permit(*address).err();
            let audited = cleared.audit_address(address.ip());
            told.addresses
                .push(ExplainedAddress::new(*address, denied, audited));
        }
        let permitted = guard.permit_all(addresses);
        permitted.map(drop).map_err(Refusal::Address)
    }
}

/// The limits that count a request.
fn limits(cleared: &Cleared<'_>) -> Vec<String> {
    let (plan, client) = (cleared.plan(), cleared.client());
    let policies = plan.egress.policies.iter();
    let limits = policies.flat_map(|rules| rules.limits.iter().map(move |limit| (rules, limit)));
    let counting = limits.filter(|(_, limit)| limit.key(&plan.destination.host, client).is_some());
    let notes = counting.map(|(rules, limit)| {
        let name = &limit.name;
        format!("limit {name} of {} counts it", rules.policy)
    });
    notes.chain(counted_elsewhere(cleared)).collect()
}

/// The services that count a request.
fn counted_elsewhere(cleared: &Cleared<'_>) -> Vec<String> {
    let global = cleared.global_limits().iter();
    let note = |limit: &GlobalRateLimit| {
        format!(
            "the service of rateLimit.global of {} is asked about it",
            limit.policy
        )
    };
    global.map(note).collect()
}

#[cfg(test)]
mod tests;
