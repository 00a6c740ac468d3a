//! The TrafficPolicies that rules name by filters of type `ExtensionRef`.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::traffic::TrafficSettings;
use crate::resources::{Kind, ObjectRef, Resources};
use crate::snapshot::Misconfiguration;

/// A TrafficPolicy that filters name.
#[derive(Debug)]
pub(super) struct NamedPolicy {
    /// Its settings, or what is wrong with it.
    pub(super) settings: Result<TrafficSettings, Misconfiguration>,
    /// The routes with the filters.
    pub(super) routes: BTreeSet<ObjectRef>,
}

/// The routes that name each TrafficPolicy by a filter. A policy has to be in the namespace of its route.
pub(super) fn named_policies(resources: &Resources) -> BTreeMap<ObjectRef, BTreeSet<ObjectRef>> {
    let mut named: BTreeMap<ObjectRef, BTreeSet<ObjectRef>> = BTreeMap::new();
    let mut add = |route: &ObjectRef, group: &str, kind: &str, name: &str| {
        if Kind::find(group, kind) == Some(Kind::TrafficPolicy) {
            let policy = ObjectRef::new(Kind::TrafficPolicy, &route.namespace, name);
            named.entry(policy).or_default().insert(route.clone());
        }
    };
    for (route, object) in &resources.http_routes {
        let rules = object.value.spec.rules.iter().flatten();
        let filters = rules.flat_map(|rule| rule.filters.iter().flatten());
        for extension in filters.filter_map(|filter| filter.extension_ref.as_ref()) {
            add(route, &extension.group, &extension.kind, &extension.name);
        }
    }
    for (route, object) in &resources.grpc_routes {
        let rules = object.value.spec.rules.iter().flatten();
        let filters = rules.flat_map(|rule| rule.filters.iter().flatten());
        for extension in filters.filter_map(|filter| filter.extension_ref.as_ref()) {
            add(route, &extension.group, &extension.kind, &extension.name);
        }
    }
    named
}
