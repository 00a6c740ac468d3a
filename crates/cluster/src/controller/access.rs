//! Which Secrets and ConfigMaps the pods of each Gateway read.

use std::collections::{BTreeMap, BTreeSet};

use egret_config::compile::CompiledConfig;
use egret_config::references::SecretReferences;
use egret_config::report::{ObjectStatus, ParentReference};
use egret_config::resources::{GATEWAY_GROUP, Kind, ObjectRef};
use egret_config::snapshot::{BackendDestination, Listener, RuleAction};

use crate::provision::SecretAccess;

/// The references to Secrets and ConfigMaps, and which Gateways the objects matter to that have them.
pub(super) struct AccessIndex {
    references: SecretReferences,
    /// What each policy applies to.
    ancestors: BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
    /// The Backends that the rules of each Gateway lead to, and the objects for which they refuse.
    used: BTreeMap<ObjectRef, BTreeSet<ObjectRef>>,
}

impl AccessIndex {
    pub(super) fn of(references: SecretReferences, compiled: &CompiledConfig) -> Self {
        let mut ancestors = BTreeMap::new();
        for report in &compiled.report.objects {
            let ObjectStatus::Policy(status) = &report.status else {
                continue;
            };
            let of_policy = status.ancestors.iter();
            let of_policy = of_policy.filter_map(|it| object_of(&it.ancestor_ref, &report.object));
            ancestors.insert(report.object.clone(), of_policy.collect());
        }
        let mut used: BTreeMap<ObjectRef, BTreeSet<ObjectRef>> = BTreeMap::new();
        let sockets = compiled.snapshot.sockets.values();
        for listener in sockets.flat_map(|socket| &socket.listeners) {
            let objects = used.entry(listener.gateway.clone()).or_default();
            add_used(listener, objects);
        }
        Self {
            references,
            ancestors,
            used,
        }
    }

    /// What the pods of a Gateway read.
    pub(super) fn needed(&self, gateway: &ObjectRef) -> SecretAccess {
        let nothing = BTreeSet::new();
        let used = self.used.get(gateway).unwrap_or(&nothing);
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

fn add_used(listener: &Listener, used: &mut BTreeSet<ObjectRef>) {
    if let Some(refused) = &listener.refuse {
        used.insert(refused.object.clone());
    }
    for (_, rule) in listener.routes.rules() {
        match &rule.action {
            RuleAction::Forward(backends) => {
                for backend in &backends.backends {
                    used.insert(destination(&backend.destination).clone());
                }
            }
            RuleAction::Refuse(wrong) => {
                used.insert(wrong.object.clone());
            }
            RuleAction::Redirect(_) | RuleAction::Respond(_) => {}
        }
    }
}

/// The object that a share of the requests goes to, or is refused for.
fn destination(destination: &BackendDestination) -> &ObjectRef {
    match destination {
        BackendDestination::Dynamic(to) => &to.backend,
        BackendDestination::Static(to) => &to.backend,
        BackendDestination::Service(to) => &to.service,
        BackendDestination::Refuse(wrong) => &wrong.object,
    }
}

fn object_of(reference: &ParentReference, policy: &ObjectRef) -> Option<ObjectRef> {
    let group = reference.group.as_deref().unwrap_or(GATEWAY_GROUP);
    let kind = Kind::find(group, reference.kind.as_deref().unwrap_or("Gateway"))?;
    let namespace = reference.namespace.as_deref().unwrap_or(&policy.namespace);
    Some(ObjectRef::new(kind, namespace, &reference.name))
}
