//! Policies: which apply where, and what that makes of it.
//!
//! A policy that is wrong fails closed: what it targets is refused, because what it would have forbidden is not known.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::log::{Log, misconfiguration};
use super::target::{Target, Targets};
use crate::policy::egress::{Egress, EgressRules};
use crate::policy::retry::RetryPolicy;
use crate::policy::traffic::{Setting, TrafficSettings};
use crate::resources::{ObjectRef, Resources};
use crate::snapshot::{
    BackendSettings, ClientValidation, ConnectionLimits, Misconfiguration, ProxyProtocol,
    ResolverId, ResolverSettings,
};

mod api_key_auth;
mod backend_config;
mod backend_tls;
mod basic_auth;
mod draft;
mod egress;
mod header_modifiers;
mod http_upgrade;
mod layer;
mod listener;
mod reader;
mod resolver;
mod retry;
mod traffic;

use draft::{Draft, Outcome};
use listener::Settings;

/// Every policy, by what it applies to.
#[derive(Debug, Default)]
pub(super) struct Policies {
    broken: BTreeMap<Target, Misconfiguration>,
    egress: BTreeMap<Target, Vec<Arc<EgressRules>>>,
    resolver: BTreeMap<ObjectRef, ResolverId>,
    settings: BTreeMap<ResolverId, Arc<ResolverSettings>>,
    backend: BTreeMap<ObjectRef, Arc<BackendSettings>>,
    /// BackendTLSPolicies, by Backend.
    backend_tls: BTreeMap<ObjectRef, backend_tls::Claim>,
    backend_tls_verdicts: Vec<backend_tls::Verdict>,
    traffic: BTreeMap<Target, TrafficSettings>,
    /// By Gateway and listener.
    listeners: BTreeMap<ObjectRef, BTreeMap<String, Settings>>,
    /// Rules with the same policies share one value.
    shared: RefCell<BTreeMap<Vec<ObjectRef>, Arc<Egress>>>,
}

/// Where a policy is asked for: one backend of one rule of one route under one listener of one Gateway.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) gateway: &'a ObjectRef,
    pub(super) listener: &'a str,
    pub(super) route: &'a ObjectRef,
    pub(super) rule: Option<&'a str>,
}

pub(super) fn compile(targets: Targets<'_>, log: &mut Log) -> Policies {
    let mut policies = Policies::default();
    policies.settings.insert(ResolverId::System, Arc::default());
    egress::compile(targets, &mut policies, log);
    resolver::compile(targets, &mut policies, log);
    listener::compile(targets, &mut policies, log);
    // First the one that goes before the other.
    backend_tls::compile(targets, &mut policies, log);
    backend_config::compile(targets, &mut policies, log);
    traffic::compile(targets, &mut policies, log);
    policies
}

impl Policies {
    /// Why a listener refuses everything.
    pub(super) fn broken_listener(
        &self,
        gateway: &ObjectRef,
        listener: &str,
    ) -> Option<&Misconfiguration> {
        self.broken(gateway, Some(listener))
    }

    /// Why a rule refuses everything.
    pub(super) fn broken_rule(
        &self,
        route: &ObjectRef,
        rule: Option<&str>,
    ) -> Option<&Misconfiguration> {
        self.broken(route, rule)
    }

    /// Why a Backend gets nothing.
    pub(super) fn broken_backend(&self, backend: &ObjectRef) -> Option<&Misconfiguration> {
        self.broken(backend, None)
    }

    fn broken(&self, object: &ObjectRef, section: Option<&str>) -> Option<&Misconfiguration> {
        let part = section.and_then(|section| self.broken.get(&Target::new(object, Some(section))));
        self.broken.get(&Target::new(object, None)).or(part)
    }

    /// What ListenerPolicies say about a listener.
    fn listener(&self, gateway: &ObjectRef, listener: &str) -> Option<&Settings> {
        self.listeners.get(gateway)?.get(listener)
    }

    /// Whether requests of a listener are logged.
    pub(super) fn access_log(&self, gateway: &ObjectRef, listener: &str) -> bool {
        !self
            .listener(gateway, listener)
            .is_some_and(|settings| settings.access_log_off)
    }

