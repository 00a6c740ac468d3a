//! Policies: compiles them, and finds those that apply at a place.
//!
//! A policy that is not valid fails closed: its targets refuse all requests, because it is not known what the policy
//! would have denied.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ancestor::RouteGateways;
use super::annotation::{policy_weight, prefers_child};
use super::class::CompileOptions;
use super::log::{ReportLog, misconfiguration};
use super::target::{PolicyTarget, TargetLookup};
use crate::access_log::AccessLog;
use crate::policy::egress::{EgressPolicySet, EgressRules, Expiry};
use crate::policy::service::ServiceId;
use crate::policy::traffic::TrafficSettings;
use crate::resources::{ObjectMap, ObjectRef, Resources};
use crate::snapshot::{
    BackendResolver, BackendSettings, ClientValidation, ConnectionLimits, ListenerHttp,
    Misconfiguration, ProxyProtocol, ResolverId, ResolverSettings, WeightedBackend,
};

mod acl;
mod api_key_auth;
mod backend_config;
mod backend_tls;
mod backend_traffic;
mod basic_auth;
mod compression;
mod cors;
mod csrf;
mod draft;
mod edit_lists;
mod egress;
mod ext_auth;
mod ext_proc;
mod extension;
mod fault_injection;
mod filter;
mod global_limit;
mod header_modifiers;
mod http_upgrade;
mod internal_redirect;
mod jwt_auth;
mod layer;
mod listener;
mod parts;
mod rate_limit;
mod rbac;
mod reader;
mod request_mirror;
mod resolver;
mod retry;
mod route_tracing;
mod scope;
mod service;
mod traffic;
mod transformation;
mod unread;

use draft::{PolicyDraft, TargetOutcome};
use extension::Extensions;
use filter::NamedPolicy;
use listener::ListenerLayer;
pub(super) use scope::{ListenerScope, PolicyScope};
pub(super) use service::Upstreams;

/// Every policy, by target.
#[derive(Debug, Default)]
pub(super) struct CompiledPolicies {
    /// Whether a listener without an EgressPolicy refuses every request.
    requires_egress_policy: bool,
    route_gateways: RouteGateways,
    broken: BTreeMap<PolicyTarget, Misconfiguration>,
    egress: BTreeMap<PolicyTarget, Vec<Arc<EgressRules>>>,
    resolver: BTreeMap<ObjectRef, ResolverId>,
    settings: BTreeMap<ResolverId, Arc<ResolverSettings>>,
    /// The resolvers of Backends that have settings of their own, and are used.
    of_backends: RefCell<BTreeMap<ResolverId, Arc<ResolverSettings>>>,
    /// The settings of connections, by Backend, Service, and port of a Service.
    backend: BTreeMap<PolicyTarget, Arc<BackendSettings>>,
    /// The BackendTLSPolicy that decides, likewise.
    backend_tls: BTreeMap<PolicyTarget, backend_tls::DecidingPolicy>,
    backend_tls_verdicts: Vec<backend_tls::PolicyVerdict>,
    extensions: Extensions,
    /// The services that the gateway itself sends requests to.
    services: BTreeMap<ServiceId, Arc<WeightedBackend>>,
    traffic: BTreeMap<PolicyTarget, TrafficSettings>,
    /// Every TrafficPolicy that a filter of a rule names, or what is wrong with it.
    by_filter: BTreeMap<ObjectRef, NamedPolicy>,
    /// The settings of listeners, by Gateway or ListenerSet, and listener name.
    listeners: BTreeMap<ObjectRef, BTreeMap<String, ListenerLayer>>,
    /// The Gateways whose routes may take away what the Gateway guards.
    prefers_child: BTreeSet<ObjectRef>,
    /// The weights of policies that have one.
    weights: BTreeMap<ObjectRef, i64>,
    /// Rules with the same policies share one value.
    shared: RefCell<BTreeMap<Vec<ObjectRef>, Arc<EgressPolicySet>>>,
}

const NO_EGRESS_POLICY: &str =
    "an EgressPolicy is required, and none is bound to the listener or its Gateway";

