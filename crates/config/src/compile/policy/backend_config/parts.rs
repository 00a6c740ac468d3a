//! Compiles the fields of a BackendConfigPolicy, and merges those of several policies.

use std::sync::Arc;
use std::time::Duration;

use egret_api::kgateway::{
    BackendConfigPolicySpec, CircuitBreakersSpec, CommonHttpProtocolOptions, OutlierDetectionSpec,
    RetryBudgetSpec, UpstreamProxyProtocol,
};

use super::super::layer::{LayerMerge, PolicyLayer, policy_layer};
use super::balancer::{self, LoadBalancerLayer};
use super::tls_files::TlsSources;
use super::{dns, health_check, http2, tls};
use crate::compile::keepalive::keepalive;
use crate::compile::log::FieldFault;
use crate::compile::value::{MAX_NUMBER, ONE_MILLISECOND, SpecFields};
use crate::snapshot::{
    BackendDns, CircuitBreakers, HealthCheck, Http2Settings, OutlierDetection, ProxyVersion,
    RetryBudget, TcpKeepalive, UpstreamTls, UpstreamTunnel,
};

policy_layer! {
    /// The fields of one policy, or of several that are merged; `None` is not set.
    #[derive(Clone, Debug, Default)]
    pub(super) struct BackendConfigLayer {
        pub(super) connect_timeout: Option<Duration> = "connectTimeout",
        pub(super) tcp_keepalive: Option<TcpKeepalive> = "tcpKeepalive",
        pub(super) load_balancer: Option<LoadBalancerLayer> = "loadBalancer",
        pub(super) outlier_detection: Option<OutlierDetection> = "outlierDetection",
        pub(super) health_check: Option<Arc<HealthCheck>> = "healthCheck",
        pub(super) circuit_breakers: Option<CircuitBreakers> = "circuitBreakers",
        /// In bytes.
        pub(super) replay_limit: Option<usize> = "perConnectionBufferLimitBytes",
        pub(super) per_connection: Option<PerConnectionLayer> = "commonHttpProtocolOptions",
        pub(super) http2: Option<Http2Settings> = "http2ProtocolOptions",
        pub(super) dns: Option<BackendDns> = "dns",
        pub(super) proxy_protocol: Option<ProxyVersion> = "upstreamProxyProtocol",
        pub(super) tunnel: Option<UpstreamTunnel> = "tunnel",
        pub(super) tls: Option<Arc<UpstreamTls>> = "tls",
    }
}

/// `commonHttpProtocolOptions` of a BackendConfigPolicy.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PerConnectionLayer {
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_requests: Option<u32>,
    pub(super) max_header_fields: Option<usize>,
    pub(super) max_stream_duration: Option<Duration>,
}

impl BackendConfigLayer {
    /// Compiles the fields.
    pub(super) fn read(
        spec: &BackendConfigPolicySpec,
        sources: TlsSources<'_>,
        faults: &mut Vec<FieldFault>,
    ) -> Self {
        let BackendConfigPolicySpec {
            target_refs: _,
            target_selectors: _,
            connect_timeout,
            tcp_keepalive,
            load_balancer,
            outlier_detection,
            circuit_breakers,
            per_connection_buffer_limit_bytes: buffer,
            common_http_protocol_options: common_http,
            dns: names,
            health_check: check,
            // None of them has an effect.
            http1_protocol_options: _,
            http2_protocol_options: http2,
            tls,
            upstream_proxy_protocol,
            // It refers to other objects.
            tunnel: _,
        } = spec;
        let mut fields = SpecFields::new("spec", faults);
        fields.unsupported(spec.unsupported());
        let buffer = fields.number("perConnectionBufferLimitBytes", *buffer, &(0..=MAX_NUMBER));
        Self {
            connect_timeout: fields.time(
                "connectTimeout",
                connect_timeout.as_deref(),
                ONE_MILLISECOND,
            ),
            replay_limit: buffer.and_then(|bytes| usize::try_from(bytes).ok()),
            tcp_keepalive: tcp_keepalive
                .as_ref()
                .map(|spec| keepalive(spec, "spec", faults)),
            load_balancer: load_balancer
                .as_ref()
                .map(|spec| balancer::read(spec, faults)),
            outlier_detection: outlier_detection.as_ref().map(|spec| outlier(spec, faults)),
            health_check: check
                .as_ref()
                .map(|spec| Arc::new(health_check::read(spec, faults))),
            circuit_breakers: circuit_breakers.as_ref().map(|spec| breakers(spec, faults)),
            per_connection: common_http
                .as_ref()
                .map(|spec| per_connection(spec, faults)),
            http2: http2.as_ref().map(|spec| http2::read(spec, faults)),
            proxy_protocol: upstream_proxy_protocol
                .as_ref()
                .map(|spec| proxy_version(spec, faults)),
            tunnel: None,
            dns: names.as_ref().map(|spec| dns::read(spec, faults)),
            tls: tls
                .as_ref()
                .and_then(|spec| tls::read(spec, sources, faults))
                .map(Arc::new),
        }
    }
}

