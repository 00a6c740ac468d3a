//! Decodes JSON values to types, and names the field of every fault.
//!
//! Serde's own errors are for the authors of programs ("invalid type: unit, expected a sequence"). Here they are put
//! into words for the author of a file, with the field that was probably meant.

use std::cell::RefCell;

use serde::de::DeserializeOwned;
use serde_json::Value;

mod error;
mod value;

use value::{FieldPath, ValueDecoder};

/// A field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeFault {
    /// The path of the field; empty for the whole object.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// Whether all that is wrong is that the type does not have the field.
    pub is_unknown: bool,
}

/// Decodes an object, like [`decode`]. Apart from `status`, which is written by controllers, the caller knows its type.
pub(crate) fn decode_object<T: DeserializeOwned>(
    mut value: Value,
) -> (Option<T>, Vec<DecodeFault>) {
    if let Value::Object(fields) = &mut value {
        for field in ["apiVersion", "kind", "status"] {
            fields.remove(field);
        }
    }
    decode(value)
}

/// Decodes a value. Unknown fields are faults, but the other fields are still read. A field of `null` counts as left out,
/// as for an API server.
pub(crate) fn decode<T: DeserializeOwned>(value: Value) -> (Option<T>, Vec<DecodeFault>) {
    let faults = RefCell::default();
    let outcome = T::deserialize(ValueDecoder::root(value, &faults));
    let mut faults = faults.into_inner();
    match outcome {
        Ok(value) => (Some(value), faults),
        Err(error) => {
            faults.push(error.into());
            (None, faults)
        }
    }
}

#[cfg(test)]
mod tests;