pub(super) fn compile(
    targets: TargetLookup<'_>,
    route_gateways: RouteGateways,
    upstreams: Upstreams<'_>,
    options: &CompileOptions,
    log: &mut ReportLog,
) -> CompiledPolicies {
    let mut policies = CompiledPolicies {
        requires_egress_policy: options.require_egress_policy,
        route_gateways,
        ..CompiledPolicies::default()
    };
    policies.settings.insert(ResolverId::System, Arc::default());
    policies.weigh(targets.resources);
    let gateways = targets.resources.gateways.iter();
    let lenient = gateways.filter(|(_, object)| prefers_child(&object.value.metadata));
    policies.prefers_child = lenient.map(|(gateway, _)| gateway.clone()).collect();
    egress::compile(targets, options.now, &mut policies, log);
    resolver::compile(targets, &mut policies, log);
    // BackendTLSPolicies come first, because they take precedence over `tls` of a BackendConfigPolicy.
    backend_tls::compile(targets, &mut policies, log);
    backend_config::compile(targets, upstreams, options.files, &mut policies, log);
    backend_traffic::compile(targets, &mut policies, log);
    // What follows refers to services, whose settings are known now.
    listener::compile(targets, upstreams, &mut policies, log);
    extension::compile(targets.resources, upstreams, &mut policies, log);
    traffic::compile(targets, &mut policies, log);
    traffic::warn_of_guarded(targets, &policies, log);
    unread::compile(targets, &mut policies, log);
    policies
}

impl CompiledPolicies {
    /// The reason why a listener refuses every request, if it does.
    pub(super) fn broken_listener(&self, listener: ListenerScope<'_>) -> Option<&Misconfiguration> {
        let mut targets = listener.targets();
        targets.find_map(|(object, section)| self.broken.get(&PolicyTarget::new(object, section)))
    }

    /// The reason why a rule refuses every request, if it does.
    pub(super) fn broken_rule(
        &self,
        route: &ObjectRef,
        rule: Option<&str>,
    ) -> Option<&Misconfiguration> {
        self.broken(route, rule)
    }

    /// The reason why requests to a Backend, or to this port of a Service, are refused, if they are.
    pub(super) fn broken_backend(
        &self,
        backend: &ObjectRef,
        port: Option<&str>,
    ) -> Option<&Misconfiguration> {
        self.broken(backend, port)
    }

    fn broken(&self, object: &ObjectRef, section: Option<&str>) -> Option<&Misconfiguration> {
        let part =
            section.and_then(|section| self.broken.get(&PolicyTarget::new(object, Some(section))));
        self.broken.get(&PolicyTarget::new(object, None)).or(part)
    }

    /// The merged ListenerPolicies of a listener.
    fn listener(&self, listener: ListenerScope<'_>) -> Option<&ListenerLayer> {
        self.listeners.get(listener.owner)?.get(listener.name)
    }

    /// The access log of a listener.
    pub(super) fn access_log(&self, listener: ListenerScope<'_>) -> AccessLog {
        let settings = self.listener(listener);
        settings
            .and_then(|settings| settings.access_log.clone())
            .unwrap_or_default()
    }

    /// What a listener does with messages whatever their routes are.
    pub(super) fn listener_http(&self, listener: ListenerScope<'_>) -> Option<Arc<ListenerHttp>> {
        let settings = self.listener(listener)?;
        let tracing = settings.tracing.as_ref();
        let tracing = tracing.map(|tracing| tracing.of(listener.gateway));
        settings.edge.http(tracing).map(Arc::new)
    }

    /// The limits of connections to a listener.
    pub(super) fn connection_limits(&self, listener: ListenerScope<'_>) -> ConnectionLimits {
        let settings = self.listener(listener);
        settings.map_or_else(ConnectionLimits::default, ListenerLayer::limits)
    }

