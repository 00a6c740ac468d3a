//! Objects that were made for a Gateway and are not wanted any more.

use std::collections::{BTreeMap, BTreeSet};

use egret_config::resources::ObjectRef;
use kube::core::DynamicObject;

use super::ledger::{ChildKey, GatewayObjects, LiveObjects};
use super::metadata::{GATEWAY_LABEL, NAMESPACE_LABEL, is_of_controller};
use super::name;

/// The objects to delete. `gateways` are all that the controller serves; of those whose objects cannot be made now, or
/// are made by somebody else, nothing is deleted.
pub(super) fn objects<'a>(
    gateways: &[GatewayObjects],
    live: &'a LiveObjects,
    controller_name: &str,
) -> Vec<(&'a ChildKey, &'a DynamicObject)> {
    let mut wanted = BTreeSet::new();
    let mut settled: BTreeMap<(&str, String), bool> = BTreeMap::new();
    for gateway in gateways {
        let objects = gateway.objects.as_deref().unwrap_or_default();
        wanted.extend(objects.iter().map(|object| &object.key));
        settled.insert(place(&gateway.gateway), !objects.is_empty());
    }
    let is_obsolete = |key: &ChildKey, object: &DynamicObject| {
        if wanted.contains(key) || object.metadata.deletion_timestamp.is_some() {
            return false;
        }
        let label = |name: &str| {
            let labels = object.metadata.labels.as_ref();
            labels.and_then(|labels| labels.get(name)).cloned()
        };
        let Some(gateway) = label(GATEWAY_LABEL) else {
            return false;
        };
        let annotations = object.metadata.annotations.as_ref();
        let is_unowned = is_of_controller(annotations, controller_name);
        if let (true, Some(namespace)) = (is_unowned, label(NAMESPACE_LABEL)) {
            // Nobody else deletes what has no owner.
            return settled
                .get(&(namespace.as_str(), gateway))
                .copied()
                .unwrap_or(true);
        }
        let owners = object.metadata.owner_references.iter().flatten();
        let mut owners = owners.filter(|owner| owner.controller == Some(true));
        owners.any(|owner| owner.kind == "Gateway" && name::of_children(&owner.name) == gateway)
            && settled.get(&(&*key.namespace, gateway)) == Some(&true)
    };
    let objects = live.iter().map(|(key, object)| (key, &**object));
    objects
        .filter(|(key, object)| is_obsolete(key, object))
        .collect()
}

/// The Gateway as the labels of its objects name it.
fn place(gateway: &ObjectRef) -> (&str, String) {
    (&gateway.namespace, name::of_children(&gateway.name))
}
