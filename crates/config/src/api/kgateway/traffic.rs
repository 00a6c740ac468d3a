//! `TrafficPolicy`: what happens to requests on their way.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::{TrafficApiKeyAuth, TrafficBasicAuth, TrafficHeaderModifiers, Unsupported};
use crate::api::target::{TargetRef, TargetSelector};

recognised! {
    /// `spec` of a TrafficPolicy.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "TrafficPolicy", namespaced)]
    #[kube(plural = "trafficpolicies", schema = "disabled", derive = "PartialEq")]
    TrafficPolicySpec {
        /// Gateways, HTTPRoutes, GRPCRoutes, or parts of them.
        #[serde(default, rename = "targetRefs", skip_serializing_if = "Vec::is_empty")]
        target_refs: Vec<TargetRef>,
        /// The same by label.
        #[serde(default, rename = "targetSelectors", skip_serializing_if = "Vec::is_empty")]
        target_selectors: Vec<TargetSelector>,
        /// When a request is sent again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry: Option<TrafficRetry>,
        /// What connections may become: these alone.
        #[serde(default, rename = "httpUpgrade", skip_serializing_if = "Option::is_none")]
        http_upgrade: Option<Vec<HttpUpgrade>>,
        /// Lets in only users with their passwords.
        #[serde(default, rename = "basicAuth", skip_serializing_if = "Option::is_none")]
        basic_auth: Option<TrafficBasicAuth>,
        /// Lets in only clients with their keys.
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

/// `spec.retry` of a TrafficPolicy: `retryOn` or `statusCodes`, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficRetry {
    /// How often at most, the first sending not counted; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<i64>,
    /// Least time between two; 25ms by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_base_interval: Option<String>,
    /// How long each may take; as long as the request may by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_try_timeout: Option<String>,
    /// Words for what makes a request worth sending again, as Envoy defines them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<Vec<String>>,
    /// Statuses that do: 400 to 599.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_codes: Option<Vec<i64>>,
}

/// One of `spec.httpUpgrade` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpUpgrade {
    /// A token of `Upgrade`, such as `websocket`, or `CONNECT`; in any case of letters.
    #[serde(rename = "type")]
    pub upgrade_type: String,
    /// Only of `CONNECT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<ConnectUpgrade>,
}

/// `spec.httpUpgrade[].connect` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectUpgrade {
    /// Whether the tunnel begins here. Only `true` is supported: without it, kgateway passes the CONNECT on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminate: Option<bool>,
}
