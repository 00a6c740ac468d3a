//! Values of fields that are recognised but not supported, or that have no effect.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::validation;

/// The value of a field that is recognised but not supported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnsupportedValue(pub serde_json::Value);

/// The value of a field that has no effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdleValue(pub serde_json::Value);

/// An API server stores all of it, so that the report can name it: what it does not know it would remove.
impl JsonSchema for UnsupportedValue {
    fn schema_name() -> Cow<'static, str> {
        "UnsupportedValue".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = validation::anything(generator);
        schema.insert("x-egret-unsupported".to_owned(), true.into());
        schema
    }
}

impl JsonSchema for IdleValue {
    fn schema_name() -> Cow<'static, str> {
        "IdleValue".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        validation::anything(generator)
    }
}
