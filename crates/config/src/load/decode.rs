//! JSON values to types, with every fault named by the path of its field.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The path of a field, and what is wrong there.
pub(super) type Fault = (String, String);

/// Reads an object. Unknown fields are faults, but do not keep the others from being read.
pub(super) fn decode<T: DeserializeOwned>(mut value: Value) -> (Option<T>, Vec<Fault>) {
    if let Value::Object(fields) = &mut value {
        // Known from the table of kinds already; and a status is what others say, not the user.
        for field in ["apiVersion", "kind", "status"] {
            fields.remove(field);
        }
    }
    let mut faults = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(value, &mut track);
    let mut unknown =
        |path: serde_ignored::Path<'_>| faults.push((spell(&path), "unknown field".to_owned()));
    match serde_ignored::deserialize(deserializer, &mut unknown) {
        Ok(value) => (Some(value), faults),
        Err(error) => {
            let path = track.path().to_string();
            let path = if path == "." { String::new() } else { path };
            faults.push((path, error.to_string()));
            (None, faults)
        }
    }
}

/// As Kubernetes writes paths: `spec.rules[0].name`.
fn spell(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", spell(parent)),
        Path::Map { parent, key } => {
            let parent = spell(parent);
            if parent.is_empty() {
                key.clone()
            } else {
                format!("{parent}.{key}")
            }
        }
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => spell(parent),
    }
}
