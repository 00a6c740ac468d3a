//! The types that the settings of a ListenerPolicy consist of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ListenerSettings;
use crate::quantity::Quantity;
use crate::validation;

/// `spec.perPort[]` of a ListenerPolicy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ListenerPort {
    /// The port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// The settings of the listeners on this port, in place of `spec.default`.
    pub listener: ListenerSettings,
}

/// `proxyProtocol` of a ListenerPolicy. If it is set, connections begin with a PROXY protocol header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyProtocolSettings {
    /// `true` serves connections without a header too; `false` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_requests_without_proxy_protocol: Option<bool>,
}

/// `clientCertificateValidation` of a ListenerPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificateValidation {
    /// ConfigMaps and Secrets with CAs in `ca.crt`. Those in another namespace need a ReferenceGrant from
    /// ListenerPolicy.
    #[schemars(length(min = 1, max = 8))]
    pub ca_certificate_refs: Vec<AuthorityReference>,
    /// `Require` refuses clients without a certificate, `Optional` only clients whose certificate is not valid.
    #[schemars(extend("enum" = ["Require", "Optional"]))]
    pub mode: String,
}

/// A reference to a ConfigMap or Secret with CA certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthorityReference {
    /// The API group: empty, which is the core group.
    #[schemars(length(max = 253), regex(pattern = validation::GROUP))]
    pub group: String,
    /// The kind: `ConfigMap` or `Secret`.
    #[schemars(length(min = 1, max = 63), regex(pattern = validation::KIND))]
    pub kind: String,
    /// The name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The namespace of the object; the policy's by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = validation::NAMESPACE))]
    pub namespace: Option<String>,
}

/// `http2ProtocolOptions` of the HTTP settings of a ListenerPolicy or HTTPListenerPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerHttp2 {
    /// Whether CONNECT is served on HTTP/2; `true` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-differs" = "`true` by default"))]
    pub allow_connect: Option<bool>,
    /// How many bytes of all requests of a connection may arrive ahead of what was forwarded; 16Mi by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-differs" = "16Mi by default, in place of 256Mi"))]
    pub initial_connection_window_size: Option<Quantity>,
    /// How many bytes of a request may arrive ahead of what was forwarded: 65535 to 2147483647, as a number or with a
    /// unit, such as `64Ki`; 1Mi by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-differs" = "1Mi by default"))]
    pub initial_stream_window_size: Option<Quantity>,
    /// The most concurrent requests of one connection; 100 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1))]
    #[schemars(extend("x-egret-differs" = "100 by default, in place of 1024"))]
    pub max_concurrent_streams: Option<i64>,
}

/// `healthCheck` of the HTTP settings of a ListenerPolicy or HTTPListenerPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListenerHealthCheck {
    /// The path.
    #[schemars(length(max = 2048), regex(pattern = r"^/[-a-zA-Z0-9@:%.+~#?&/=_]+$"))]
    pub path: String,
}

/// `upgradeConfig` of the HTTP settings of a ListenerPolicy or HTTPListenerPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeConfig {
    /// The protocols that connections may be upgraded to, case-insensitive; if set, only these. `h2c` is an error;
    /// `CONNECT`, `websocket` by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    #[schemars(extend("x-egret-differs" = "`CONNECT` and `websocket` by default, in place of none; `h2c` is refused"))]
    pub enabled_upgrades: Vec<String>,
}
