//! `spec.tunnel` of a BackendConfigPolicy: the proxy that connections go through.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kgateway::{HeaderSource, ServiceRef};

/// `spec.tunnel` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TunnelSpec {
    /// The proxy, which is asked for connections by CONNECT.
    pub proxy: TunnelProxySpec,
    /// Headers of these requests, `Proxy-Authorization` for example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub headers: Option<Vec<HeaderSource>>,
}

/// `spec.tunnel.proxy` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TunnelProxySpec {
    /// A Service, or a Backend of type `Static` with one host. Connections to it are made over TLS if a BackendTLSPolicy
    /// or `tls` of a BackendConfigPolicy says so of it.
    #[schemars(extend("x-egret-differs" = "of Backends only one of type `Static` with one host; the proxy speaks HTTP/1.1"))]
    pub backend_ref: ServiceRef,
}
