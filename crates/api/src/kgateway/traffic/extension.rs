//! The fields of a TrafficPolicy that refer to a GatewayExtension.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PolicyDisable;
use crate::kgateway::{AuthRequestBody, ProcessingModeSpec};
use crate::validation;

/// A reference to a GatewayExtension.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExtensionRef {
    /// The name of the GatewayExtension.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace; the policy's by default, and another needs a ReferenceGrant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = validation::NAMESPACE))]
    pub namespace: Option<String>,
}

/// `spec.jwtAuth` of a TrafficPolicy. Exactly one of the fields must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["extensionRef", "disable"])]))]
pub struct TrafficJwtAuth {
    /// The GatewayExtension with `jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension_ref: Option<ExtensionRef>,
    /// Disables authentication by tokens, even if a wider policy requires it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable: Option<PolicyDisable>,
}

/// `spec.extAuth` of a TrafficPolicy. Exactly one of `extensionRef` and `disable` must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["extensionRef", "disable"])]))]
pub struct TrafficExtAuth {
    /// The GatewayExtension with `extAuth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension_ref: Option<ExtensionRef>,
    /// How much of a request's body the service gets, in place of what the GatewayExtension says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_request_body: Option<AuthRequestBody>,
    /// What the service is told beside the request, over gRPC.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub context_extensions: BTreeMap<String, String>,
    /// Disables what a wider policy requires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable: Option<PolicyDisable>,
}

/// `spec.extProc` of a TrafficPolicy. Exactly one of `extensionRef` and `disable` must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["extensionRef", "disable"])]))]
pub struct TrafficExtProc {
    /// The GatewayExtension with `extProc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension_ref: Option<ExtensionRef>,
    /// What of requests and responses the service gets, in place of all that the GatewayExtension says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing_mode: Option<ProcessingModeSpec>,
    /// Disables what a wider policy sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable: Option<PolicyDisable>,
}
