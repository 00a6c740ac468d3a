//! `spec.httpUpgrade` of a TrafficPolicy: the upgrades that are allowed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `spec.httpUpgrade[]` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HttpUpgrade {
    /// A protocol of `Upgrade`, such as `websocket` or `spdy/3.1`, or `CONNECT`; case-insensitive, each once. Not
    /// `h2c`.
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
    /// Required for `CONNECT`: `true` opens the tunnel here. Forwarding a CONNECT to another proxy is not supported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminate: Option<bool>,
}