fn proxy_version(spec: &UpstreamProxyProtocol, faults: &mut Vec<FieldFault>) -> ProxyVersion {
    let UpstreamProxyProtocol { version } = spec;
    match version.as_deref() {
        None | Some("V1") => ProxyVersion::V1,
        Some("V2") => ProxyVersion::V2,
        Some(_) => {
            let message = "V1 and V2 are supported";
            SpecFields::new("spec.upstreamProxyProtocol", faults).fault("version", message);
            ProxyVersion::V1
        }
    }
}

fn outlier(spec: &OutlierDetectionSpec, faults: &mut Vec<FieldFault>) -> OutlierDetection {
    let OutlierDetectionSpec {
        consecutive_5xx,
        enforcing_consecutive_5xx: enforcing_5xx,
        consecutive_local_origin_failure: consecutive_local,
        enforcing_consecutive_local_origin_failure: enforcing_local,
        split_external_local_origin_errors: split,
        interval,
        base_ejection_time,
        max_ejection_percent,
    } = spec;
    let default = OutlierDetection::default();
    let mut fields = SpecFields::new("spec.outlierDetection", faults);
    let mut count = |name: &str, number: Option<i64>, default: u32| {
        fields
            .number(name, number, &(0..=MAX_NUMBER))
            .unwrap_or(default)
    };
    let consecutive_5xx = count("consecutive5xx", *consecutive_5xx, default.consecutive_5xx);
    let consecutive_local = count(
        "consecutiveLocalOriginFailure",
        *consecutive_local,
        default.consecutive_local,
    );
    let mut percent = |name: &str, number: Option<i64>, default: u8| {
        fields.number(name, number, &(0..=100)).unwrap_or(default)
    };
    let enforcing_5xx = percent(
        "enforcingConsecutive5xx",
        *enforcing_5xx,
        default.enforcing_5xx,
    );
    let enforcing_local = percent(
        "enforcingConsecutiveLocalOriginFailure",
        *enforcing_local,
        default.enforcing_local,
    );
    let max_ejection_percent = percent(
        "maxEjectionPercent",
        *max_ejection_percent,
        default.max_ejection_percent,
    );
    let mut time = |name: &str, text: Option<&str>, default: Duration| {
        fields.time(name, text, ONE_MILLISECOND).unwrap_or(default)
    };
    OutlierDetection {
        consecutive_5xx,
        enforcing_5xx,
        consecutive_local,
        enforcing_local,
        split: split.unwrap_or(default.split),
        interval: time("interval", interval.as_deref(), default.interval),
        base_ejection_time: time(
            "baseEjectionTime",
            base_ejection_time.as_deref(),
            default.base_ejection_time,
        ),
        max_ejection_percent,
    }
}

