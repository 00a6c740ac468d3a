//! Settings of connections to a Backend: BackendConfigPolicy and BackendTLSPolicy.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{BackendDns, HashPolicy, HealthCheck, SlowStart, UpstreamTls, UpstreamTunnel};
use crate::resources::ObjectRef;

/// The compiled `spec` of a BackendConfigPolicy. The defaults apply to Backends without a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackendSettings {
    /// The policy; the oldest, if there are several. A Backend with a policy shares no connections, limits and health
    /// with other Backends.
    pub policy: Option<ObjectRef>,
    /// The time limit of connecting to one address.
    pub connect_timeout: Duration,
    /// TCP keepalive probes; `None` sends none.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// The load balancing algorithm.
    pub load_balancing: LoadBalancing,
    /// What requests to the same host have in common, for [`LoadBalancing::Hash`]; `None` is nothing.
    pub hash: Option<Arc<[HashPolicy]>>,
    /// Gives new addresses their share of the requests bit by bit.
    pub slow_start: Option<SlowStart>,
    /// Whether a connection to an address that is no longer in the DNS answer is closed once its requests have ended
    /// (`loadBalancer.closeConnectionsOnHostSetChange`).
    pub close_on_address_change: bool,
    /// When an address is ejected because of its responses; `None` is never. Failures to connect count in any case.
    pub outlier_detection: Option<OutlierDetection>,
    /// How the addresses are asked whether they can serve; `None` asks none. A backend whose hosts clients choose is not
    /// checked.
    pub health_check: Option<Arc<HealthCheck>>,
    /// The limits of one destination.
    pub circuit_breakers: CircuitBreakers,
    /// Bytes of a request body that are buffered for a retry (`perConnectionBufferLimitBytes`). A request with a longer
    /// body is not retried.
    pub replay_limit: usize,
    /// How long an idle connection is kept (`commonHttpProtocolOptions.idleTimeout`); `None` is the proxy's default.
    pub idle_timeout: Option<Duration>,
    /// The number of requests after which a connection is closed
    /// (`commonHttpProtocolOptions.maxRequestsPerConnection`); `None` is never.
    pub max_requests_per_connection: Option<u32>,
    /// Maximum number of header fields of a response (`commonHttpProtocolOptions.maxHeadersCount`); `None` is the
    /// proxy's default.
    pub max_header_fields: Option<usize>,
    /// The time limit of one attempt with the body of the response (`commonHttpProtocolOptions.maxStreamDuration`);
    /// `None` is the rule's.
    pub max_stream_duration: Option<Duration>,
    /// TLS settings, for connections over TLS; `None` trusts the system's CAs and sends no client certificate.
    pub tls: Option<Arc<UpstreamTls>>,
    /// Settings of HTTP/2 connections.
    pub http2: Http2Settings,
    /// The PROXY protocol header that connections begin with (`upstreamProxyProtocol`); `None` is none.
    pub proxy_protocol: Option<ProxyVersion>,
    /// The proxy that connections go through (`tunnel`); `None` is none.
    pub tunnel: Option<UpstreamTunnel>,
    /// How the names of the Backend are resolved; `None` is as its ResolverPolicy says.
    pub dns: Option<BackendDns>,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum ProxyVersion {
    /// Version 1, a line of text.
    V1,
    /// Version 2, in binary.
    V2,
}

/// The HTTP version of an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum HttpVersion {
    /// HTTP/1.1 in plaintext; over TLS, the version that ALPN negotiates (RFC 7301).
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; in plaintext, with prior knowledge (RFC 9113 3.3).
    Http2,
}

/// `http2ProtocolOptions` of a BackendConfigPolicy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Http2Settings {
    /// The initial window of a stream, in bytes.
    pub initial_stream_window: u32,
    /// The initial window of a connection, in bytes.
    pub initial_connection_window: u32,
    /// Maximum number of concurrent streams of one connection; the upstream may allow fewer.
    pub max_concurrent_streams: u32,
    /// PING frames on connections in use; `None` sends none.
    pub keepalive: Option<Http2Keepalive>,
}

/// `http2ProtocolOptions.connectionKeepalive` of a BackendConfigPolicy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Http2Keepalive {
    /// The time between two PINGs.
    pub interval: Duration,
    /// The time limit of the answer to a PING, after which the connection is closed.
    pub timeout: Duration,
}

