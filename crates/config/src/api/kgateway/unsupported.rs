//! Values of fields that are recognised but not supported.

use serde::{Deserialize, Serialize};

/// The value of a field that is recognised but not supported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnsupportedValue(pub serde_json::Value);
