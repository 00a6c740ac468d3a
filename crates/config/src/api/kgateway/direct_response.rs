//! `DirectResponse`: a response that the gateway generates itself.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::UnsupportedValue;

recognised! {
    /// `spec` of a DirectResponse: a fixed response.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "DirectResponse", namespaced)]
    #[kube(schema = "disabled", derive = "PartialEq")]
    DirectResponseSpec {
        /// The status code: 200 to 599.
        #[schemars(range(min = 200, max = 599))]
        status: i32,
        /// The body: 1 to 4096 characters; empty by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1, max = 4096))]
        body: Option<String>,
    }
    unsupported {
        body_format = "bodyFormat",
    }
}
