//! Authentication where nobody can be authenticated: in TLS that is passed on there are no credentials to read. Its
//! rules refuse then, and the policy that asks for them is told where.

use std::collections::{BTreeMap, BTreeSet};

use super::gateway::GatewayDraft;
use super::log::{Fault, Log, misconfiguration};
use crate::policy::authentication::Authentication;
use crate::resources::{Kind, ObjectRef, Resources};
use crate::snapshot::Misconfiguration;

const MESSAGE: &str = "no credentials can be read in TLS that is passed on";

/// Why a rule of a route refuses, if it is asked for credentials that it cannot have.
pub(super) fn refusal(
    route: &ObjectRef,
    asked: Option<&Authentication>,
) -> Option<Misconfiguration> {
    let asked = asked.filter(|_| route.kind == Kind::TlsRoute)?;
    let (_, policy) = demands(asked).next()?;
    Some(misconfiguration(policy, MESSAGE))
}

/// Tells every policy where it is asked in vain.
pub(super) fn report(resources: &Resources, gateways: &[GatewayDraft<'_>], log: &mut Log) {
    let mut places: BTreeMap<(&ObjectRef, &str), BTreeSet<String>> = BTreeMap::new();
    for gateway in gateways {
        for listener in &gateway.listeners {
            for entry in &listener.entries {
                let route = &entry.rule.route;
                let asked = entry.rule.authentication.as_deref();
                let asked = asked.filter(|_| route.kind == Kind::TlsRoute);
                for (field, policy) in asked.into_iter().flat_map(demands) {
                    let place = format!("{route} at {}#{}", gateway.reference, listener.name());
                    places.entry((policy, field)).or_default().insert(place);
                }
            }
        }
    }
    for ((policy, field), places) in places {
        let Some(object) = resources.traffic_policies.get(policy) else {
            continue;
        };
        let places: Vec<String> = places.into_iter().collect();
        let message = format!(
            "{MESSAGE}; it is refused unless the listener has a policy that disables this: {}",
            places.join(", ")
        );
        log.problems(policy, &object.source, [&Fault::new(field, message)]);
    }
}

/// The policies that ask, each with the field that does.
fn demands(asked: &Authentication) -> impl Iterator<Item = (&'static str, &ObjectRef)> {
    let basic = asked.basic.iter();
    let basic = basic.map(|basic| ("spec.basicAuth", &basic.policy));
    let keys = asked.keys.iter();
    basic.chain(keys.map(|keys| ("spec.apiKeyAuth", &keys.policy)))
}
