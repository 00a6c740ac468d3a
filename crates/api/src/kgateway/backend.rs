//! `Backend`: the upstream of a route.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::UnsupportedValue;
use crate::validation;

recognised! {
    /// `spec` of a Backend. Exactly one of the types must be set.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "Backend", namespaced)]
    #[kube(schema = "disabled", derive = "PartialEq")]
    #[schemars(extend("x-kubernetes-validations" = backend_rules()))]
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
        aws = "aws" as "object",
        gcp = "gcp" as "object",
        priority_groups = "priorityGroups" as "array",
    }
}

/// The type, if it is written, is that of the field that is set, and one is set.
fn backend_rules() -> Vec<serde_json::Value> {
    let types = [
        ("AWS", "aws"),
        ("Static", "static"),
        ("DynamicForwardProxy", "dynamicForwardProxy"),
        ("GCP", "gcp"),
        ("PriorityGroups", "priorityGroups"),
    ];
    let mut rules: Vec<_> = types
        .iter()
        .map(|(name, field)| {
            validation::rule(
                &format!("!has(self.type) || (self.type == '{name}' ? has(self.{field}) : true)"),
                &format!("{field} backend must be specified when type is '{name}'"),
            )
        })
        .collect();
    rules.push(validation::exactly_one(&types.map(|(_, field)| field)));
    rules
}

/// `spec.type` of a Backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DynamicForwardProxy {
    /// Whether requests are sent over TLS if they do not name a scheme; `false` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_tls: Option<bool>,
}

/// `spec.static` of a Backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StaticBackend {
    /// The HTTP version: `http2`, `grpc`, `grpc-web` and `kubernetes.io/h2c` are HTTP/2, in the clear with prior
    /// knowledge; `kubernetes.io/ws` is HTTP/1.1; HTTP/1.1 in the clear, negotiated over TLS by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["http2", "grpc", "grpc-web", "kubernetes.io/h2c", "kubernetes.io/ws"]))]
    pub app_protocol: Option<String>,
    /// The hosts, which are used in turn; at least one.
    #[schemars(length(min = 1))]
    pub hosts: Vec<StaticHost>,
}

/// `spec.static.hosts[]` of a Backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StaticHost {
    /// A host name or an IP address.
    #[schemars(length(min = 1))]
    pub host: String,
    /// The port of the host.
    pub port: i32,
}
