//! `BackendConfigPolicy`: how the proxy connects to Backends.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BackendConfigTls;
use crate::quantity::Quantity;
use crate::target::{TargetRef, TargetSelector};
use crate::validation;

mod balancer;
mod health_check;
mod tunnel;

pub use balancer::{
    HashCookieSpec, HashHeaderSpec, HashPolicySpec, HashSourceIp, LeastRequest, LoadBalancerSpec,
    Maglev, RandomBalancer, RingHash, RoundRobin, SlowStartSpec,
};
pub use health_check::{
    GrpcHealthCheckSpec, HealthCheckSpec, HttpHealthCheckSpec, TcpHealthCheckSpec,
};
pub use tunnel::{TunnelProxySpec, TunnelSpec};

recognised! {
    /// `spec` of a BackendConfigPolicy.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "BackendConfigPolicy", namespaced)]
    #[kube(plural = "backendconfigpolicies", schema = "disabled", derive = "PartialEq")]
    BackendConfigPolicySpec {
        /// The Backends and Services that the policy applies to, in its namespace; of a Service it is for all ports.
        #[serde(default, rename = "targetRefs", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(min = 1, max = 16), extend("x-kubernetes-validations" = [targets_only("TargetRefs")]))]
        target_refs: Vec<TargetRef>,
        /// Selects Backends and Services by label.
        #[serde(default, rename = "targetSelectors", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 64), extend("x-kubernetes-validations" = [targets_only("TargetSelectors")]))]
        target_selectors: Vec<TargetSelector>,
        /// The time limit of connecting to one address, and as long again for the TLS handshake; 5s by default.
        #[serde(default, rename = "connectTimeout", skip_serializing_if = "Option::is_none")]
        #[schemars(schema_with = "validation::duration")]
        connect_timeout: Option<String>,
        /// TCP keepalive probes. The system's defaults apply to fields that are not set; none by default.
        #[serde(default, rename = "tcpKeepalive", skip_serializing_if = "Option::is_none")]
        tcp_keepalive: Option<TcpKeepaliveSpec>,
        /// How requests are balanced over addresses: at most one algorithm; `roundRobin` by default.
        #[serde(default, rename = "loadBalancer", skip_serializing_if = "Option::is_none")]
        load_balancer: Option<LoadBalancerSpec>,
        /// When an address is ejected because of its responses; never by default.
        #[serde(default, rename = "outlierDetection", skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-egret-differs" = "an ejected address is tried last, and never left out"))]
        outlier_detection: Option<OutlierDetectionSpec>,
        /// How the addresses are asked whether they can serve; not at all by default.
        #[serde(default, rename = "healthCheck", skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-egret-differs" = "an unhealthy address is tried last, and never left out; a Backend whose hosts clients choose is not checked"))]
        health_check: Option<HealthCheckSpec>,
        /// The proxy that connections go through; none by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-egret-differs" = "of Backends of type `DynamicForwardProxy` too, and with any number of hosts"))]
        tunnel: Option<TunnelSpec>,
        /// Limits of one destination.
        #[serde(default, rename = "circuitBreakers", skip_serializing_if = "Option::is_none")]
        circuit_breakers: Option<CircuitBreakersSpec>,
        /// How many bytes of a request's body are buffered for replay. A request with a longer body is not retried;
        /// 1048576 by default.
        #[serde(
            default,
            rename = "perConnectionBufferLimitBytes",
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(with = "i32", range(min = 0))]
        #[schemars(extend("x-egret-differs" = "the bytes of the body of a request that are kept for a retry"))]
        per_connection_buffer_limit_bytes: Option<i64>,
        /// Settings of all HTTP versions.
        #[serde(default, rename = "commonHttpProtocolOptions", skip_serializing_if = "Option::is_none")]
        common_http_protocol_options: Option<CommonHttpProtocolOptions>,
        /// Settings of HTTP/2 connections to the Backend.
        #[serde(default, rename = "http2ProtocolOptions", skip_serializing_if = "Option::is_none")]
        http2_protocol_options: Option<Http2ProtocolOptions>,
        /// How the names of the Backend are resolved.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-egret-differs" = "without `refreshRate` the TTLs of answers decide; it holds for DynamicForwardProxy Backends too"))]
        dns: Option<BackendDnsSpec>,
        /// Settings of HTTP/1.1 connections to the Backend.
        #[serde(default, rename = "http1ProtocolOptions", skip_serializing_if = "Option::is_none")]
        http1_protocol_options: Option<Http1ProtocolOptions>,
        /// The PROXY protocol header that connections begin with; none by default.
        #[serde(default, rename = "upstreamProxyProtocol", skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-egret-differs" = "the destination in the header is the address that the listener is bound to"))]
        upstream_proxy_protocol: Option<UpstreamProxyProtocol>,
        /// TLS to the Backend. A static Backend is reached over TLS if this is set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tls: Option<BackendConfigTls>,
    }
    unsupported {}
}

