//! `BackendConfigPolicy`: how Backends are connected to.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::{Tls, Unsupported};
use crate::api::quantity::Quantity;
use crate::api::target::{TargetRef, TargetSelector};

recognised! {
    /// `spec` of a BackendConfigPolicy.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "BackendConfigPolicy", namespaced)]
    #[kube(plural = "backendconfigpolicies", schema = "disabled", derive = "PartialEq")]
    BackendConfigPolicySpec {
        /// Backends.
        #[serde(default, rename = "targetRefs", skip_serializing_if = "Vec::is_empty")]
        target_refs: Vec<TargetRef>,
        /// Backends by label.
        #[serde(default, rename = "targetSelectors", skip_serializing_if = "Vec::is_empty")]
        target_selectors: Vec<TargetSelector>,
        /// How long connecting to one address may take; 5s by default.
        #[serde(default, rename = "connectTimeout", skip_serializing_if = "Option::is_none")]
        connect_timeout: Option<String>,
        /// Probes on quiet connections; none by default.
        #[serde(default, rename = "tcpKeepalive", skip_serializing_if = "Option::is_none")]
        tcp_keepalive: Option<TcpKeepalive>,
        /// Which address is used next; each in its turn by default.
        #[serde(default, rename = "loadBalancer", skip_serializing_if = "Option::is_none")]
        load_balancer: Option<LoadBalancer>,
        /// When an address is taken for ill by its answers; never by default.
        #[serde(default, rename = "outlierDetection", skip_serializing_if = "Option::is_none")]
        outlier_detection: Option<OutlierDetection>,
        /// Limits of one destination.
        #[serde(default, rename = "circuitBreakers", skip_serializing_if = "Option::is_none")]
        circuit_breakers: Option<CircuitBreakers>,
        /// Octets; 1 MiB by default.
        #[serde(
            default,
            rename = "perConnectionBufferLimitBytes",
            skip_serializing_if = "Option::is_none"
        )]
        per_connection_buffer_limit_bytes: Option<i64>,
        /// Settings of every version of HTTP.
        #[serde(default, rename = "commonHttpProtocolOptions", skip_serializing_if = "Option::is_none")]
        common_http_protocol_options: Option<CommonHttpProtocolOptions>,
        /// HTTP/2 as it is spoken to the Backend, where it is.
        #[serde(default, rename = "http2ProtocolOptions", skip_serializing_if = "Option::is_none")]
        http2_protocol_options: Option<Http2ProtocolOptions>,
        /// How TLS is spoken to the Backend; it is to a static one if this is set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tls: Option<Tls>,
    }
    unsupported {
        dns = "dns",
        health_check = "healthCheck",
        http1_protocol_options = "http1ProtocolOptions",
        upstream_proxy_protocol = "upstreamProxyProtocol",
    }
}

/// `spec.tcpKeepalive` of a BackendConfigPolicy; what is not set is the system's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TcpKeepalive {
    /// Probes without an answer that end a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive_probes: Option<i64>,
    /// How long a connection is quiet before the first probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive_time: Option<String>,
    /// Between two probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive_interval: Option<String>,
}

recognised! {
    /// `spec.loadBalancer` of a BackendConfigPolicy: at most one of the algorithms.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    LoadBalancer {
        /// Each in its turn.
        #[serde(default, rename = "roundRobin", skip_serializing_if = "Option::is_none")]
        round_robin: Option<RoundRobin>,
        /// The least busy of some.
        #[serde(default, rename = "leastRequest", skip_serializing_if = "Option::is_none")]
        least_request: Option<LeastRequest>,
        /// Any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        random: Option<Random>,
        /// Whether connections to addresses that a name no longer has are closed.
        #[serde(
            default,
            rename = "closeConnectionsOnHostSetChange",
            skip_serializing_if = "Option::is_none"
        )]
        close_connections_on_host_set_change: Option<bool>,
    }
    unsupported {
        healthy_panic_threshold = "healthyPanicThreshold",
        locality_type = "localityType",
        maglev = "maglev",
        ring_hash = "ringHash",
        update_merge_window = "updateMergeWindow",
        zone_aware = "zoneAware",
    }
}