    /// Whether connections to a listener begin with a PROXY protocol header.
    pub(super) fn proxy_protocol(&self, listener: ListenerScope<'_>) -> ProxyProtocol {
        let settings = self.listener(listener);
        settings
            .and_then(|settings| settings.proxy_protocol)
            .unwrap_or_default()
    }

    /// The validation of client certificates at a listener, if a policy sets it.
    pub(super) fn clients(&self, listener: ListenerScope<'_>) -> Option<&ClientValidation> {
        self.listener(listener)?.clients.as_deref()
    }

    /// The EgressPolicies on a listener and on what it belongs to.
    pub(super) fn egress_policies(&self, listener: ListenerScope<'_>) -> BTreeSet<ObjectRef> {
        let targets = listener.targets();
        targets
            .filter_map(|(object, section)| self.egress.get(&PolicyTarget::new(object, section)))
            .flatten()
            .map(|rules| rules.policy.clone())
            .collect()
    }

    /// The reason why a listener refuses every request, if it needs an EgressPolicy and has none.
    pub(super) fn missing_egress_policy(
        &self,
        listener: ListenerScope<'_>,
    ) -> Option<Misconfiguration> {
        let is_missing = self.requires_egress_policy && self.egress_policies(listener).is_empty();
        is_missing.then(|| misconfiguration(listener.owner, NO_EGRESS_POLICY))
    }

    /// The EgressPolicies that apply at a place, widest first.
    pub(super) fn egress(
        &self,
        scope: PolicyScope<'_>,
        backend: Option<&ObjectRef>,
    ) -> Arc<EgressPolicySet> {
        let backend = backend.map(|backend| (backend, None));
        let mut policies: Vec<Arc<EgressRules>> = Vec::new();
        for (object, section) in scope.targets().chain(backend) {
            for rules in self
                .egress
                .get(&PolicyTarget::new(object, section))
                .into_iter()
                .flatten()
            {
                if !policies.contains(rules) {
                    policies.push(rules.clone());
                }
            }
        }
        let key = policies.iter().map(|rules| rules.policy.clone()).collect();
        let mut shared = self.shared.borrow_mut();
        shared
            .entry(key)
            .or_insert_with(|| Arc::new(EgressPolicySet::new(policies)))
            .clone()
    }

    /// The resolver for a Backend under a Gateway.
    pub(super) fn resolver(&self, gateway: &ObjectRef, backend: &ObjectRef) -> ResolverId {
        let policy = self
            .resolver
            .get(backend)
            .or_else(|| self.resolver.get(gateway));
        let id = policy.cloned().unwrap_or(ResolverId::System);
        let Some(dns) = self.backend_settings(backend, None).dns else {
            return id;
        };
        let base = self.settings.get(&id).cloned().unwrap_or_default();
        let settings = dns.over(&base);
        let id = ResolverId::Backend(BackendResolver {
            backend: backend.clone(),
            policy: match id {
                ResolverId::Policy(policy) => Some(policy),
                ResolverId::System | ResolverId::Backend(_) => None,
            },
        });
        let mut of_backends = self.of_backends.borrow_mut();
        of_backends.insert(id.clone(), Arc::new(settings));
        id
    }

    /// The settings of connections to a Backend, or to this port of a Service. Those of the port come before those of the
    /// Service.
    pub(super) fn backend_settings(
        &self,
        backend: &ObjectRef,
        port: Option<&str>,
    ) -> Arc<BackendSettings> {
        let of = |section| self.backend.get(&PolicyTarget::new(backend, section));
        let of_port = port.and_then(|port| of(Some(port)));
        of_port
            .or_else(|| of(None))
            .map_or_else(Arc::default, Arc::clone)
    }

