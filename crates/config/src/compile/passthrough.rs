//! TrafficPolicies at rules of TLSRoutes.
//!
//! Of the connections of a TLSRoute no request is read, whether TLS is passed through or terminated. If a policy protects a rule in a way that cannot be enforced, the rule
//! refuses every connection, and the report names the policy and the place.

use std::collections::{BTreeMap, BTreeSet};

use super::gateway::GatewayDraft;
use super::log::{FieldFault, ReportLog, misconfiguration};
use crate::policy::traffic::{InTunnel, StatedField, TrafficSettings};
use crate::resources::{Kind, ObjectRef, Resources};
use crate::snapshot::Misconfiguration;

const NO_CREDENTIALS: &str = "credentials cannot be read in the connections of a TLSRoute";
const NO_EFFECT: &str = "has no effect on the connections of a TLSRoute";

/// Fields of policies, each with the places where it meets TLSRoutes.
type PlacesByField<'a> = BTreeMap<(&'a ObjectRef, &'static str), BTreeSet<String>>;

/// The reason why a rule refuses every connection, if a policy that protects it cannot be enforced.
pub(super) fn refusal(route: &ObjectRef, settings: &TrafficSettings) -> Option<Misconfiguration> {
    if route.kind != Kind::TlsRoute {
        return None;
    }
    let field = fields(settings, InTunnel::RefuseRule).next()?;
    Some(misconfiguration(field.policy, NO_CREDENTIALS))
}

/// Reports every policy that has no effect on TLSRoutes, or makes rules refuse there.
pub(super) fn report(resources: &Resources, gateways: &[GatewayDraft<'_>], log: &mut ReportLog) {
    for ((policy, name), places) in places(gateways, InTunnel::RefuseRule) {
        let message = format!(
            "{NO_CREDENTIALS}; it is refused unless the listener has a policy that disables this: {}",
            join(places)
        );
        if let Some(object) = resources.traffic_policies.get(policy) {
            let fault = FieldFault::reference(format!("spec.{name}"), message);
            log.problems(policy, &object.source, [&fault]);
        }
    }
    for ((policy, name), places) in places(gateways, InTunnel::WarnOnly) {
        let message = format!("{NO_EFFECT}: {}", join(places));
        if let Some(object) = resources.traffic_policies.get(policy) {
            let fault = FieldFault::new(format!("spec.{name}"), message);
            log.warn(policy, &object.source, &fault);
        }
    }
}

fn places<'a>(gateways: &'a [GatewayDraft<'_>], in_tunnel: InTunnel) -> PlacesByField<'a> {
    let mut places = PlacesByField::new();
    for gateway in gateways {
        for listener in &gateway.listeners {
            let rules = listener.entries.iter().map(|entry| &entry.rule);
            for rule in rules.filter(|rule| rule.route.kind == Kind::TlsRoute) {
                for StatedField { policy, name, .. } in fields(&rule.policies, in_tunnel) {
                    let route = &rule.route;
                    let place = format!("{route} at {}#{}", listener.owner.object, listener.name());
                    places.entry((policy, name)).or_default().insert(place);
                }
            }
        }
    }
    places
}

/// The fields that are set and have this meaning in a tunnel.
fn fields(
    settings: &TrafficSettings,
    in_tunnel: InTunnel,
) -> impl Iterator<Item = StatedField<'_>> {
    let stated = settings.stated();
    stated.filter(move |field| field.in_tunnel == in_tunnel && !field.is_disabled)
}

fn join(places: BTreeSet<String>) -> String {
    let places: Vec<String> = places.into_iter().collect();
    places.join(", ")
}