fn breakers(spec: &CircuitBreakersSpec, faults: &mut Vec<FieldFault>) -> CircuitBreakers {
    let CircuitBreakersSpec {
        max_connections,
        max_pending_requests,
        max_requests,
        max_retries,
        retry_budget: budget,
        track_remaining: _,
    } = spec;
    let limits = [
        max_connections,
        max_pending_requests,
        max_requests,
        max_retries,
    ];
    if limits.into_iter().all(Option::is_none) && budget.is_none() {
        let message = "at least one of the fields in [maxConnections maxPendingRequests maxRequests maxRetries retryBudget] must be set";
        faults.push(FieldFault::new("spec.circuitBreakers", message));
    }
    if max_retries.is_some() && budget.is_some() {
        let message = "at most one of the fields in [maxRetries retryBudget] may be set";
        faults.push(FieldFault::new("spec.circuitBreakers", message));
    }
    let retry_budget = budget.as_ref().map(|spec| retry_budget(spec, faults));
    let mut fields = SpecFields::new("spec.circuitBreakers", faults);
    let default = CircuitBreakers::default();
    let mut limit = |name: &str, number: Option<i64>, least: u32, default: u32| {
        fields
            .number(name, number, &(least..=MAX_NUMBER))
            .unwrap_or(default)
    };
    CircuitBreakers {
        max_connections: limit(
            "maxConnections",
            *max_connections,
            1,
            default.max_connections,
        ),
        max_pending_requests: limit(
            "maxPendingRequests",
            *max_pending_requests,
            1,
            default.max_pending_requests,
        ),
        max_requests: limit("maxRequests", *max_requests, 1, default.max_requests),
        max_retries: limit("maxRetries", *max_retries, 0, default.max_retries),
        retry_budget,
    }
}

fn retry_budget(spec: &RetryBudgetSpec, faults: &mut Vec<FieldFault>) -> RetryBudget {
    let RetryBudgetSpec {
        budget_percent,
        budget_interval,
        min_retry_concurrency,
    } = spec;
    let mut fields = SpecFields::new("spec.circuitBreakers.retryBudget", faults);
    let percent = fields.number("budgetPercent", *budget_percent, &(0..=100));
    let least = fields.number(
        "minRetryConcurrency",
        *min_retry_concurrency,
        &(0..=MAX_NUMBER),
    );
    RetryBudget {
        percent: percent.unwrap_or(20),
        interval: fields.time(
            "budgetInterval",
            budget_interval.as_deref(),
            ONE_MILLISECOND,
        ),
        least: least.unwrap_or(3),
    }
}

fn per_connection(
    spec: &CommonHttpProtocolOptions,
    faults: &mut Vec<FieldFault>,
) -> PerConnectionLayer {
    let CommonHttpProtocolOptions {
        idle_timeout,
        max_requests_per_connection,
        max_headers_count,
        max_stream_duration,
        headers_with_underscores_action: _,
    } = spec;
    let mut fields = SpecFields::new("spec.commonHttpProtocolOptions", faults);
    fields.unsupported(spec.unsupported());
    let idle_timeout = fields.time("idleTimeout", idle_timeout.as_deref(), Duration::ZERO);
    if idle_timeout.is_some_and(|time| time.is_zero()) {
        let message = "0s would keep idle connections forever, which is not supported";
        fields.fault("idleTimeout", message);
    }
    let max_requests = fields.number(
        "maxRequestsPerConnection",
        *max_requests_per_connection,
        &(0..=MAX_NUMBER),
    );
    let fields_count = fields.number("maxHeadersCount", *max_headers_count, &(0..=10_000));
    let duration = fields.time(
        "maxStreamDuration",
        max_stream_duration.as_deref(),
        Duration::ZERO,
    );
    // Zero is what Envoy takes for a field that is not set.
    PerConnectionLayer {
        idle_timeout,
        max_requests: max_requests.filter(|most| *most > 0),
        max_header_fields: fields_count.filter(|most| *most > 0),
        max_stream_duration: duration.filter(|limit| !limit.is_zero()),
    }
}
