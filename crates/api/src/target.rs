//! References from a policy to the objects that it applies to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gateway::{BackendTlsPolicyTargetRef, BackendTrafficTargetRef};
use crate::validation;

/// An object that a policy applies to, in the policy's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetRef {
    /// The object's API group.
    #[schemars(length(max = 253), regex(pattern = validation::GROUP))]
    pub group: String,
    /// The object's kind.
    #[schemars(length(min = 1, max = 63), regex(pattern = validation::KIND))]
    pub kind: String,
    /// The object's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// A section of the object: a listener of a Gateway, a rule of a route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = validation::SECTION))]
    pub section_name: Option<String>,
}

/// Objects that a policy applies to, by their labels, in the policy's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetSelector {
    /// The objects' API group.
    #[schemars(length(max = 253), regex(pattern = validation::GROUP))]
    pub group: String,
    /// The objects' kind.
    #[schemars(length(min = 1, max = 63), regex(pattern = validation::KIND))]
    pub kind: String,
    /// The labels that the objects must have.
    #[schemars(extend("maxProperties" = 64))]
    pub match_labels: BTreeMap<String, String>,
    /// A section of each object: a listener of a Gateway, a rule of a route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = validation::SECTION))]
    pub section_name: Option<String>,
}

impl From<&BackendTlsPolicyTargetRef> for TargetRef {
    fn from(target: &BackendTlsPolicyTargetRef) -> Self {
        let BackendTlsPolicyTargetRef {
            group,
            kind,
            name,
            section_name,
        } = target.clone();
        Self {
            group,
            kind,
            name,
            section_name,
        }
    }
}

impl From<&BackendTrafficTargetRef> for TargetRef {
    fn from(target: &BackendTrafficTargetRef) -> Self {
        let BackendTrafficTargetRef { group, kind, name } = target.clone();
        Self {
            group,
            kind,
            name,
            section_name: None,
        }
    }
}
