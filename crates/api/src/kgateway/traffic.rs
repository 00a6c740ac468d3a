//! `TrafficPolicy`: what is done with requests before they are forwarded.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::UnsupportedValue;
use crate::target::{TargetRef, TargetSelector};
use crate::validation;

mod acl;
mod authentication;
mod compression;
mod cors;
mod csrf;
mod extension;
mod fault_injection;
mod header_modifiers;
mod http_upgrade;
mod internal_redirect;
mod parts;
mod rate_limit;
mod rbac;
mod request_mirror;
mod retry;
mod tracing;
mod transformation;

pub use acl::{AclAction, AclDenyResponse, AclHeader, AclRule, TrafficAcl};
pub use authentication::{
    ApiKeySource, KeysSecret, LabelExpressionSpec, PolicyDisable, SecretSelector,
    TrafficApiKeyAuth, TrafficBasicAuth, UsersSecret,
};
pub use compression::{CompressionLibraries, CompressionLibrary, TrafficCompression};
pub use cors::TrafficCors;
pub use csrf::{OriginMatch, TrafficCsrf};
pub use extension::{ExtensionRef, TrafficExtAuth, TrafficExtProc, TrafficJwtAuth};
pub use fault_injection::{FaultAbort, FaultDelay, FaultRateLimit, TrafficFaultInjection};
pub use header_modifiers::{HeaderModifier, HeaderSecret, HeaderSource, TrafficHeaderModifiers};
pub use http_upgrade::{ConnectUpgrade, HttpUpgrade};
pub use internal_redirect::TrafficInternalRedirect;
pub use parts::{PathRegexRewrite, TrafficBuffer, TrafficTimeouts, TrafficUrlRewrite};
pub use rate_limit::{
    GenericEntry, GlobalRateLimitSpec, LocalRateLimitSpec, RateLimitDescriptorSpec,
    RateLimitEntrySpec, RateLimitEntryType, TokenBucketSpec, TrafficRateLimit,
};
pub use rbac::{RbacAction, RbacPolicy, TrafficRbac};
pub use request_mirror::TrafficRequestMirror;
pub use retry::{RateLimitedBackOffSpec, ResetHeaderSpec, TrafficRetry};
pub use tracing::{TracingDisabled, TrafficTracing};
pub use transformation::{
    BodyParsing, BodyTemplateSpec, HeaderTemplateSpec, MessageTransformation, TrafficTransformation,
};

recognised! {
    /// `spec` of a TrafficPolicy.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "TrafficPolicy", namespaced)]
    #[kube(plural = "trafficpolicies", schema = "disabled", derive = "PartialEq")]
    TrafficPolicySpec {
        /// The Gateways, ListenerSets, HTTPRoutes and GRPCRoutes, or sections of them (a listener, a named rule), that
        /// the policy applies to, in its namespace.
        #[serde(default, rename = "targetRefs", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(min = 1, max = 16), extend("x-kubernetes-validations" = [targets_only("targetRefs")]))]
        target_refs: Vec<TargetRef>,
        /// Selects such objects by label. A selector that matches nothing is a problem.
        #[serde(default, rename = "targetSelectors", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 64), extend("x-kubernetes-validations" = [targets_only("targetSelectors")]))]
        target_selectors: Vec<TargetSelector>,
        /// How many requests may be sent.
        #[serde(default, rename = "rateLimit", skip_serializing_if = "Option::is_none")]
        rate_limit: Option<TrafficRateLimit>,
        /// When a request is retried.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry: Option<TrafficRetry>,
        /// Redirects that the gateway follows in place of the client.
        #[serde(default, rename = "internalRedirect", skip_serializing_if = "Option::is_none")]
        internal_redirect: Option<TrafficInternalRedirect>,
        /// The upgrades that are allowed: only these. `[]` allows neither upgrades nor tunnels; `CONNECT`, `websocket`
        /// by default.
        #[serde(default, rename = "httpUpgrade", skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
        http_upgrade: Option<Vec<HttpUpgrade>>,
        /// What pages of other origins may do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cors: Option<TrafficCors>,
        /// Refuses requests that pages of other origins send.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        csrf: Option<TrafficCsrf>,
        /// Delays and failures on purpose.
        #[serde(default, rename = "faultInjection", skip_serializing_if = "Option::is_none")]
        fault_injection: Option<TrafficFaultInjection>,
        /// Time limits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeouts: Option<TrafficTimeouts>,
        /// Rewrites the path.
        #[serde(default, rename = "urlRewrite", skip_serializing_if = "Option::is_none")]
        url_rewrite: Option<TrafficUrlRewrite>,
        /// Whether a Static backend is sent its own host in `Host`, with the port if it is not the default one; `false`
        /// by default.
        #[serde(default, rename = "autoHostRewrite", skip_serializing_if = "Option::is_none")]
        auto_host_rewrite: Option<bool>,
        /// Reads request bodies as a whole before they are sent on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        buffer: Option<TrafficBuffer>,
        /// Compresses responses, and decompresses the bodies of requests.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compression: Option<TrafficCompression>,
        /// Which clients may send requests.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acl: Option<TrafficAcl>,
        /// Authenticates clients by user name and password.
        #[serde(default, rename = "basicAuth", skip_serializing_if = "Option::is_none")]
        basic_auth: Option<TrafficBasicAuth>,
        /// Authenticates clients by API key.
        #[serde(default, rename = "apiKeyAuth", skip_serializing_if = "Option::is_none")]
        api_key_auth: Option<TrafficApiKeyAuth>,
        /// Authenticates clients by tokens.
        #[serde(default, rename = "jwtAuth", skip_serializing_if = "Option::is_none")]
        jwt_auth: Option<TrafficJwtAuth>,
        /// Which requests are let through, by a service.
        #[serde(default, rename = "extAuth", skip_serializing_if = "Option::is_none")]
        ext_auth: Option<TrafficExtAuth>,
        /// A service that reads and changes requests and responses.
        #[serde(default, rename = "extProc", skip_serializing_if = "Option::is_none")]
        ext_proc: Option<TrafficExtProc>,
        /// Which requests are let through, by expressions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rbac: Option<TrafficRbac>,
        /// Changes requests and responses by templates.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transformation: Option<TrafficTransformation>,
        /// Changes the headers of requests and responses.
        #[serde(default, rename = "headerModifiers", skip_serializing_if = "Option::is_none")]
        header_modifiers: Option<TrafficHeaderModifiers>,
        /// What mirrored requests say.
        #[serde(default, rename = "requestMirror", skip_serializing_if = "Option::is_none")]
        request_mirror: Option<TrafficRequestMirror>,
        /// Which requests are traced.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tracing: Option<TrafficTracing>,
    }
    unsupported {
        oauth2 = "oauth2",
    }
    without_effect {
        stat_prefix = "statPrefix": "what is counted has the route and the rule as labels",
    }
}

/// The rule for the targets of a TrafficPolicy.
fn targets_only(field: &str) -> serde_json::Value {
    validation::targets_only(
        &[
            (
                "gateway.networking.k8s.io",
                &["Gateway", "HTTPRoute", "GRPCRoute", "ListenerSet"],
            ),
            ("gateway.networking.x-k8s.io", &["XListenerSet"]),
        ],
        &format!(
            "{field} may only reference Gateway, HTTPRoute, GRPCRoute, or ListenerSet resources"
        ),
    )
}
