//! What the pods of a Gateway may read: everything that is configuration, and of Secrets and ConfigMaps those that the
//! Gateway needs.

use std::collections::BTreeMap;

use egret_config::resources::Kind;
use serde_json::{Value, json};

use super::context::ChildContext;
use super::kind::ChildKind;
use super::ledger::DesiredObject;

/// The ClusterRole of all proxies, which comes with the installation.
const CLUSTER_ROLE: &str = "egret-proxy";
const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) fn service_account(context: &ChildContext<'_>) -> DesiredObject {
    let parameters = context.kube.service_account.as_ref();
    let labels = parameters.and_then(|it| it.extra_labels.as_ref());
    let annotations = parameters.and_then(|it| it.extra_annotations.as_ref());
    let metadata = &context.metadata;
    metadata.owned(ChildKind::ServiceAccount, (labels, annotations), json!({}))
}

pub(super) fn cluster_role_binding(context: &ChildContext<'_>) -> DesiredObject {
    let content = json!({
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": CLUSTER_ROLE},
        "subjects": subjects(context),
    });
    let kind = ChildKind::ClusterRoleBinding;
    context.metadata.unowned(kind, None, content)
}

/// A Role and its RoleBinding in each namespace from which something is needed.
pub(super) fn roles(context: &ChildContext<'_>) -> Vec<DesiredObject> {
    let access = context.plan.access;
    let mut namespaces: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for namespace in &access.selected {
        let rules = namespaces.entry(namespace).or_default();
        rules.push(rule("secrets", None));
    }
    let mut named: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for object in &access.named {
        let resource = match object.kind {
            Kind::ConfigMap => "configmaps",
            _ if access.selected.contains(&object.namespace) => continue,
            _ => "secrets",
        };
        let place = (&*object.namespace, resource);
        named.entry(place).or_default().push(&object.name);
    }
    for ((namespace, resource), names) in named {
        let rules = namespaces.entry(namespace).or_default();
        rules.push(rule(resource, Some(&names)));
    }
    let name = context.metadata.unowned_name();
    let pairs = namespaces.into_iter().flat_map(|(namespace, rules)| {
        let binding = json!({
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
            "subjects": subjects(context),
        });
        let metadata = &context.metadata;
        let role = json!({"rules": rules});
        [
            metadata.unowned(ChildKind::Role, Some(namespace), role),
            metadata.unowned(ChildKind::RoleBinding, Some(namespace), binding),
        ]
    });
    pairs.collect()
}

fn rule(resource: &str, names: Option<&[&str]>) -> Value {
    let mut rule = json!({
        "apiGroups": [""],
        "resources": [resource],
        "verbs": ["get", "list", "watch"],
    });
    if let Some(names) = names {
        rule["resourceNames"] = json!(names);
    }
    rule
}

fn subjects(context: &ChildContext<'_>) -> Value {
    json!([{
        "kind": "ServiceAccount",
        "name": context.metadata.name,
        "namespace": &*context.plan.reference.namespace,
    }])
}
