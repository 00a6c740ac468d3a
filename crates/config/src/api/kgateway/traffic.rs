//! `TrafficPolicy`: what is done with requests before they are forwarded.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::{TrafficApiKeyAuth, TrafficBasicAuth, TrafficHeaderModifiers, UnsupportedValue};
use crate::api::target::{TargetRef, TargetSelector};

recognised! {
    /// `spec` of a TrafficPolicy.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "TrafficPolicy", namespaced)]
    #[kube(plural = "trafficpolicies", schema = "disabled", derive = "PartialEq")]
    TrafficPolicySpec {
        /// The Gateways, HTTPRoutes and GRPCRoutes, or sections of them, that the policy applies to.
        #[serde(default, rename = "targetRefs", skip_serializing_if = "Vec::is_empty")]
        target_refs: Vec<TargetRef>,
        /// Selects Gateways, HTTPRoutes and GRPCRoutes by label.
        #[serde(default, rename = "targetSelectors", skip_serializing_if = "Vec::is_empty")]
        target_selectors: Vec<TargetSelector>,
        /// When a request is retried.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry: Option<TrafficRetry>,
        /// The upgrades that are allowed, in place of the defaults.
        #[serde(default, rename = "httpUpgrade", skip_serializing_if = "Option::is_none")]
        http_upgrade: Option<Vec<HttpUpgrade>>,
        /// Authenticates clients by user name and password.
        #[serde(default, rename = "basicAuth", skip_serializing_if = "Option::is_none")]
        basic_auth: Option<TrafficBasicAuth>,
        /// Authenticates clients by API key.
        #[serde(default, rename = "apiKeyAuth", skip_serializing_if = "Option::is_none")]
        api_key_auth: Option<TrafficApiKeyAuth>,
        /// Changes the headers of requests and responses.
        #[serde(default, rename = "headerModifiers", skip_serializing_if = "Option::is_none")]
        header_modifiers: Option<TrafficHeaderModifiers>,
    }
    unsupported {
        acl = "acl",
        auto_host_rewrite = "autoHostRewrite",
        buffer = "buffer",
        compression = "compression",
        cors = "cors",
        csrf = "csrf",
        ext_auth = "extAuth",
        ext_proc = "extProc",
        fault_injection = "faultInjection",
        internal_redirect = "internalRedirect",
        jwt_auth = "jwtAuth",
        oauth2 = "oauth2",
        rate_limit = "rateLimit",
        rbac = "rbac",
        request_mirror = "requestMirror",
        stat_prefix = "statPrefix",
        timeouts = "timeouts",
        tracing = "tracing",
        transformation = "transformation",
        url_rewrite = "urlRewrite",
    }
}

/// `spec.retry` of a TrafficPolicy. At least one of `retryOn` and `statusCodes` must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficRetry {
    /// Maximum number of retries; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<i64>,
    /// Minimum time between two attempts; 25ms by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_base_interval: Option<String>,
    /// The time limit of each attempt; by default that of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_try_timeout: Option<String>,
    /// Conditions for a retry, by the words that Envoy defines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<Vec<String>>,
    /// Status codes that cause a retry: 400 to 599.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_codes: Option<Vec<i64>>,
}

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
