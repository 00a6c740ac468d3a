//! Warnings about what is served as a whole: an open proxy, policies that together leave nothing, and addresses that are
//! allowed and stay denied.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::log::{FieldFault, ReportLog};
use crate::name::HostMatcher;
use crate::policy::egress::{EgressAction, EgressMode, EgressRule, EgressRules, special};
use crate::resources::{ObjectRef, Resources};
use crate::rule::{BackendDestination, RouteFilters, RouteRule, RuleAction, WeightedBackend};
use crate::snapshot::{BindAddress, Listener, ListenerSocket, ValidationMode};

pub(super) fn report(
    resources: &Resources,
    sockets: &BTreeMap<BindAddress, ListenerSocket>,
    log: &mut ReportLog,
) {
    let mut open: BTreeSet<(&ObjectRef, &ObjectRef, &str)> = BTreeSet::new();
    let mut nothing: BTreeMap<(&ObjectRef, &ObjectRef), &ObjectRef> = BTreeMap::new();
    let mut closed: BTreeMap<(&ObjectRef, usize, usize), &'static str> = BTreeMap::new();
    for (bind, socket) in sockets {
        for listener in &socket.listeners {
            let rules = listener.routes.rules().map(|(_, rule)| rule);
            for rule in rules {
                if is_open(*bind, listener, rule) {
                    open.insert(listener.identity());
                }
                for backend in backends(rule) {
                    for (policy, other) in exclusive(&backend.egress.policies) {
                        nothing.entry((policy, other)).or_insert(&rule.route);
                    }
                    closed.extend(still_denied(&backend.egress.policies));
                }
            }
        }
    }
    for (_, owner, listener) in open {
        warn_open(resources, owner, listener, log);
    }
    for ((policy, other), route) in nothing {
        if let Some(object) = resources.egress_policies.get(policy) {
            let message = format!(
                "{other} denies by default too, and neither allows what the other allows: nothing is left for {route}"
            );
            let warning = FieldFault::new("spec.defaultAction", message);
            log.warn(policy, &object.source, &warning);
        }
    }
    for ((policy, rule, host), class) in closed {
        if let Some(object) = resources.egress_policies.get(policy) {
            let field = format!("spec.rules[{rule}].hosts[{host}]");
            let message = format!(
                "such an address is {class} and stays denied: addresses.allow of an EgressPolicy on the Gateway opens it"
            );
            log.warn(policy, &object.source, &FieldFault::new(field, message));
        }
    }
}

fn warn_open(resources: &Resources, owner: &ObjectRef, name: &str, log: &mut ReportLog) {
    let Some((index, source)) = resources.listener(owner, name) else {
        return;
    };
    let field = format!("spec.listeners[{index}]");
    let message = "an open proxy: it listens on every address, and whoever reaches it may go to any public \
                   host; an EgressPolicy limits where, basicAuth, apiKeyAuth or client certificates limit who, \
                   and spec.addresses limits from where";
    log.warn(owner, source, &FieldFault::new(field, message));
}

/// Whether anybody may go anywhere by a rule.
fn is_open(bind: BindAddress, listener: &Listener, rule: &RouteRule) -> bool {
    let clients = listener.protocol.server_tls();
    let clients = clients.and_then(|tls| tls.clients.as_ref());
    let asks_for_certificates =
        clients.is_some_and(|clients| clients.mode == ValidationMode::Required);
    let policies = &rule.policies;
    let asks_for_credentials = policies.basic_auth.value().is_some()
        || policies.api_key_auth.value().is_some()
        || policies.ext_auth.value().is_some()
        || policies
            .jwt_auth
            .value()
            .is_some_and(|jwt| !jwt.allows_missing);
    let goes_anywhere = |backend: &WeightedBackend| {
        let is_dynamic = matches!(backend.destination, BackendDestination::Dynamic(_));
        is_dynamic && backend.egress.policies.is_empty() && !names_host(&backend.filters)
    };
    bind.ip.is_none_or(|ip: IpAddr| ip.is_unspecified())
        && listener.refuse.is_none()
        && !asks_for_certificates
        && !asks_for_credentials
        && !names_host(&rule.filters)
        && backends(rule).iter().any(goes_anywhere)
}

