//! `spec.httpUpgrade` of a TrafficPolicy: the upgrades that are allowed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `spec.httpUpgrade[]` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HttpUpgrade {
    /// A protocol of the `Upgrade` header such as `websocket`, or `CONNECT`; compared without regard to case.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64))]
    pub upgrade_type: String,
    /// Settings of the type `CONNECT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<ConnectUpgrade>,
}

/// `spec.httpUpgrade[].connect` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectUpgrade {
    /// Whether the proxy terminates the CONNECT. Only `true` is supported: without it, kgateway forwards the CONNECT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminate: Option<bool>,
}