/// The rule for the targets of a BackendConfigPolicy.
fn targets_only(field: &str) -> serde_json::Value {
    validation::targets_only(
        &[
            ("", &["Service"]),
            ("gateway.kgateway.dev", &["Backend"]),
            ("networking.istio.io", &["Hostname"]),
        ],
        &format!(
            "{field} must reference either a Kubernetes Service, a Backend, or an Istio Hostname"
        ),
    )
}

/// `spec.tcpKeepalive` of a BackendConfigPolicy. The system's default holds for a field that is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpKeepaliveSpec {
    /// The number of unanswered probes after which the connection is closed, 1 to 127.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0))]
    pub keep_alive_probes: Option<i64>,
    /// The idle time before the first probe, 1s to 32767s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [validation::at_least("1s", "keepAliveTime must be at least 1 second")]))]
    pub keep_alive_time: Option<String>,
    /// The time between two probes, 1s to 32767s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [validation::at_least("1s", "keepAliveInterval must be at least 1 second")]))]
    pub keep_alive_interval: Option<String>,
}

/// `spec.outlierDetection` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutlierDetectionSpec {
    /// Consecutive responses with a status of 500 or above that eject an address. 0 is never; 5 by default.
    #[serde(default, rename = "consecutive5xx")]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0), extend("default" = 5))]
    pub consecutive_5xx: Option<i64>,
    /// The probability that this ejects the address, in percent; 100 by default.
    #[serde(default, rename = "enforcingConsecutive5xx")]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::percentage")]
    pub enforcing_consecutive_5xx: Option<i64>,
    /// Consecutive failures of connecting, resets and timeouts that eject an address, when they are counted apart. 0 is
    /// never; 5 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0))]
    pub consecutive_local_origin_failure: Option<i64>,
    /// The probability of an ejection because of local failures, in percent; 100 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::percentage")]
    pub enforcing_consecutive_local_origin_failure: Option<i64>,
    /// Whether failures of connecting, resets and timeouts are counted apart from responses; `false` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_external_local_origin_errors: Option<bool>,
    /// Each interval that an address is not ejected shortens its next ejection by one step; 10s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration", extend("default" = "10s", "x-kubernetes-validations" = [validation::at_least("1ms", "interval must be at least 1ms")]))]
    pub interval: Option<String>,
    /// The length of the first ejection. The nth lasts n times as long, up to five minutes, or up to this if it is
    /// longer; 30s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration", extend("default" = "30s", "x-kubernetes-validations" = [validation::at_least("1ms", "baseEjectionTime must be at least 1ms")]))]
    pub base_ejection_time: Option<String>,
    /// The most of a destination's addresses that may be ejected, in percent. One may always be, which matters only if
    /// there is another; 10 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::percentage", extend("default" = 10))]
    pub max_ejection_percent: Option<i64>,
}

