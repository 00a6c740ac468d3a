//! Warnings about egress rules that never match inside a tunnel.
//!
//! Requests in a tunnel cannot be read, so that a rule with methods, with paths or with an expression that reads them never
//! matches them. Users should learn
//! that from the report, not from requests that got through.

use std::collections::{BTreeMap, BTreeSet};

use super::gateway::GatewayDraft;
use super::log::{FieldFault, ReportLog};
use crate::expression::RequestForm;
use crate::policy::egress::{EgressAction, EgressRule};
use crate::resources::{Kind, ObjectRef, Resources};
use crate::route::RouteEntry;
use crate::snapshot::{BackendDestination, RuleAction, WeightedBackend};

/// A rule of an EgressPolicy: the policy, and the index of the rule.
type RuleRef = (ObjectRef, usize);

/// The warning about a rule, and the places where the rule never matches.
struct UnenforceableRule {
    message: String,
    /// Routes, each with a listener.
    places: BTreeSet<String>,
}

/// Warns about every rule of an EgressPolicy that applies to tunnels and never matches inside one.
pub(super) fn report(resources: &Resources, gateways: &[GatewayDraft<'_>], log: &mut ReportLog) {
    let mut unenforceable: BTreeMap<RuleRef, UnenforceableRule> = BTreeMap::new();
    for gateway in gateways {
        for listener in &gateway.listeners {
            for (tunnel_form, entry, backend) in tunnels(&listener.entries) {
                let route = &entry.rule.route;
                let name = match tunnel_form {
                    RequestForm::Sni => "TLS",
                    _ => "CONNECT",
                };
                let place = format!(
                    "{name} of {route} at {}#{}",
                    listener.owner.object,
                    listener.name()
                );
                record(backend, tunnel_form, &place, &mut unenforceable);
            }
        }
    }
    for ((policy, index), UnenforceableRule { message, places }) in unenforceable {
        let Some(object) = resources.egress_policies.get(&policy) else {
            continue;
        };
        let places: Vec<String> = places.into_iter().collect();
        let message = format!("{message}: {}", places.join(", "));
        let fault = FieldFault::new(format!("spec.rules[{index}]"), message);
        log.warn(&policy, &object.source, &fault);
    }
}

/// The entries and backends that tunnels lead to, each with the kind of tunnel.
fn tunnels(
    entries: &[RouteEntry],
) -> impl Iterator<Item = (RequestForm, &RouteEntry, &WeightedBackend)> + use<'_> {
    entries.iter().flat_map(|entry| {
        let backends = match &entry.rule.action {
            RuleAction::Forward(backends) => backends.backends.as_slice(),
            RuleAction::Redirect(_) | RuleAction::Respond(_) | RuleAction::Refuse(_) => &[],
        };
        let tunnel = move |backend: &'_ WeightedBackend| tunnel_form(entry, &backend.destination);
        backends
            .iter()
            .filter_map(move |backend| Some((tunnel(backend)?, entry, backend)))
    })
}

fn tunnel_form(entry: &RouteEntry, destination: &BackendDestination) -> Option<RequestForm> {
    let rule = &entry.rule;
    match destination {
        BackendDestination::Refuse(_) => None,
        _ if rule.route.kind == Kind::TlsRoute => Some(RequestForm::Sni),
        BackendDestination::Dynamic(_)
            if rule.policies.upgrades().connect && entry.matches.matches_connect() =>
        {
            Some(RequestForm::Connect)
        }
        BackendDestination::Dynamic(_)
        | BackendDestination::Static(_)
        | BackendDestination::Service(_) => None,
    }
}

fn record(
    backend: &WeightedBackend,
    form: RequestForm,
    place: &str,
    unenforceable: &mut BTreeMap<RuleRef, UnenforceableRule>,
) {
    for rules in &backend.egress.policies {
        for (index, rule) in rules.rules.iter().enumerate() {
            if let Some(message) = message(rule, form) {
                let key = (rules.policy.clone(), index);
                let unenforceable = unenforceable
                    .entry(key)
                    .or_insert_with(|| UnenforceableRule {
                        message,
                        places: BTreeSet::new(),
                    });
                unenforceable.places.insert(place.to_owned());
            }
        }
    }
}

/// The warning about a rule that never matches inside a tunnel; `None` for other rules.
fn message(rule: &EgressRule, form: RequestForm) -> Option<String> {
    let when = rule.when.as_ref();
    let is_hidden = when.is_some_and(|when| when.inputs().are_hidden(form));
    let conditions = match (rule.methods.is_empty(), rule.paths.is_empty()) {
        (true, true) if is_hidden => "an expression that reads what a tunnel hides",
        (true, true) => return None,
        (false, true) => "methods",
        (true, false) => "paths",
        (false, false) => "methods and paths",
    };
    let name = &rule.name;
    let consequence = match rule.action {
        EgressAction::Allow => "",
        EgressAction::Deny => {
            ", so that what it denies passes (deny it by host or port, or disable CONNECT by httpUpgrade)"
        }
    };
    Some(format!(
        "rule {name} has {conditions}, and never matches inside a tunnel{consequence}"
    ))
}