recognised! {
    /// `spec.loadBalancer.roundRobin` of a BackendConfigPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    RoundRobin {}
    unsupported {
        slow_start = "slowStart",
    }
}

recognised! {
    /// `spec.loadBalancer.leastRequest` of a BackendConfigPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    LeastRequest {
        /// How many are drawn; 2 by default.
        #[serde(default, rename = "choiceCount", skip_serializing_if = "Option::is_none")]
        choice_count: Option<i64>,
    }
    unsupported {
        slow_start = "slowStart",
    }
}

/// `spec.loadBalancer.random` of a BackendConfigPolicy, which has no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Random {}

/// `spec.outlierDetection` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutlierDetection {
    /// 5 by default, 0 is never.
    #[serde(default, rename = "consecutive5xx")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_5xx: Option<i64>,
    /// In percent; 100 by default.
    #[serde(default, rename = "enforcingConsecutive5xx")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforcing_consecutive_5xx: Option<i64>,
    /// 5 by default, 0 is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_local_origin_failure: Option<i64>,
    /// In percent; 100 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcing_consecutive_local_origin_failure: Option<i64>,
    /// Whether local failures are counted apart; not by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_external_local_origin_errors: Option<bool>,
    /// 10s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// 30s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_ejection_time: Option<String>,
    /// 10 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ejection_percent: Option<i64>,
}

/// `spec.circuitBreakers` of a BackendConfigPolicy: at least one of the limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreakers {
    /// 1024 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<i64>,
    /// 1024 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pending_requests: Option<i64>,
    /// 1024 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<i64>,
    /// 3 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<i64>,
    /// Whether what is left of the limits is published. Only `false` is supported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track_remaining: Option<bool>,
}

recognised! {
    /// `spec.commonHttpProtocolOptions` of a BackendConfigPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    CommonHttpProtocolOptions {
        /// How long a connection may wait for a next request.
        #[serde(default, rename = "idleTimeout", skip_serializing_if = "Option::is_none")]
        idle_timeout: Option<String>,
        /// Requests after which a connection is closed; 0, the default, is never.
        #[serde(default, rename = "maxRequestsPerConnection", skip_serializing_if = "Option::is_none")]
        max_requests_per_connection: Option<i64>,
    }
    unsupported {
        max_headers_count = "maxHeadersCount",
        max_stream_duration = "maxStreamDuration",
    }
}

recognised! {
    /// `spec.http2ProtocolOptions` of a BackendConfigPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    Http2ProtocolOptions {
        /// Octets that a stream may bring ahead of what was read.
        #[serde(default, rename = "initialStreamWindowSize", skip_serializing_if = "Option::is_none")]
        initial_stream_window_size: Option<Quantity>,
        /// The same of a whole connection.
        #[serde(
            default,
            rename = "initialConnectionWindowSize",
            skip_serializing_if = "Option::is_none"
        )]
        initial_connection_window_size: Option<Quantity>,
        /// Streams of one connection.
        #[serde(default, rename = "maxConcurrentStreams", skip_serializing_if = "Option::is_none")]
        max_concurrent_streams: Option<i64>,
        /// PINGs; none by default.
        #[serde(default, rename = "connectionKeepalive", skip_serializing_if = "Option::is_none")]
        connection_keepalive: Option<ConnectionKeepalive>,
    }
    unsupported {
        override_stream_error = "overrideStreamErrorOnInvalidHttpMessage",
    }
}

recognised! {
    /// `spec.http2ProtocolOptions.connectionKeepalive` of a BackendConfigPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    ConnectionKeepalive {
        /// Between two PINGs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interval: Option<String>,
        /// How long an answer may take.
        timeout: String,
    }
    unsupported {
        connection_idle_interval = "connectionIdleInterval",
    }
}
