//! Schemas of `spec`, from the types that are read.

use kube::core::schema::StructuralSchemaRewriter;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

/// The keyword by which a schema keeps fields that it does not name.
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

/// What the keywords begin with that say of a field what becomes of it. They are for Egret itself.
const NOTE: &str = "x-egret-";

/// Takes Egret's own keywords away, which an API server does not know.
pub(super) fn strip_notes(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.retain(|key, _| !key.starts_with(NOTE));
            fields.values_mut().for_each(strip_notes);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_notes),
        _ => {}
    }
}

/// The schema of a type, as an API server wants it ("structural"), with what becomes of each field.
pub(super) fn of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    // Before all others: they would make `nullable` of what this removes.
    settings.transforms.insert(0, Box::new(WithoutNull));
    let settings = settings
        .with_transform(StructuralSchemaRewriter)
        .with_transform(KubernetesFormats);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut schema = schema.to_value();
    // The title is the name of a type.
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("title");
    }
    schema
}

/// Optional fields are not nullable: an API server takes `null` for a field that is left out, and stores nothing, while
/// it stores a `null` that is admitted. Where a field says itself that it is nullable, it stays so.
#[derive(Clone, Debug)]
struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(schema) = schema.as_object_mut() else {
            return;
        };
        let types = schema.get("type").and_then(Value::as_array);
        if let Some([one, null]) = types.map(Vec::as_slice)
            && null == "null"
        {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
        let alternatives = schema.get("anyOf").and_then(Value::as_array);
        if let Some([one, null]) = alternatives.map(Vec::as_slice)
            && null.get("type").is_some_and(|name| name == "null")
        {
            let one = one.as_object().cloned().unwrap_or_default();
            schema.remove("anyOf");
            for (key, value) in one {
                // What is said of the field comes before what is said of its type.
                schema.entry(key).or_insert(value);
            }
        }
    }
}

/// Rewrites what an API server does not know: formats, and types beside the keyword that keeps unknown fields.
#[derive(Clone, Debug)]
struct KubernetesFormats;

impl Transform for KubernetesFormats {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(schema) = schema.as_object_mut() else {
            return;
        };
        let format = schema.get("format").and_then(Value::as_str);
        if format == Some("uint32") {
            let maximum = schema.entry("maximum").or_insert(u32::MAX.into());
            if maximum.as_f64() > Some(u32::MAX.into()) {
                *maximum = u32::MAX.into();
            }
        }
        if matches!(schema.get("format").and_then(Value::as_str), Some(format) if format.starts_with("uint"))
        {
            schema.insert("format".to_owned(), "int64".into());
        }
        let preserves = schema.contains_key(PRESERVE);
        match schema.get("type").and_then(Value::as_str) {
            Some("array") if preserves => {
                schema.remove(PRESERVE);
                // A rule sees only items with a type.
                schema.insert(
                    "items".to_owned(),
                    json!({ "type": "object", PRESERVE: true }),
                );
            }
            Some("object") | None => {}
            Some(_) => {
                schema.remove(PRESERVE);
            }
        }
    }
}
