//! What an API server validates of the fields of a resource: parts of the schemas of CustomResourceDefinitions.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// The Gateway API's durations (GEP-2257).
const DURATION: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";
/// Kubernetes' quantities.
const QUANTITY: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";
/// An API group; empty for the core group.
pub(crate) const GROUP: &str =
    r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A kind.
pub(crate) const KIND: &str = "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$";
/// A namespace.
pub(crate) const NAMESPACE: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// The name of a listener or of a rule.
pub(crate) const SECTION: &str =
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// The name of a header field (RFC 9110, token).
pub(crate) const HEADER_NAME: &str = "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$";

/// A rule in CEL, with the message for objects that break it.
pub(crate) fn rule(rule: &str, message: &str) -> Value {
    json!({ "rule": rule, "message": message })
}

/// The rule that exactly one of the fields is set.
pub(crate) fn exactly_one(fields: &[&str]) -> Value {
    let message = format!(
        "exactly one of the fields in [{}] must be set",
        fields.join(" ")
    );
    rule(&format!("{} == 1", count_of(fields)), &message)
}

/// The rule that at least one of the fields is set.
pub(crate) fn at_least_one(fields: &[&str]) -> Value {
    let message = format!(
        "at least one of the fields in [{}] must be set",
        fields.join(" ")
    );
    rule(&format!("{} >= 1", count_of(fields)), &message)
}

/// The rule that at most one of the fields is set.
pub(crate) fn at_most_one(fields: &[&str]) -> Value {
    let message = format!(
        "at most one of the fields in [{}] may be set",
        fields.join(" ")
    );
    rule(&format!("{} <= 1", count_of(fields)), &message)
}

/// An expression for the number of fields that are set.
fn count_of(fields: &[&str]) -> String {
    let set: Vec<String> = fields
        .iter()
        .map(|field| format!("has(self.{field})"))
        .collect();
    format!("[{}].filter(x, x == true).size()", set.join(", "))
}

/// The rule that a reference to targets is to one of the kinds, each with its API group.
pub(crate) fn targets_only(kinds: &[(&str, &[&str])], message: &str) -> Value {
    let any: Vec<String> = kinds
        .iter()
        .map(|(group, kinds)| {
            let kinds: Vec<String> = kinds
                .iter()
                .map(|kind| format!("r.kind == '{kind}'"))
                .collect();
            format!("(r.group == '{group}' && ({}))", kinds.join(" || "))
        })
        .collect();
    rule(&format!("self.all(r, {})", any.join(" || ")), message)
}

/// A duration.
pub(crate) fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": DURATION, "maxLength": 32 })
}

/// The rule of a field that is a duration: that it is at least so long.
pub(crate) fn at_least(minimum: &str, message: &str) -> Value {
    rule(&format!("duration(self) >= duration('{minimum}')"), message)
}

/// A percentage.
pub(crate) fn percentage(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int32", "minimum": 0, "maximum": 100 })
}

/// A number, or a text with a number and a unit.
pub(crate) fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "pattern": QUANTITY,
        "maxLength": 64,
    })
}

/// The rule of a flow control window of HTTP/2.
pub(crate) fn is_window(field: &str) -> Value {
    rule(
        "(type(self) == int && int(self) >= 65535 && int(self) <= 2147483647) || (type(self) == string && \
         isQuantity(self) && !quantity(self).isLessThan(quantity('65535')) && \
         !quantity(self).isGreaterThan(quantity('2147483647')))",
        &format!("{field} must be between 65535 and 2147483647 bytes (inclusive)"),
    )
}

/// The names of headers.
pub(crate) fn header_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 256, "pattern": HEADER_NAME })
}

/// Anything. It is stored as it was written, so that it can be reported.
pub(crate) fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}

/// An object of Kubernetes' own types, which are not described again. It is stored as it was written.
pub(crate) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// A list of such objects.
pub(crate) fn any_objects(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": any_object(generator) })
}

/// A number of pods, or a percentage of them.
pub(crate) fn int_or_string(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-int-or-string": true, "minimum": 0, "maximum": i32::MAX })
}
