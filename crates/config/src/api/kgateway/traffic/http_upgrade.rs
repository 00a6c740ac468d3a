//! `spec.httpUpgrade` of a TrafficPolicy: the upgrades that are allowed.

use serde::{Deserialize, Serialize};

/// `spec.httpUpgrade[]` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpUpgrade {
    /// A protocol of the `Upgrade` header such as `websocket`, or `CONNECT`; compared without regard to case.
    #[serde(rename = "type")]
    pub upgrade_type: String,
    /// Settings of the type `CONNECT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<ConnectUpgrade>,
}

/// `spec.httpUpgrade[].connect` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectUpgrade {
    /// Whether the proxy terminates the CONNECT. Only `true` is supported: without it, kgateway forwards the CONNECT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminate: Option<bool>,
}
