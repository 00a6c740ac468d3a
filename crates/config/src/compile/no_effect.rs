//! Warnings about fields that are set and have no effect. Which fields these are, and why, is said beside each field in
//! [`egret_api::kgateway`].

use std::collections::BTreeMap;
use std::sync::OnceLock;

use egret_api::crd;
use egret_api::object::ApiType;
use serde_json::Value;

use super::log::{FieldFault, ReportLog};
use crate::resources::{Kind, LocatedObject, ObjectRef, Resources};

/// The keyword of a schema that has the reason.
const REASON: &str = "x-egret-no-effect";

pub(super) fn report(resources: &Resources, log: &mut ReportLog) {
    let Resources {
        backend_config_policies,
        gateway_extensions,
        listener_policies,
        http_listener_policies,
        traffic_policies,
        ..
    } = resources;
    warn(backend_config_policies, |object| &object.spec, log);
    warn(gateway_extensions, |object| &object.spec, log);
    warn(listener_policies, |object| &object.spec, log);
    warn(http_listener_policies, |object| &object.spec, log);
    warn(traffic_policies, |object| &object.spec, log);
}

/// Warns about the objects of one kind.
fn warn<T, S: ApiType>(
    objects: &BTreeMap<ObjectRef, LocatedObject<T>>,
    spec: impl Fn(&T) -> &S,
    log: &mut ReportLog,
) {
    for (reference, object) in objects {
        warn_of(reference, object, &spec, log);
    }
}

/// Warns about one object. GatewayParameters are reported where it is known whose they are.
pub(super) fn warn_of<T, S: ApiType>(
    reference: &ObjectRef,
    object: &LocatedObject<T>,
    spec: impl Fn(&T) -> &S,
    log: &mut ReportLog,
) {
    let Some(schema) = schema(reference.kind) else {
        return;
    };
    // What was read can be written again.
    let Some(value) = spec(&object.value).encode() else {
        return;
    };
    let mut faults = Vec::new();
    find(schema, &value, "spec", &mut faults);
    for fault in &faults {
        log.warn(reference, &object.source, fault);
    }
}

/// The schema of a kind, if it has a field without effect. It is made once.
fn schema(kind: Kind) -> Option<&'static Value> {
    static SCHEMAS: OnceLock<BTreeMap<Kind, Value>> = OnceLock::new();
    let schemas = SCHEMAS.get_or_init(|| {
        let noted = crd::noted_specs().into_iter();
        noted.filter(|(_, schema)| has_reason(schema)).collect()
    });
    schemas.get(&kind)
}

fn has_reason(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.contains_key(REASON) || fields.values().any(has_reason),
        Value::Array(items) => items.iter().any(has_reason),
        _ => false,
    }
}

/// Finds the fields without effect that ask for something: `false` does not.
fn find(schema: &Value, value: &Value, at: &str, faults: &mut Vec<FieldFault>) {
    if let Some(reason) = schema.get(REASON).and_then(Value::as_str) {
        if !matches!(value, Value::Null | Value::Bool(false)) {
            faults.push(FieldFault::new(at, format!("has no effect: {reason}")));
        }
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let Some(schema) = schema.get("properties").and_then(|all| all.get(name)) {
                    find(schema, value, &format!("{at}.{name}"), faults);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (index, value) in items.iter().enumerate() {
                    find(schema, value, &format!("{at}[{index}]"), faults);
                }
            }
        }
        _ => {}
    }
}
