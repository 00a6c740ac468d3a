//! Which Secrets and ConfigMaps the pods of each Gateway read.

use std::collections::{BTreeMap, BTreeSet};

use egret_config::compile::{CompiledConfig, GatewayUse};
use egret_config::references::SecretReferences;
use egret_config::report::{ObjectStatus, ParentReference};
use egret_config::resources::{GATEWAY_GROUP, Kind, ObjectRef, Resources};

use crate::provision::SecretAccess;

/// The references to Secrets and ConfigMaps, and which Gateways the objects matter to that have them.
pub(super) struct AccessIndex<'a> {
    references: &'a SecretReferences,
    /// What each policy applies to, and the Gateway of each ListenerSet.
    ancestors: BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
    uses: &'a BTreeMap<ObjectRef, GatewayUse>,
}

impl<'a> AccessIndex<'a> {
    pub(super) fn of(
        references: &'a SecretReferences,
        resources: &Resources,
        compiled: &'a CompiledConfig,
    ) -> Self {
        let of_set = |set: &ObjectRef| Some((set.clone(), [resources.gateway_of_set(set)?].into()));
        let sets = resources.listener_sets.keys();
        let mut ancestors: BTreeMap<ObjectRef, BTreeSet<ObjectRef>> =
            sets.filter_map(of_set).collect();
        for report in &compiled.report.objects {
            let ObjectStatus::Policy(status) = &report.status else {
                continue;
            };
            let of_policy = status.ancestors.iter();
            let of_policy = of_policy.filter_map(|it| object_of(&it.ancestor_ref, &report.object));
            ancestors.insert(report.object.clone(), of_policy.collect());
        }
        Self {
            references,
            ancestors,
            uses: &compiled.review.uses,
        }
    }

    /// What the pods of a Gateway read.
    pub(super) fn needed(&self, gateway: &ObjectRef) -> SecretAccess {
        let nothing = BTreeSet::new();
        let used = self.uses.get(gateway).map_or(&nothing, |it| &it.objects);
        let is_of_gateway = |object: &ObjectRef| {
            let ancestors = self.ancestors.get(object).into_iter().flatten();
            let mut ancestors = ancestors.filter(|it| *it == gateway || used.contains(*it));
            object == gateway || used.contains(object) || ancestors.next().is_some()
        };
        let named = self.references.named.iter();
        let named = named.filter(|(_, from)| from.iter().any(is_of_gateway));
        let selected = self.references.selected.iter();
        let selected = selected.filter(|(_, from)| from.iter().any(is_of_gateway));
        SecretAccess {
            named: named.map(|(object, _)| object.clone()).collect(),
            selected: selected
                .map(|(selection, _)| selection.namespace.clone())
                .collect(),
        }
    }
}

fn object_of(reference: &ParentReference, policy: &ObjectRef) -> Option<ObjectRef> {
    let group = reference.group.as_deref().unwrap_or(GATEWAY_GROUP);
    let kind = Kind::find(group, reference.kind.as_deref().unwrap_or("Gateway"))?;
    let namespace = reference.namespace.as_deref().unwrap_or(&policy.namespace);
    Some(ObjectRef::new(kind, namespace, &reference.name))
}