    /// The settings that apply to a rule. Its own take precedence over those of a policy, a narrower policy over a wider
    /// one, and any TrafficPolicy over the `upgradeConfig` of the listener.
    pub(super) fn traffic(&self, scope: PolicyScope<'_>, own: &TrafficSettings) -> TrafficSettings {
        let mut settings = own.clone();
        let at = |object, section| self.traffic.get(&PolicyTarget::new(object, section));
        let PolicyScope {
            listener,
            route,
            rule,
        } = scope;
        let ListenerScope {
            gateway,
            owner,
            name,
        } = listener;
        let of_route = [rule.and_then(|rule| at(route, Some(rule))), at(route, None)];
        for wider in of_route.into_iter().flatten() {
            settings.merge(wider);
        }
        let prefers_child = self.prefers_child.contains(gateway);
        let mut parent = TrafficSettings::default();
        let of_owner = [at(owner, Some(name)), at(owner, None)];
        for wider in of_owner.into_iter().flatten() {
            parent.merge(wider);
        }
        // A ListenerSet can no more take away what its Gateway guards than a route can.
        if let Some(wider) = at(gateway, None).filter(|_| owner != gateway) {
            parent.inherit(wider, prefers_child);
        }
        settings.inherit(&parent, prefers_child);
        if let Some(of_listener) = self.listener(listener) {
            settings.merge(&TrafficSettings {
                http_upgrade: of_listener.upgrades.clone(),
                ..TrafficSettings::default()
            });
        }
        settings
    }

    /// The settings of a TrafficPolicy that a filter names, or what is wrong with it; `None` if there is no such policy.
    pub(super) fn by_filter(
        &self,
        policy: &ObjectRef,
    ) -> Option<Result<&TrafficSettings, &Misconfiguration>> {
        let named = self.by_filter.get(policy)?;
        Some(named.settings.as_ref())
    }

    /// Reports policies whose status lists Gateways; `uses` has the Gateways whose routes refer to a Backend.
    pub(super) fn report(
        &self,
        resources: &Resources,
        uses: &BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
        log: &mut ReportLog,
    ) {
        backend_tls::report(&self.backend_tls_verdicts, resources, uses, log);
    }

    /// The services that the gateway itself sends requests to.
    pub(super) fn services(&self) -> BTreeMap<ServiceId, Arc<WeightedBackend>> {
        self.services.clone()
    }

    /// The times at which rules and exceptions of EgressPolicies expire, in their order.
    pub(super) fn expiries(&self) -> Vec<Expiry> {
        let policies = self.egress.values().flatten();
        let expiries: BTreeSet<_> = policies.flat_map(|rules| rules.expiries()).collect();
        expiries.into_iter().collect()
    }

    /// The settings of every resolver.
    pub(super) fn resolvers(&self) -> BTreeMap<ResolverId, Arc<ResolverSettings>> {
        let mut settings = self.settings.clone();
        settings.extend(self.of_backends.borrow().clone());
        settings
    }

    fn weigh(&mut self, resources: &Resources) {
        let traffic = weights(&resources.traffic_policies);
        let listener = weights(&resources.listener_policies);
        let http_listener = weights(&resources.http_listener_policies);
        let backend = weights(&resources.backend_config_policies);
        let all = traffic.chain(listener).chain(http_listener).chain(backend);
        self.weights = all.collect();
    }

    fn is_heavier(&self, one: &ObjectRef, other: &ObjectRef) -> bool {
        let weight = |policy| self.weights.get(policy).copied().unwrap_or_default();
        weight(one) > weight(other)
    }

    /// Why one policy takes precedence over another: it is heavier, or else older.
    fn why_first(&self, first: &ObjectRef, other: &ObjectRef) -> &'static str {
        if self.is_heavier(first, other) {
            "heavier"
        } else {
            "older"
        }
    }

    /// Makes a target refuse all requests because of a policy.
    fn refuse(&mut self, target: &PolicyTarget, policy: &ObjectRef, message: &str) {
        let entry = self.broken.entry(target.clone());
        entry.or_insert_with(|| misconfiguration(policy, message));
    }
}

/// The policies of a kind that have a weight, with it.
fn weights<T: kube::Resource>(objects: &ObjectMap<T>) -> impl Iterator<Item = (ObjectRef, i64)> {
    let weights = objects.iter().map(|(reference, object)| {
        let weight = policy_weight(object.value.meta());
        (reference.clone(), weight)
    });
    weights.filter(|(_, weight)| *weight != 0)
}
