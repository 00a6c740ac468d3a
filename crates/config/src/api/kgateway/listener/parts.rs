//! The parts of a ListenerPolicy's settings.

use serde::{Deserialize, Serialize};

use super::ListenerSettings;
use crate::api::quantity::Quantity;

/// One of `spec.perPort`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListenerPort {
    /// The port.
    pub port: i32,
    /// What holds for its listeners, in place of the default.
    pub listener: ListenerSettings,
}

/// `proxyProtocol`; that it is there says that connections begin with a header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyProtocolSettings {
    /// Whether they also may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_requests_without_proxy_protocol: Option<bool>,
}

/// `clientCertificateValidation`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificateValidation {
    /// The CAs.
    pub ca_certificate_refs: Vec<AuthorityReference>,
    /// `Require` or `Optional`.
    pub mode: String,
}

/// A ConfigMap or Secret with certificates of CAs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityReference {
    /// Empty for the core group.
    pub group: String,
    /// `ConfigMap` or `Secret`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Without one, that of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// `httpSettings.http2ProtocolOptions`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerHttp2 {
    /// Whether CONNECT is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_connect: Option<bool>,
    /// Octets that the requests of a connection may bring ahead of what was forwarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_connection_window_size: Option<Quantity>,
    /// The same of one request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_stream_window_size: Option<Quantity>,
    /// Requests in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_streams: Option<i64>,
}

/// `httpSettings.upgradeConfig`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeConfig {
    /// Protocols, and `CONNECT`, in any case of letters.
    #[serde(default)]
    pub enabled_upgrades: Vec<String>,
}
