//! `DirectResponse`: an answer of the gateway's own.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::Unsupported;

recognised! {
    /// `spec` of a DirectResponse: a fixed answer.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "DirectResponse", namespaced)]
    #[kube(schema = "disabled", derive = "PartialEq")]
    DirectResponseSpec {
        /// 200 to 599.
        status: i32,
        /// 1 to 4096 characters; none by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    }
    unsupported {
        body_format = "bodyFormat",
    }
}
