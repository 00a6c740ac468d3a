//! Which objects of a cluster are kept. What only others need is dropped when it arrives, so that the memory of a proxy
//! is that of its own Gateway.

use egret_config::resources::{GATEWAY_GROUP, Kind, ObjectRef};
use kube::api::DynamicObject;
use serde_json::Value;

/// The objects that a reader reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadScope {
    /// What one Gateway is served by; Secrets and ConfigMaps only by the references to them.
    Gateway(ObjectRef),
    /// Everything, with the objects as they are, for whoever writes their statuses.
    All,
}

/// What becomes of an object that arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Intake {
    /// It is kept. If it is a policy, these are the objects that it names as its targets.
    Keep(Vec<ObjectRef>),
    /// It is for others.
    Elsewhere,
}

impl ReadScope {
    /// Whether the Secrets and ConfigMaps are read that objects refer to, and no others.
    pub(super) fn follows_references(&self) -> bool {
        matches!(self, Self::Gateway(_))
    }

    pub(super) fn intake(&self, reference: &ObjectRef, object: &DynamicObject) -> Intake {
        let Self::Gateway(gateway) = self else {
            return Intake::Keep(Vec::new());
        };
        let spec = &object.data["spec"];
        match reference.kind {
            Kind::Gateway if reference != gateway => Intake::Elsewhere,
            Kind::HttpRoute | Kind::GrpcRoute | Kind::TlsRoute
                if !has_parent(spec, reference, gateway) =>
            {
                Intake::Elsewhere
            }
            Kind::EgressPolicy
            | Kind::ResolverPolicy
            | Kind::TrafficPolicy
            | Kind::ListenerPolicy
            | Kind::HttpListenerPolicy
            | Kind::BackendConfigPolicy
            | Kind::BackendTlsPolicy => of_policy(spec, reference, gateway),
            _ => Intake::Keep(Vec::new()),
        }
    }
}

/// Whether a route may be attached to the Gateway: it names it, or a ListenerSet, which may be of the Gateway. A list that
/// cannot be read is judged by whoever reads the whole object.
fn has_parent(spec: &Value, route: &ObjectRef, gateway: &ObjectRef) -> bool {
    let Some(parents) = spec["parentRefs"].as_array() else {
        return !spec["parentRefs"].is_null();
    };
    parents.iter().any(|parent| {
        let kind = parent["kind"].as_str().unwrap_or("Gateway");
        let namespace = parent["namespace"].as_str().unwrap_or(&route.namespace);
        kind != "Gateway"
            || parent["name"].as_str() == Some(&*gateway.name) && namespace == &*gateway.namespace
    })
}

/// A policy for other Gateways alone is for others.
fn of_policy(spec: &Value, policy: &ObjectRef, gateway: &ObjectRef) -> Intake {
    let selects = spec["targetSelectors"].as_array();
    let refs = spec["targetRefs"].as_array();
    let (Some(refs), true) = (refs, selects.is_none_or(Vec::is_empty)) else {
        return Intake::Keep(Vec::new());
    };
    let mut targets = Vec::new();
    for target in refs {
        let group = target["group"].as_str().unwrap_or(GATEWAY_GROUP);
        let kind = target["kind"].as_str().unwrap_or_default();
        let (Some(kind), Some(name)) = (Kind::find(group, kind), target["name"].as_str()) else {
            return Intake::Keep(Vec::new());
        };
        targets.push(ObjectRef::new(kind, &policy.namespace, name));
    }
    let is_of_other = |target: &ObjectRef| target.kind == Kind::Gateway && target != gateway;
    match !targets.is_empty() && targets.iter().all(is_of_other) {
        true => Intake::Elsewhere,
        false => Intake::Keep(targets),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn intake(kind: Kind, spec: Value) -> Intake {
        let gateway = ObjectRef::new(Kind::Gateway, "infra", "http");
        let object = json!({"metadata": {"namespace": "infra", "name": "o"}, "spec": spec});
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let reference = ObjectRef::new(kind, "infra", "o");
        ReadScope::Gateway(gateway).intake(&reference, &object)
    }

    #[test]
    fn routes_are_kept_by_their_parents() {
        for (spec, is_kept) in [
            (json!({"parentRefs": [{"name": "http"}]}), true),
            (
                json!({"parentRefs": [{"name": "http", "namespace": "infra", "port": 80}]}),
                true,
            ),
            (
                json!({"parentRefs": [{"name": "other"}, {"name": "http"}]}),
                true,
            ),
            (
                json!({"parentRefs": [{"kind": "ListenerSet", "name": "l"}]}),
                true,
            ),
            (json!({"parentRefs": "http"}), true),
            (
                json!({"parentRefs": [{"name": "http", "namespace": "apps"}]}),
                false,
            ),
            (json!({"parentRefs": [{"name": "other"}]}), false),
            (json!({"parentRefs": []}), false),
            (json!({}), false),
        ] {
            for kind in [Kind::HttpRoute, Kind::GrpcRoute, Kind::TlsRoute] {
                let intake = intake(kind, spec.clone());
                assert_eq!(intake == Intake::Keep(Vec::new()), is_kept, "{spec}");
            }
        }
    }

    #[test]
    fn policies_are_dropped_if_they_name_other_gateways_alone() {
        let target =
            |kind: &str, name: &str| json!({"group": GATEWAY_GROUP, "kind": kind, "name": name});
        let ours = ObjectRef::new(Kind::Gateway, "infra", "http");
        let route = ObjectRef::new(Kind::HttpRoute, "infra", "r");
        let other = ObjectRef::new(Kind::Gateway, "infra", "other");
        for (spec, expected) in [
            (
                json!({"targetRefs": [target("Gateway", "http")]}),
                Some(vec![ours]),
            ),
            (
                json!({"targetRefs": [target("Gateway", "other"), target("HTTPRoute", "r")]}),
                Some(vec![other, route]),
            ),
            (json!({"targetRefs": [target("Gateway", "other")]}), None),
            (
                json!({"targetRefs": [target("Gateway", "other")], "targetSelectors": [{}]}),
                Some(vec![]),
            ),
            (
                json!({"targetRefs": [target("Gatewy", "other")]}),
                Some(vec![]),
            ),
            (json!({"targetRefs": 1}), Some(vec![])),
            (json!({}), Some(vec![])),
        ] {
            let expected = expected.map_or(Intake::Elsewhere, Intake::Keep);
            assert_eq!(intake(Kind::EgressPolicy, spec.clone()), expected, "{spec}");
        }
        assert_eq!(intake(Kind::Gateway, json!({})), Intake::Elsewhere);
        assert_eq!(intake(Kind::Backend, json!({})), Intake::Keep(Vec::new()));
    }
}
