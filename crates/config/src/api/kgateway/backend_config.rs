//! `BackendConfigPolicy`: how the proxy connects to Backends.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::{BackendConfigTls, UnsupportedValue};
use crate::api::quantity::Quantity;
use crate::api::target::{TargetRef, TargetSelector};

recognised! {
    /// `spec` of a BackendConfigPolicy.
    #[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[kube(group = "gateway.kgateway.dev", version = "v1alpha1", kind = "BackendConfigPolicy", namespaced)]
    #[kube(plural = "backendconfigpolicies", schema = "disabled", derive = "PartialEq")]
    BackendConfigPolicySpec {
        /// The Backends that the policy applies to.
        #[serde(default, rename = "targetRefs", skip_serializing_if = "Vec::is_empty")]
        target_refs: Vec<TargetRef>,
        /// Selects Backends by label.
        #[serde(default, rename = "targetSelectors", skip_serializing_if = "Vec::is_empty")]
        target_selectors: Vec<TargetSelector>,
        /// The time limit of connecting to one address; 5s by default.
        #[serde(default, rename = "connectTimeout", skip_serializing_if = "Option::is_none")]
        connect_timeout: Option<String>,
        /// TCP keepalive probes; none by default.
        #[serde(default, rename = "tcpKeepalive", skip_serializing_if = "Option::is_none")]
        tcp_keepalive: Option<TcpKeepaliveSpec>,
        /// The load balancing algorithm; round robin by default.
        #[serde(default, rename = "loadBalancer", skip_serializing_if = "Option::is_none")]
        load_balancer: Option<LoadBalancerSpec>,
        /// When an address is ejected because of its responses; never by default.
        #[serde(default, rename = "outlierDetection", skip_serializing_if = "Option::is_none")]
        outlier_detection: Option<OutlierDetectionSpec>,
        /// Limits of one destination.
        #[serde(default, rename = "circuitBreakers", skip_serializing_if = "Option::is_none")]
        circuit_breakers: Option<CircuitBreakersSpec>,
        /// Bytes of a request body that are buffered for a retry; 1 MiB by default.
        #[serde(
            default,
            rename = "perConnectionBufferLimitBytes",
            skip_serializing_if = "Option::is_none"
        )]
        per_connection_buffer_limit_bytes: Option<i64>,
        /// Settings of all HTTP versions.
        #[serde(default, rename = "commonHttpProtocolOptions", skip_serializing_if = "Option::is_none")]
        common_http_protocol_options: Option<CommonHttpProtocolOptions>,
        /// Settings of HTTP/2 connections to the Backend.
        #[serde(default, rename = "http2ProtocolOptions", skip_serializing_if = "Option::is_none")]
        http2_protocol_options: Option<Http2ProtocolOptions>,
        /// TLS to the Backend. A static Backend is reached over TLS if this is set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tls: Option<BackendConfigTls>,
    }
    unsupported {
        dns = "dns",
        health_check = "healthCheck",
        http1_protocol_options = "http1ProtocolOptions",
        upstream_proxy_protocol = "upstreamProxyProtocol",
    }
}

/// `spec.tcpKeepalive` of a BackendConfigPolicy. The system's default holds for a field that is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TcpKeepaliveSpec {
    /// The number of unanswered probes after which the connection is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive_probes: Option<i64>,
    /// The idle time before the first probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive_time: Option<String>,
    /// The time between two probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive_interval: Option<String>,
}

recognised! {
    /// `spec.loadBalancer` of a BackendConfigPolicy. At most one of the algorithms may be set.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    LoadBalancerSpec {
        /// Round robin.
        #[serde(default, rename = "roundRobin", skip_serializing_if = "Option::is_none")]
        round_robin: Option<RoundRobin>,
        /// The address with the fewest requests in progress, of some that are drawn at random.
        #[serde(default, rename = "leastRequest", skip_serializing_if = "Option::is_none")]
        least_request: Option<LeastRequest>,
        /// An address drawn at random.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        random: Option<RandomBalancer>,
        /// Whether connections to addresses that a name no longer resolves to are closed.
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
        /// How many addresses are drawn; 2 by default.
        #[serde(default, rename = "choiceCount", skip_serializing_if = "Option::is_none")]
        choice_count: Option<i64>,
    }
    unsupported {
        slow_start = "slowStart",
    }
}

/// `spec.loadBalancer.random` of a BackendConfigPolicy, which has no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RandomBalancer {}

/// `spec.outlierDetection` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutlierDetectionSpec {
    /// Consecutive 5xx responses that eject an address; 5 by default, 0 is never.
    #[serde(default, rename = "consecutive5xx")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_5xx: Option<i64>,
    /// The probability of an ejection, in percent; 100 by default.
    #[serde(default, rename = "enforcingConsecutive5xx")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforcing_consecutive_5xx: Option<i64>,
    /// Consecutive local failures (such as connection failures) that eject an address; 5 by default, 0 is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_local_origin_failure: Option<i64>,
    /// The probability of an ejection because of local failures, in percent; 100 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcing_consecutive_local_origin_failure: Option<i64>,
    /// Whether local failures are counted apart from responses; `false` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_external_local_origin_errors: Option<bool>,
    /// The time without a fault after which the next ejection of an address is one step shorter; 10s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// The length of the first ejection; 30s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_ejection_time: Option<String>,
    /// The maximum share of ejected addresses, in percent; 10 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ejection_percent: Option<i64>,
}

/// `spec.circuitBreakers` of a BackendConfigPolicy. At least one of the limits must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreakersSpec {
    /// Maximum number of connections; 1024 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<i64>,
    /// Maximum number of requests that wait for a connection; 1024 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pending_requests: Option<i64>,
    /// Maximum number of requests in progress; 1024 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<i64>,
    /// Maximum number of retries in progress; 3 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<i64>,
    /// Whether the remaining capacity is published as metrics. Only `false` is supported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track_remaining: Option<bool>,
}

recognised! {
    /// `spec.commonHttpProtocolOptions` of a BackendConfigPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    CommonHttpProtocolOptions {
        /// How long an idle connection is kept.
        #[serde(default, rename = "idleTimeout", skip_serializing_if = "Option::is_none")]
        idle_timeout: Option<String>,
        /// The number of requests after which a connection is closed; 0, the default, is never.
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
        /// The initial window of a stream, in bytes.
        #[serde(default, rename = "initialStreamWindowSize", skip_serializing_if = "Option::is_none")]
        initial_stream_window_size: Option<Quantity>,
        /// The initial window of a connection, in bytes.
        #[serde(
            default,
            rename = "initialConnectionWindowSize",
            skip_serializing_if = "Option::is_none"
        )]
        initial_connection_window_size: Option<Quantity>,
        /// Maximum number of concurrent streams of one connection.
        #[serde(default, rename = "maxConcurrentStreams", skip_serializing_if = "Option::is_none")]
        max_concurrent_streams: Option<i64>,
        /// PING frames; none by default.
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
        /// The time between two PINGs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interval: Option<String>,
        /// The time limit of the answer to a PING.
        timeout: String,
    }
    unsupported {
        connection_idle_interval = "connectionIdleInterval",
    }
}