/// `spec.circuitBreakers` of a BackendConfigPolicy. At least one of the limits must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::at_least_one(&["maxConnections", "maxPendingRequests", "maxRequests", "maxRetries", "retryBudget"]), validation::at_most_one(&["maxRetries", "retryBudget"])]))]
pub struct CircuitBreakersSpec {
    /// The most open connections. A request beyond the limit waits for one of them; 1024 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1))]
    pub max_connections: Option<i64>,
    /// The most requests without a connection yet. A request beyond the limit is refused; 1024 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1))]
    pub max_pending_requests: Option<i64>,
    /// The most requests on connections. A request beyond the limit is refused; 1024 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 1))]
    pub max_requests: Option<i64>,
    /// The most requests that are being retried. A request beyond the limit is not retried; 3 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0))]
    pub max_retries: Option<i64>,
    /// What share of the requests retries may be, in place of `maxRetries`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_budget: Option<RetryBudgetSpec>,
    /// Has no effect: no metric has a label for each destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-egret-no-effect" = "no metric has a label for each destination"))]
    pub track_remaining: Option<bool>,
}

/// `spec.circuitBreakers.retryBudget` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetryBudgetSpec {
    /// The share of the requests that retries may be, in percent; 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::percentage")]
    pub budget_percent: Option<i64>,
    /// The time over which requests and retries are counted; by default those in progress are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration")]
    #[schemars(extend("x-egret-differs" = "retries begun in that time are compared with requests begun in it"))]
    pub budget_interval: Option<String>,
    /// How many retries may be made however few requests there are; 3 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0))]
    pub min_retry_concurrency: Option<i64>,
}

recognised! {
    /// `spec.commonHttpProtocolOptions` of a BackendConfigPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    CommonHttpProtocolOptions {
        /// How long an idle connection is kept in the pool. `0s` is not supported; 60s by default.
        #[serde(default, rename = "idleTimeout", skip_serializing_if = "Option::is_none")]
        #[schemars(schema_with = "validation::duration")]
        #[schemars(extend("x-egret-differs" = "60s by default in place of 1h; `0s` is refused"))]
        idle_timeout: Option<String>,
        /// The most requests of one connection. 0 is unlimited; 0 by default.
        #[serde(default, rename = "maxRequestsPerConnection", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "i32", range(min = 0))]
        max_requests_per_connection: Option<i64>,
        /// The most fields of a response's head, up to 10000. With more the request is answered with 502; 100 by
        /// default.
        #[serde(default, rename = "maxHeadersCount", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "i32", range(min = 0))]
        max_headers_count: Option<i64>,
        /// How long one attempt of a request may take, with the body of its response: without a head by then it is
        /// answered with 504, and a body is broken off; no limit by default.
        #[serde(default, rename = "maxStreamDuration", skip_serializing_if = "Option::is_none")]
        #[schemars(schema_with = "validation::duration")]
        #[schemars(extend("x-egret-differs" = "what an Upgrade or CONNECT has opened is not limited"))]
        max_stream_duration: Option<String>,
    }
    unsupported {}
    without_effect {
        headers_with_underscores_action = "headersWithUnderscoresAction": "it is about the names of fields in requests, and what a backend sends is not changed for it",
    }
}

/// `spec.upstreamProxyProtocol` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpstreamProxyProtocol {
    /// The version: `V1` or `V2`. Such connections are for one client alone, and the limits are for all; `V1` by
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["V1", "V2"], "default" = "V1"))]
    pub version: Option<String>,
}

