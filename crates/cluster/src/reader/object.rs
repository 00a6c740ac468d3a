//! Objects as an API server gives them.

use egret_config::resources::{CORE_GROUP, Kind, ObjectRef};
use kube::api::DynamicObject;
use serde_json::{Value, json};

/// What `kubectl apply` remembers: a copy of the object.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub(super) fn reference(kind: Kind, object: &DynamicObject) -> Option<ObjectRef> {
    let name = object.metadata.name.as_deref()?;
    let namespace = match kind.is_namespaced() {
        true => object.metadata.namespace.as_deref().unwrap_or_default(),
        false => "",
    };
    Some(ObjectRef::new(kind, namespace, name))
}

pub(super) fn version(object: &DynamicObject) -> &str {
    object
        .metadata
        .resource_version
        .as_deref()
        .unwrap_or_default()
}

/// Whether somebody writes statuses of this kind.
pub(super) fn has_status(kind: Kind) -> bool {
    kind.group() != CORE_GROUP && kind != Kind::EndpointSlice || kind == Kind::Service
}

/// What whoever writes the status of an object needs.
pub(super) fn raw_of(kind: Kind, object: &DynamicObject) -> DynamicObject {
    let is_route = matches!(kind, Kind::HttpRoute | Kind::GrpcRoute | Kind::TlsRoute);
    if !is_route {
        return object.clone();
    }
    DynamicObject {
        types: object.types.clone(),
        metadata: object.metadata.clone(),
        // Of a route that cannot be read the parents are told.
        data: json!({
            "spec": {"parentRefs": object.data["spec"]["parentRefs"]},
            "status": object.data["status"],
        }),
    }
}

/// The object as it is compared with its other versions: the number of its version is none of what it says.
pub(super) fn value_of(object: DynamicObject) -> Value {
    let DynamicObject {
        types,
        mut metadata,
        data,
    } = object;
    metadata.resource_version = None;
    let mut value = match data {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    // Metadata that was read can be written.
    let metadata = serde_json::to_value(metadata).unwrap_or_default();
    value.insert("metadata".to_owned(), metadata);
    if let Some(types) = types {
        value.insert("apiVersion".to_owned(), types.api_version.into());
    }
    Value::Object(value)
}

/// Removes what nobody here reads: who has written which field, and the copy of the object.
pub(super) fn strip(object: &mut DynamicObject) {
    object.metadata.managed_fields = None;
    if let Some(annotations) = &mut object.metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
}
