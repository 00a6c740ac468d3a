//! What a schema says of a field: its type, its default and its meaning, as cells of a table.

use egret_config::compatibility::FieldState;
use serde_json::Value;

/// The type of a field.
pub(crate) fn type_of(schema: &Value) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values = values.iter().filter_map(|value| match value {
            // A field may always be left out in this way.
            Value::Null => None,
            Value::String(text) => Some(code(text)),
            other => Some(code(&other.to_string())),
        });
        return values.collect::<Vec<_>>().join(", ");
    }
    let has = |name: &str| schema.get(name).is_some();
    match schema.get("type").and_then(Value::as_str) {
        Some("array") => match &*type_of(&schema["items"]) {
            "any" => "list".to_owned(),
            items => format!("list of {}", plural(items)),
        },
        Some("object") if has("additionalProperties") => {
            format!(
                "map of {}",
                plural(&type_of(&schema["additionalProperties"]))
            )
        }
        Some("integer") => match bounds(schema) {
            Some((least, most)) => format!("integer, {least} to {most}"),
            None => "integer".to_owned(),
        },
        Some("string") if is_duration(schema) => "duration".to_owned(),
        Some("string") if schema.get("format").is_some_and(|it| it == "date-time") => {
            "time".to_owned()
        }
        Some(name) => name.to_owned(),
        None if has("x-kubernetes-int-or-string") && has("pattern") => "quantity".to_owned(),
        None if has("x-kubernetes-int-or-string") => "integer or string".to_owned(),
        None => "any".to_owned(),
    }
}

/// Only durations have both hours and milliseconds in their pattern.
fn is_duration(schema: &Value) -> bool {
    let pattern = schema.get("pattern").and_then(Value::as_str);
    pattern.is_some_and(|pattern| pattern.contains("(h|m|s|ms)"))
}

fn plural(name: &str) -> String {
    match name {
        "string" | "integer" | "object" | "duration" | "boolean" | "time" => format!("{name}s"),
        "integer or string" => "integers or strings".to_owned(),
        // Values that are listed, and what has no plural.
        name => name.to_owned(),
    }
}

/// The bounds of a number, unless they are those of its type in memory.
fn bounds(schema: &Value) -> Option<(i64, i64)> {
    let bound = |name: &str| schema.get(name)?.as_f64().map(|number| number as i64);
    let (least, most) = (bound("minimum")?, bound("maximum")?);
    (most < i64::from(i32::MAX)).then_some((least, most))
}

/// The default of a field, and its meaning. A description says the default as its last clause: `How long; 5s by default.`
pub(crate) fn default_and_meaning(schema: &Value, is_required: bool) -> (String, String) {
    let description = schema.get("description").and_then(Value::as_str);
    let description = description.unwrap_or_default();
    let description: Vec<&str> = description.split_whitespace().collect();
    let (meaning, said) = split_default(&description.join(" "));
    let default = match (said, is_required) {
        (Some(said), _) => said,
        (None, true) => "required".to_owned(),
        (None, false) => written_default(schema).unwrap_or_default(),
    };
    let meaning = match FieldState::of(schema) {
        FieldState::Works => meaning,
        FieldState::Differs(how) => format!("{meaning} *Differs from kgateway*: {how}."),
        FieldState::NoEffect(why) => format!("*Has no effect*: {why}."),
        FieldState::Refused => "*Not supported*: an object with it is refused.".to_owned(),
    };
    (default, meaning)
}

fn split_default(description: &str) -> (String, Option<String>) {
    let whole = (description.to_owned(), None);
    let Some((before, after)) = description.split_once(" by default.") else {
        return whole;
    };
    match before.rsplit_once("; ") {
        Some((meaning, default)) if !default.contains(". ") => {
            (format!("{meaning}.{after}"), Some(as_value(default)))
        }
        _ => whole,
    }
}

/// A default that is one value, as code.
fn as_value(default: &str) -> String {
    let is_value = default.starts_with(|first: char| first.is_ascii_digit())
        || matches!(default, "true" | "false");
    match is_value && !default.contains(['`', ' ']) {
        true => code(default),
        false => default.to_owned(),
    }
}

/// The default that an API server fills in.
fn written_default(schema: &Value) -> Option<String> {
    match schema.get("default")? {
        Value::Null => None,
        Value::Array(items) if items.is_empty() => None,
        Value::Object(fields) if fields.is_empty() => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(code(text)),
        other => Some(code(&other.to_string())),
    }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_named_as_users_know_them() {
        let duration = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";
        for (schema, expected) in [
            (json!({"type": "string"}), "string"),
            (json!({"type": "string", "pattern": duration}), "duration"),
            (
                json!({"type": "string", "enum": ["A", "B", null]}),
                "`A`, `B`",
            ),
            (
                json!({"type": "array", "items": {"type": "object"}}),
                "list of objects",
            ),
            (
                json!({"type": "array", "items": {"type": "integer", "enum": [301, 302]}}),
                "list of `301`, `302`",
            ),
            (
                json!({"type": "object", "additionalProperties": {"type": "string"}}),
                "map of strings",
            ),
            (
                json!({"type": "integer", "minimum": 1.0, "maximum": 65535.0}),
                "integer, 1 to 65535",
            ),
            (
                json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
                "integer",
            ),
            (
                json!({"x-kubernetes-int-or-string": true, "pattern": "Ki"}),
                "quantity",
            ),
            (json!({"x-kubernetes-preserve-unknown-fields": true}), "any"),
        ] {
            assert_eq!(type_of(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn defaults_are_told_apart_from_meanings() {
        for (schema, is_required, default, meaning) in [
            (
                json!({"description": "How\nlong; 5s by default."}),
                false,
                "`5s`",
                "How long.",
            ),
            (
                json!({"description": "Whom. `a` is all; any by default. More."}),
                false,
                "any",
                "Whom. `a` is all. More.",
            ),
            (json!({"description": "What."}), true, "required", "What."),
            (
                json!({"description": "What.", "default": "Off"}),
                false,
                "`Off`",
                "What.",
            ),
            (
                json!({"description": "What.", "default": [], "x-egret-differs": "so"}),
                false,
                "",
                "What. *Differs from kgateway*: so.",
            ),
            (
                json!({"description": "What.", "x-egret-no-effect": "so"}),
                false,
                "",
                "*Has no effect*: so.",
            ),
        ] {
            let expected = (default.to_owned(), meaning.to_owned());
            assert_eq!(
                default_and_meaning(&schema, is_required),
                expected,
                "{schema}"
            );
        }
    }
}
