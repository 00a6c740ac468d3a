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
    /// It is kept, and names these.
    Keep(NamedObjects),
    /// It is for others.
    Elsewhere,
}

/// The objects that an object names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NamedObjects {
    /// The targets of a policy.
    pub(super) targets: Vec<ObjectRef>,
    /// The Services to which requests go.
    pub(super) services: Vec<ObjectRef>,
}

impl ReadScope {
    /// Whether the Secrets, ConfigMaps and Services are read that objects refer to, and no others.
    pub(super) fn follows_references(&self) -> bool {
        matches!(self, Self::Gateway(_))
    }

    pub(super) fn intake(&self, reference: &ObjectRef, object: &DynamicObject) -> Intake {
        let Self::Gateway(gateway) = self else {
            return Intake::Keep(NamedObjects::default());
        };
        let spec = &object.data["spec"];
        let mut named = NamedObjects::default();
        match reference.kind {
            Kind::Gateway if reference != gateway => return Intake::Elsewhere,
            Kind::ListenerSet if !is_of(&spec["parentRef"], reference, gateway) => {
                return Intake::Elsewhere;
            }
            Kind::HttpRoute | Kind::GrpcRoute | Kind::TlsRoute
                if !has_parent(spec, reference, gateway) =>
            {
                return Intake::Elsewhere;
            }
            Kind::EgressPolicy
            | Kind::ResolverPolicy
            | Kind::TrafficPolicy
            | Kind::ListenerPolicy
            | Kind::HttpListenerPolicy
            | Kind::BackendConfigPolicy
            | Kind::BackendTlsPolicy
            | Kind::XBackendTrafficPolicy => match targets(spec, reference, gateway) {
                Some(targets) => named.targets = targets,
                None => return Intake::Elsewhere,
            },
            _ => {}
        }
        services(spec, reference, &mut named.services);
        Intake::Keep(named)
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
        kind != "Gateway" || is_of(parent, route, gateway)
    })
}

/// Whether a reference of an object to a Gateway is to this one.
fn is_of(parent: &Value, object: &ObjectRef, gateway: &ObjectRef) -> bool {
    let namespace = parent["namespace"].as_str().unwrap_or(&object.namespace);
    parent["name"].as_str() == Some(&*gateway.name) && namespace == &*gateway.namespace
}

/// The targets that a policy names; `None` if they are other Gateways alone.
fn targets(spec: &Value, policy: &ObjectRef, gateway: &ObjectRef) -> Option<Vec<ObjectRef>> {
    let selects = spec["targetSelectors"].as_array();
    let refs = spec["targetRefs"].as_array();
    let (Some(refs), true) = (refs, selects.is_none_or(Vec::is_empty)) else {
        return Some(Vec::new());
    };
    let mut targets = Vec::new();
    for target in refs {
        let group = target["group"].as_str().unwrap_or(GATEWAY_GROUP);
        let kind = target["kind"].as_str().unwrap_or_default();
        let (Some(kind), Some(name)) = (Kind::find(group, kind), target["name"].as_str()) else {
            return Some(Vec::new());
        };
        targets.push(ObjectRef::new(kind, &policy.namespace, name));
    }
    let is_of_other = |target: &ObjectRef| target.kind == Kind::Gateway && target != gateway;
    let is_for_others = !targets.is_empty() && targets.iter().all(is_of_other);
    (!is_for_others).then_some(targets)
}

/// Adds the Services to which an object sends requests, wherever in it they are named.
fn services(value: &Value, from: &ObjectRef, found: &mut Vec<ObjectRef>) {
    let (fields, items) = (value.as_object(), value.as_array());
    for (field, value) in fields.into_iter().flatten() {
        match field.as_str() {
            "backendRef" => found.extend(service(value, from)),
            "backendRefs" => {
                let refs = value.as_array().into_iter().flatten();
                found.extend(refs.filter_map(|reference| service(reference, from)));
            }
            _ => {}
        }
        services(value, from, found);
    }
    for item in items.into_iter().flatten() {
        services(item, from, found);
    }
}

fn service(reference: &Value, from: &ObjectRef) -> Option<ObjectRef> {
    let group = reference["group"].as_str().unwrap_or_default();
    let kind = reference["kind"].as_str().unwrap_or("Service");
    let is_service = Kind::find(group, kind) == Some(Kind::Service);
    let namespace = reference["namespace"].as_str().unwrap_or(&from.namespace);
    let name = reference["name"].as_str().filter(|_| is_service)?;
    Some(ObjectRef::new(Kind::Service, namespace, name))
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
                assert_eq!(intake != Intake::Elsewhere, is_kept, "{spec}");
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
            let keep = |targets| {
                Intake::Keep(NamedObjects {
                    targets,
                    ..NamedObjects::default()
                })
            };
            let expected = expected.map_or(Intake::Elsewhere, keep);
            assert_eq!(intake(Kind::EgressPolicy, spec.clone()), expected, "{spec}");
        }
        assert_eq!(intake(Kind::Gateway, json!({})), Intake::Elsewhere);
        for (parent, is_kept) in [
            (json!({"name": "http"}), true),
            (json!({"name": "http", "namespace": "infra"}), true),
            (json!({"name": "http", "namespace": "apps"}), false),
            (json!({"name": "other"}), false),
        ] {
            let intake = intake(Kind::ListenerSet, json!({"parentRef": parent}));
            assert_eq!(intake != Intake::Elsewhere, is_kept);
        }
        let backend = intake(Kind::Backend, json!({}));
        assert_eq!(backend, Intake::Keep(NamedObjects::default()));
    }

    #[test]
    fn services_are_found_wherever_requests_are_sent_to_them() {
        let spec = json!({
            "parentRefs": [{"name": "http"}],
            "rules": [{
                "backendRefs": [
                    {"name": "a"},
                    {"name": "b", "namespace": "apps", "kind": "Service", "group": ""},
                    {"name": "c", "kind": "Backend", "group": "gateway.kgateway.dev",
                     "filters": [{"requestMirror": {"backendRef": {"name": "d"}}}]},
                ],
                "filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "e"}}}],
            }],
        });
        let Intake::Keep(named) = intake(Kind::HttpRoute, spec) else {
            panic!("the route is kept");
        };
        let mut services: Vec<String> = named.services.iter().map(ToString::to_string).collect();
        services.sort();
        let expected = ["apps/b", "infra/a", "infra/d", "infra/e"];
        assert_eq!(services, expected.map(|name| format!("Service {name}")));
    }
}
