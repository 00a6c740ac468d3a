//! Decodes JSON values to types, and names the field of every fault.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The path of a field, and what is wrong with it.
pub(super) type DecodeFault = (String, String);

/// Decodes an object. Unknown fields are faults, but the other fields are still read.
pub(super) fn decode<T: DeserializeOwned>(mut value: Value) -> (Option<T>, Vec<DecodeFault>) {
    if let Value::Object(fields) = &mut value {
        // Apart from `status`, the caller knows these already. The status is written by controllers, not by the user.
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

/// Writes a path as Kubernetes does: `spec.rules[0].name`.
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
