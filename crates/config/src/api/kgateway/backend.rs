//! `Backend`: where requests go.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::Unsupported;

recognised! {
    /// `spec` of a Backend: where requests go, in exactly one of the ways.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "Backend", namespaced)]
    #[kube(schema = "disabled", derive = "PartialEq")]
    BackendSpec {
        /// Optional: the one field that is set decides.
        #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
        backend_type: Option<BackendType>,
        /// To the host that the request names.
        #[serde(default, rename = "dynamicForwardProxy", skip_serializing_if = "Option::is_none")]
        dynamic_forward_proxy: Option<DynamicForwardProxy>,
        /// To fixed hosts.
        #[serde(default, rename = "static", skip_serializing_if = "Option::is_none")]
        fixed: Option<StaticBackend>,
    }
    unsupported {
        aws = "aws",
        gcp = "gcp",
        priority_groups = "priorityGroups",
    }
}

/// `spec.type` of a Backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BackendType {
    /// `aws`
    #[serde(rename = "AWS")]
    Aws,
    /// `static`
    Static,
    /// `dynamicForwardProxy`
    DynamicForwardProxy,
    /// `gcp`
    #[serde(rename = "GCP")]
    Gcp,
    /// `priorityGroups`
    PriorityGroups,
}

/// `spec.dynamicForwardProxy` of a Backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DynamicForwardProxy {
    /// Whether requests that do not say so themselves go over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_tls: Option<bool>,
}

/// `spec.static` of a Backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StaticBackend {
    /// `http2`, `grpc`, `grpc-web`, `kubernetes.io/h2c` or `kubernetes.io/ws`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
    /// At least one.
    pub hosts: Vec<StaticHost>,
}

/// One of `spec.static.hosts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticHost {
    /// A name or an IP address.
    pub host: String,
    /// Its port.
    pub port: i32,
}
