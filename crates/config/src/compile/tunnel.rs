//! What policies say that cannot hold inside a tunnel. What is sent through one cannot be read, so that a rule that asks
//! for a method or a path never matches there. Who wrote it should know at load, and not from what got through.

use std::collections::{BTreeMap, BTreeSet};

use super::gateway::GatewayDraft;
use super::log::{Fault, Log};
use crate::policy::egress::{Action as Verdict, EgressRule};
use crate::resources::{Kind, ObjectRef, Resources};
use crate::route::Entry;
use crate::snapshot::{Action, Destination, WeightedBackend};

/// A rule of an EgressPolicy, by its place in it.
type RuleRef = (ObjectRef, usize);

/// Where a rule does not hold, and why.
struct Blind {
    message: String,
    /// Routes, each under a listener.
    places: BTreeSet<String>,
}

/// Warns of every rule of an EgressPolicy that is asked about tunnels and cannot judge them.
pub(super) fn report(resources: &Resources, gateways: &[GatewayDraft<'_>], log: &mut Log) {
    let mut blind: BTreeMap<RuleRef, Blind> = BTreeMap::new();
    for gateway in gateways {
        for listener in &gateway.listeners {
            for (form, entry, backend) in tunnels(&listener.entries) {
                let route = &entry.rule.route;
                let place = format!(
                    "{form} of {route} at {}#{}",
                    gateway.reference,
                    listener.name()
                );
                note(backend, &place, &mut blind);
            }
        }
    }
    for ((policy, index), Blind { message, places }) in blind {
        let Some(object) = resources.egress_policies.get(&policy) else {
            continue;
        };
        let places: Vec<String> = places.into_iter().collect();
        let message = format!("{message}: {}", places.join(", "));
        let fault = Fault::new(format!("spec.rules[{index}]"), message);
        log.warn(&policy, &object.source, &fault);
    }
}

/// What becomes a tunnel, with what makes one.
fn tunnels(
    entries: &[Entry],
) -> impl Iterator<Item = (&'static str, &Entry, &WeightedBackend)> + use<'_> {
    entries.iter().flat_map(|entry| {
        let backends = match &entry.rule.action {
            Action::Forward(backends) => backends.backends.as_slice(),
            Action::Redirect(_) | Action::Respond(_) | Action::Refuse(_) => &[],
        };
        let tunnel = move |backend: &'_ WeightedBackend| form(entry, &backend.destination);
        backends
            .iter()
            .filter_map(move |backend| Some((tunnel(backend)?, entry, backend)))
    })
}

fn form(entry: &Entry, destination: &Destination) -> Option<&'static str> {
    let rule = &entry.rule;
    match destination {
        Destination::Refuse(_) => None,
        _ if rule.route.kind == Kind::TlsRoute => Some("TLS passthrough"),
        Destination::Dynamic(_)
            if rule.policies.upgrades().connect && entry.matches.takes_connect() =>
        {
            Some("CONNECT")
        }
        Destination::Dynamic(_) | Destination::Static(_) => None,
    }
}

fn note(backend: &WeightedBackend, place: &str, blind: &mut BTreeMap<RuleRef, Blind>) {
    for rules in &backend.egress.policies {
        for (index, rule) in rules.rules.iter().enumerate() {
            if let Some(message) = message(rule) {
                let key = (rules.policy.clone(), index);
                let blind = blind.entry(key).or_insert_with(|| Blind {
                    message,
                    places: BTreeSet::new(),
                });
                blind.places.insert(place.to_owned());
            }
        }
    }
}

/// Why a rule never matches inside a tunnel; `None` if it may.
fn message(rule: &EgressRule) -> Option<String> {
    let has = match (rule.methods.is_empty(), rule.paths.is_empty()) {
        (true, true) => return None,
        (false, true) => "methods",
        (true, false) => "paths",
        (false, false) => "methods and paths",
    };
    let name = &rule.name;
    let so = match rule.action {
        Verdict::Allow => "",
        Verdict::Deny => {
            ", where what it denies passes (deny it by host or port, or take CONNECT off by httpUpgrade)"
        }
    };
    Some(format!(
        "rule {name} has {has}, and never matches inside a tunnel{so}"
    ))
}
