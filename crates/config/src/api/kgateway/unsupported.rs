//! Values of fields that are recognised but not supported.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::api::validation;

/// The value of a field that is recognised but not supported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnsupportedValue(pub serde_json::Value);

/// An API server stores all of it, so that the report can name it: what it does not know it would remove.
impl JsonSchema for UnsupportedValue {
    fn schema_name() -> Cow<'static, str> {
        "UnsupportedValue".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        validation::anything(generator)
    }
}
