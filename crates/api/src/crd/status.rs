//! Schemas of `status`.

use serde_json::{Value, json};

/// The status of a policy: the Gateway API's PolicyStatus (GEP-713).
pub(super) fn of_policy() -> Value {
    let name = |max: u16| json!({ "type": "string", "minLength": 1, "maxLength": max });
    json!({
        "description": "What became of the policy at each of its ancestors.",
        "type": "object",
        "required": ["ancestors"],
        "properties": {
            "ancestors": {
                "description": "One entry for each ancestor and controller.",
                "type": "array",
                "maxItems": 16,
                "x-kubernetes-list-type": "atomic",
                "items": {
                    "type": "object",
                    "required": ["ancestorRef", "controllerName", "conditions"],
                    "properties": {
                        "ancestorRef": {
                            "description": "The object to which the conditions belong, such as the Gateway.",
                            "type": "object",
                            "required": ["name"],
                            "properties": {
                                "group": {
                                    "type": "string",
                                    "maxLength": 253,
                                    "default": "gateway.networking.k8s.io",
                                },
                                "kind": {
                                    "type": "string",
                                    "minLength": 1,
                                    "maxLength": 63,
                                    "default": "Gateway",
                                },
                                "namespace": name(63),
                                "name": name(253),
                                "sectionName": name(253),
                                "port": {
                                    "type": "integer",
                                    "format": "int32",
                                    "minimum": 1,
                                    "maximum": 65535,
                                },
                            },
                        },
                        "controllerName": name(253),
                        "conditions": conditions(1),
                    },
                },
            },
        },
    })
}

/// A status that consists of conditions.
pub(super) fn of_conditions() -> Value {
    json!({
        "description": "What became of the object.",
        "type": "object",
        "properties": { "conditions": conditions(0) },
    })
}

/// A list of conditions, each of which has an owner of its own in a server-side apply.
fn conditions(at_least: u8) -> Value {
    let mut list = json!({
        "type": "array",
        "maxItems": 8,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {
                    "type": "string",
                    "maxLength": 316,
                    "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
                },
                "status": { "type": "string", "enum": ["True", "False", "Unknown"] },
                "reason": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                },
                "message": { "type": "string", "maxLength": 32768 },
                "lastTransitionTime": { "type": "string", "format": "date-time" },
                "observedGeneration": { "type": "integer", "format": "int64", "minimum": 0 },
            },
        },
    });
    if at_least > 0 {
        list["minItems"] = at_least.into();
    }
    list
}