/// Whether filters decide the host.
fn names_host(filters: &RouteFilters) -> bool {
    let rewrite = filters.rewrite.as_ref();
    rewrite.is_some_and(|rewrite| rewrite.host.is_some())
}

fn backends(rule: &RouteRule) -> &[WeightedBackend] {
    match &rule.action {
        RuleAction::Forward(backends) => &backends.backends,
        RuleAction::Redirect(_) | RuleAction::Respond(_) | RuleAction::Refuse(_) => &[],
    }
}

/// The pairs of policies that deny by default and allow nothing in common; the narrower one first.
fn exclusive(policies: &[Arc<EgressRules>]) -> Vec<(&ObjectRef, &ObjectRef)> {
    let lists: Vec<_> = policies
        .iter()
        .filter(|rules| is_allow_list(rules))
        .collect();
    let mut pairs = Vec::new();
    for (index, narrower) in lists.iter().enumerate() {
        for wider in &lists[..index] {
            let mut allowed = allow_rules(narrower);
            if !allowed.any(|a| allow_rules(wider).any(|b| overlap(a, b))) {
                pairs.push((&narrower.policy, &wider.policy));
            }
        }
    }
    pairs
}

/// The networks that rules allow to be named and the built-in list denies, by policy, rule and host, with their classes.
/// Exceptions of rules are for names, and do not open them.
fn still_denied(
    policies: &[Arc<EgressRules>],
) -> impl Iterator<Item = ((&ObjectRef, usize, usize), &'static str)> {
    let enforced = policies
        .iter()
        .filter(|rules| rules.mode == EgressMode::Enforce);
    let opened: Vec<IpNet> = enforced
        .flat_map(|rules| rules.allow_addresses.iter().map(|exception| exception.net))
        .collect();
    let rules = policies.iter().flat_map(|policy| {
        let rules = policy.rules.iter().enumerate();
        rules.map(move |(index, rule)| (&policy.policy, index, rule))
    });
    let allowing = rules.filter(|(_, _, rule)| rule.action == EgressAction::Allow);
    let hosts = allowing.flat_map(|(policy, index, rule)| {
        let hosts = rule.hosts.iter().enumerate();
        hosts.map(move |(at, host)| ((policy, index, at), host))
    });
    hosts.filter_map(move |(place, host)| {
        let HostMatcher::Net(net) = host else {
            return None;
        };
        let is_opened = opened
            .iter()
            .any(|open| open.contains(net) || net.contains(open));
        let class = special::class(net.network())?;
        let is_whole = special::class(net.broadcast()) == Some(class);
        // Nobody has the addresses of examples.
        let is_example = class == "documentation";
        (is_whole && !is_opened && !is_example).then_some((place, class))
    })
}

/// Whether a policy denies by default and allows something.
fn is_allow_list(rules: &EgressRules) -> bool {
    rules.mode == EgressMode::Enforce
        && rules.default_action == EgressAction::Deny
        && allow_rules(rules).next().is_some()
}

fn allow_rules(rules: &EgressRules) -> impl Iterator<Item = &EgressRule> {
    let rules = rules.rules.iter();
    rules.filter(|rule| rule.action == EgressAction::Allow)
}

/// Whether there may be a request that both rules match, by host and port.
fn overlap(a: &EgressRule, b: &EgressRule) -> bool {
    overlap_lists(&a.hosts, &b.hosts, overlap_hosts)
        && overlap_lists(&a.ports, &b.ports, |a, b| {
            a.first <= b.last && b.first <= a.last
        })
}

/// Whether two conditions may hold at once; an empty one always holds.
fn overlap_lists<T>(a: &[T], b: &[T], overlap: impl Fn(&T, &T) -> bool) -> bool {
    a.is_empty() || b.is_empty() || a.iter().any(|a| b.iter().any(|b| overlap(a, b)))
}

fn overlap_hosts(a: &HostMatcher, b: &HostMatcher) -> bool {
    match (a, b) {
        (HostMatcher::Name(a), HostMatcher::Name(b)) => a.intersection(b).is_some(),
        (HostMatcher::Net(a), HostMatcher::Net(b)) => a.contains(b) || b.contains(a),
        (HostMatcher::Name(_), HostMatcher::Net(_))
        | (HostMatcher::Net(_), HostMatcher::Name(_)) => false,
    }
}
