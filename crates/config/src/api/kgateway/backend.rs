//! `Backend`: the upstream of a route.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::UnsupportedValue;

recognised! {
    /// `spec` of a Backend. Exactly one of the types must be set.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "Backend", namespaced)]
    #[kube(schema = "disabled", derive = "PartialEq")]
    BackendSpec {
        /// The type; optional, because the type is known by the field that is set.
        #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
        backend_type: Option<BackendType>,
        /// Requests are sent to the host that the request names.
        #[serde(default, rename = "dynamicForwardProxy", skip_serializing_if = "Option::is_none")]
        dynamic_forward_proxy: Option<DynamicForwardProxy>,
        /// Requests are sent to fixed hosts.
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
    /// Whether requests are sent over TLS if they do not name a scheme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_tls: Option<bool>,
}

/// `spec.static` of a Backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StaticBackend {
    /// The HTTP version: `http2`, `grpc`, `grpc-web`, `kubernetes.io/h2c` or `kubernetes.io/ws`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_protocol: Option<String>,
    /// The hosts; at least one.
    pub hosts: Vec<StaticHost>,
}

/// `spec.static.hosts[]` of a Backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticHost {
    /// A host name or an IP address.
    pub host: String,
    /// The port of the host.
    pub port: i32,
}
