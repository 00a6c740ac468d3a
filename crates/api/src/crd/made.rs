//! The definitions as they are made from the types.

use serde_json::{Value, json};

use super::kinds::{DEFINITIONS, KindDefinition};
use crate::kind::{EGRET_GROUP, Kind};

/// Every definition, always in the same order, with what becomes of each field.
pub(super) fn definitions() -> Vec<Value> {
    DEFINITIONS.iter().map(manifest).collect()
}

/// The definition of one kind.
fn manifest(definition: &KindDefinition) -> Value {
    let kind = definition.kind;
    let singular = kind.as_str().to_lowercase();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{}.{}", kind.plural(), kind.group()),
            "labels": labels(definition),
        },
        "spec": {
            "group": kind.group(),
            "names": {
                "kind": kind.as_str(),
                "listKind": format!("{}List", kind.as_str()),
                "plural": kind.plural(),
                "singular": singular,
                "categories": [owner_name(kind)],
                "shortNames": definition.short_names,
            },
            "scope": "Namespaced",
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "additionalPrinterColumns": definition.columns,
                "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": schema(definition) },
            }],
        },
    })
}

/// The schema of a whole object.
fn schema(definition: &KindDefinition) -> Value {
    json!({
        "description": definition.description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": { "type": "string" },
            "kind": { "type": "string" },
            "metadata": { "type": "object" },
            "spec": (definition.spec)(),
            "status": (definition.status)(),
        },
    })
}

/// Labels by which the definitions are found. Policies have the label of GEP-713.
fn labels(definition: &KindDefinition) -> Value {
    let owner = owner_name(definition.kind);
    let mut labels = json!({ "app.kubernetes.io/name": owner });
    if owner == "kgateway" {
        labels["app"] = owner.into();
    }
    if let Some(policy) = definition.policy {
        labels["gateway.networking.k8s.io/policy"] = policy.into();
    }
    labels
}

/// The name of the project that the kind belongs to.
pub(super) fn owner_name(kind: Kind) -> &'static str {
    if kind.group() == EGRET_GROUP {
        "egret"
    } else {
        "kgateway"
    }
}