    /// What connections to a listener may do.
    pub(super) fn connection_limits(
        &self,
        gateway: &ObjectRef,
        listener: &str,
    ) -> ConnectionLimits {
        let settings = self.listener(gateway, listener);
        settings.map_or_else(ConnectionLimits::default, Settings::limits)
    }

    /// Whether connections to a listener begin with a PROXY protocol header.
    pub(super) fn proxy_protocol(&self, gateway: &ObjectRef, listener: &str) -> ProxyProtocol {
        let settings = self.listener(gateway, listener);
        settings
            .and_then(|settings| settings.proxy_protocol)
            .unwrap_or_default()
    }

    /// Whose certificates the clients of a listener may show, where a policy says so.
    pub(super) fn clients(&self, gateway: &ObjectRef, listener: &str) -> Option<&ClientValidation> {
        self.listener(gateway, listener)?.clients.as_deref()
    }

    /// The EgressPolicies of a place, widest first.
    pub(super) fn egress(&self, place: Place<'_>, backend: Option<&ObjectRef>) -> Arc<Egress> {
        let targets = [
            Some((place.gateway, None)),
            Some((place.gateway, Some(place.listener))),
            Some((place.route, None)),
            place.rule.map(|rule| (place.route, Some(rule))),
            backend.map(|backend| (backend, None)),
        ];
        let mut policies: Vec<Arc<EgressRules>> = Vec::new();
        for (object, section) in targets.into_iter().flatten() {
            for rules in self
                .egress
                .get(&Target::new(object, section))
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
            .or_insert_with(|| Arc::new(Egress { policies }))
            .clone()
    }

    /// Who resolves names for a Backend under a Gateway.
    pub(super) fn resolver(&self, gateway: &ObjectRef, backend: &ObjectRef) -> ResolverId {
        let policy = self
            .resolver
            .get(backend)
            .or_else(|| self.resolver.get(gateway));
        policy.cloned().unwrap_or(ResolverId::System)
    }

    /// How a Backend is connected to.
    pub(super) fn backend_settings(&self, backend: &ObjectRef) -> Arc<BackendSettings> {
        self.backend
            .get(backend)
            .map_or_else(Arc::default, Arc::clone)
    }

    /// The settings that hold for a rule: its own `retry` goes before that of a policy, a narrower policy before a wider
    /// one, and any TrafficPolicy before the `upgradeConfig` of the listener.
    pub(super) fn traffic(
        &self,
        place: Place<'_>,
        own_retry: Option<&Arc<RetryPolicy>>,
    ) -> TrafficSettings {
        let Place {
            gateway,
            listener,
            route,
            rule,
        } = place;
        let mut settings = TrafficSettings::default();
        if let Some(retry) = own_retry {
            settings.retry = Setting::Set(route.clone(), retry.clone());
        }
        let targets = [
            rule.map(|rule| (route, Some(rule))),
            Some((route, None)),
            Some((gateway, Some(listener))),
            Some((gateway, None)),
        ];
        for (object, section) in targets.into_iter().flatten() {
            if let Some(wider) = self.traffic.get(&Target::new(object, section)) {
                settings.merge(wider);
            }
        }
        if let Some(of_listener) = self.listener(gateway, listener) {
            settings.merge(&TrafficSettings {
                http_upgrade: of_listener.upgrades.clone(),
                ..TrafficSettings::default()
            });
        }
        settings
    }

    /// Reports of policies whose status tells the Gateways that they matter to: `uses` says which lead to a Backend.
    pub(super) fn report(
        &self,
        resources: &Resources,
        uses: &BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
        log: &mut Log,
    ) {
        backend_tls::report(&self.backend_tls_verdicts, resources, uses, log);
    }

    /// Every resolver that anybody may ask.
    pub(super) fn resolvers(&self) -> BTreeMap<ResolverId, Arc<ResolverSettings>> {
        self.settings.clone()
    }

    /// Refuses what a policy targets.
    fn refuse(&mut self, target: &Target, policy: &ObjectRef, message: &str) {
        let entry = self.broken.entry(target.clone());
        entry.or_insert_with(|| misconfiguration(policy, message));
    }
}