recognised! {
    /// `spec.dns` of a BackendConfigPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(extend("x-kubernetes-validations" = [validation::rule("!has(self.jitter) || !has(self.refreshRate) || duration(self.jitter) <= duration(self.refreshRate)", "jitter must be less than or equal to refreshRate")]))]
    BackendDnsSpec {
        /// How long the addresses of a name are used before it is queried again, unless `respectTTL` is `true`; the TTL
        /// of the answer by default.
        #[serde(default, rename = "refreshRate", skip_serializing_if = "Option::is_none")]
        #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [validation::at_least("1ms", "refreshRate must be at least 1ms")]))]
        refresh_rate: Option<String>,
        /// Whether the TTL of an answer decides in place of `refreshRate`; `false` by default.
        #[serde(default, rename = "respectTTL", skip_serializing_if = "Option::is_none")]
        respect_ttl: Option<bool>,
        /// The address families: as in a ResolverPolicy, or `All`, which is `Auto`; as the ResolverPolicy says by
        /// default.
        #[serde(default, rename = "lookupFamily", skip_serializing_if = "Option::is_none")]
        #[schemars(extend("enum" = ["Auto", "V4Only", "V6Only", "V4Preferred", "V6Preferred", "All"]))]
        lookup_family: Option<String>,
    }
    unsupported {}
    without_effect {
        jitter = "jitter" as "string": "queries for names that were answered together are spread in any case",
    }
}

recognised! {
    /// `spec.http1ProtocolOptions` of a BackendConfigPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    Http1ProtocolOptions {}
    unsupported {}
    without_effect {
        enable_trailers = "enableTrailers": "trailers are passed on in any case",
        override_stream_error = "overrideStreamErrorOnInvalidHttpMessage": "a message that is not valid ends its connection, and no other request is on it",
        preserve_http1_header_case = "preserveHttp1HeaderCase": "the names of fields are sent in lower case, which means the same (RFC 9110 5.1)",
    }
}

recognised! {
    /// `spec.http2ProtocolOptions` of a BackendConfigPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    Http2ProtocolOptions {
        /// How many bytes of a stream may arrive ahead of what was read: 65535 to 2147483647, as a number or with a
        /// unit (`64Ki`, `1M`); 512Ki by default.
        #[serde(default, rename = "initialStreamWindowSize", skip_serializing_if = "Option::is_none")]
        #[schemars(extend("x-kubernetes-validations" = [validation::is_window("InitialStreamWindowSize")]))]
        #[schemars(extend("x-egret-differs" = "512Ki by default, in place of 256Mi"))]
        initial_stream_window_size: Option<Quantity>,
        /// How many bytes of all streams of a connection may arrive ahead of what was read; 32Mi by default.
        #[serde(
            default,
            rename = "initialConnectionWindowSize",
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(extend("x-kubernetes-validations" = [validation::is_window("InitialConnectionWindowSize")]))]
        #[schemars(extend("x-egret-differs" = "32Mi by default, in place of 256Mi"))]
        initial_connection_window_size: Option<Quantity>,
        /// The most concurrent streams of one connection. The upstream may allow fewer; 1024 by default.
        #[serde(default, rename = "maxConcurrentStreams", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "i32", range(min = 1))]
        max_concurrent_streams: Option<i64>,
        /// PING frames; none by default.
        #[serde(default, rename = "connectionKeepalive", skip_serializing_if = "Option::is_none")]
        connection_keepalive: Option<ConnectionKeepalive>,
    }
    unsupported {}
    without_effect {
        override_stream_error = "overrideStreamErrorOnInvalidHttpMessage": "a message that is not valid ends its stream alone in any case",
    }
}

recognised! {
    /// `spec.http2ProtocolOptions.connectionKeepalive` of a BackendConfigPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    ConnectionKeepalive {
        /// The interval between two PINGs, 1ms or more; without it none is sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [validation::at_least("1ms", "interval must be at least 1ms")]))]
        interval: Option<String>,
        /// How long to wait for the answer to a PING, 1ms or more.
        #[schemars(schema_with = "validation::duration", extend("x-kubernetes-validations" = [validation::at_least("1ms", "timeout must be at least 1ms")]))]
        timeout: String,
    }
    unsupported {}
    without_effect {
        connection_idle_interval = "connectionIdleInterval": "a request that meets an idle connection which has broken goes on over another",
    }
}