impl Default for Http2Settings {
    /// Some clients that do not read must not exhaust the window of the connection: that takes 64 of them, and the
    /// memory of one connection is still bounded.
    fn default() -> Self {
        Self {
            initial_stream_window: 512 * 1024,
            initial_connection_window: 32 * 1024 * 1024,
            max_concurrent_streams: 1024,
            keepalive: None,
        }
    }
}

/// `tcpKeepalive` of a policy. `None` in a field is the system's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TcpKeepalive {
    /// The idle time before the first probe.
    pub time: Option<Duration>,
    /// The time between two probes.
    pub interval: Option<Duration>,
    /// The number of unanswered probes after which the connection is closed.
    pub probes: Option<u32>,
}

/// `loadBalancer` of a BackendConfigPolicy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum LoadBalancing {
    /// Round robin.
    #[default]
    RoundRobin,
    /// The address with the fewest requests in progress, of at least two that are drawn at random.
    LeastRequest {
        /// How many addresses are drawn (`choiceCount`).
        choices: u32,
    },
    /// An address drawn at random.
    Random,
    /// The same one for all requests that have the same in common (`ringHash`, `maglev`), and any for the others.
    Hash,
}

/// `outlierDetection` of a BackendConfigPolicy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OutlierDetection {
    /// Consecutive responses with a status of 500 or above that eject an address; zero is never. Local failures count
    /// too unless `split` is set.
    pub consecutive_5xx: u32,
    /// The probability of an ejection, in percent.
    pub enforcing_5xx: u8,
    /// Consecutive local failures (connection failures, resets and timeouts) that eject an address if `split` is set;
    /// zero is never.
    pub consecutive_local: u32,
    /// The probability of an ejection because of local failures, in percent.
    pub enforcing_local: u8,
    /// Whether local failures are counted apart from responses (`splitExternalLocalOriginErrors`).
    pub split: bool,
    /// The time without a fault after which the next ejection of an address is one step shorter.
    pub interval: Duration,
    /// The length of the first ejection. The nth lasts n times as long, up to the longer of five minutes and this time.
    pub base_ejection_time: Duration,
    /// The maximum share of a destination's addresses that may be ejected, in percent. One may always be ejected if
    /// there is another.
    pub max_ejection_percent: u8,
}

/// `circuitBreakers` of a BackendConfigPolicy: the limits of each destination, over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CircuitBreakers {
    /// Maximum number of connections. A request that would need one more waits.
    pub max_connections: u32,
    /// Maximum number of requests that wait for a connection. One more is refused.
    pub max_pending_requests: u32,
    /// Maximum number of requests in progress. One more is refused.
    pub max_requests: u32,
    /// Maximum number of retries in progress. One more is not made.
    pub max_retries: u32,
    /// In place of `max_retries`: what retries may be of the requests.
    pub retry_budget: Option<RetryBudget>,
}

/// `circuitBreakers.retryBudget` of a BackendConfigPolicy: what share of the requests retries may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RetryBudget {
    /// The share, in percent.
    pub percent: u8,
    /// The time over which requests and retries are counted; `None` counts those in progress.
    pub interval: Option<Duration>,
    /// As many retries as this may be made however few requests there are.
    pub least: u32,
}

impl RetryBudget {
    /// The most retries beside so many requests.
    #[must_use]
    pub fn most(self, requests: u32) -> u32 {
        let share = u64::from(requests) * u64::from(self.percent) / 100;
        u32::try_from(share).unwrap_or(u32::MAX).max(self.least)
    }
}

impl Default for BackendSettings {
    fn default() -> Self {
        Self {
            policy: None,
            connect_timeout: Duration::from_secs(5),
            tcp_keepalive: None,
            load_balancing: LoadBalancing::default(),
            hash: None,
            slow_start: None,
            close_on_address_change: true,
            outlier_detection: None,
            health_check: None,
            circuit_breakers: CircuitBreakers::default(),
            replay_limit: 1024 * 1024,
            idle_timeout: None,
            max_requests_per_connection: None,
            max_header_fields: None,
            max_stream_duration: None,
            tls: None,
            http2: Http2Settings::default(),
            proxy_protocol: None,
            tunnel: None,
            dns: None,
        }
    }
}

impl Default for OutlierDetection {
    fn default() -> Self {
        Self {
            consecutive_5xx: 5,
            enforcing_5xx: 100,
            consecutive_local: 5,
            enforcing_local: 100,
            split: false,
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_percent: 10,
        }
    }
}

impl Default for CircuitBreakers {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_pending_requests: 1024,
            max_requests: 1024,
            max_retries: 3,
            retry_budget: None,
        }
    }
}
