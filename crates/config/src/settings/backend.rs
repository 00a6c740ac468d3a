//! How the addresses of a Backend are used: BackendConfigPolicy.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::UpstreamTls;
use crate::resources::ObjectRef;

/// The compiled `spec` of a BackendConfigPolicy; the defaults are those without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackendSettings {
    /// Who says so; the oldest, where several do. A Backend that has one shares no connections, limits and health with
    /// others.
    pub policy: Option<ObjectRef>,
    /// How long connecting to one address may take.
    pub connect_timeout: Duration,
    /// Probes on connections that are quiet; `None` sends none.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Which address is used next.
    pub load_balancing: LoadBalancing,
    /// Whether a connection to an address that is no longer in the DNS answer is closed once its requests have ended
    /// (`loadBalancer.closeConnectionsOnHostSetChange`).
    pub close_on_address_change: bool,
    /// When an address goes last for what it answered; `None` never. Failures to connect count in any case.
    pub outlier_detection: Option<OutlierDetection>,
    /// The limits of one destination.
    pub circuit_breakers: CircuitBreakers,
    /// Octets of a request's body kept to send them again (`perConnectionBufferLimitBytes`). A longer body is sent once.
    pub replay_limit: usize,
    /// How long a connection may wait for a next request (`commonHttpProtocolOptions.idleTimeout`); `None` is the
    /// proxy's default.
    pub idle_timeout: Option<Duration>,
    /// Requests after which a connection is closed (`commonHttpProtocolOptions.maxRequestsPerConnection`); `None` is
    /// never.
    pub max_requests_per_connection: Option<u32>,
    /// How TLS is spoken, where it is; `None` trusts the system's CAs and shows no certificate.
    pub tls: Option<Arc<UpstreamTls>>,
    /// HTTP/2 as it is spoken to it, where it is.
    pub http2: Http2Settings,
}

/// Which HTTP an upstream speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum HttpVersion {
    /// In the clear HTTP/1.1, over TLS what the two agree on (RFC 7301).
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: in the clear with prior knowledge (RFC 9113 3.3).
    Http2,
}

/// `http2ProtocolOptions` of a BackendConfigPolicy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Http2Settings {
    /// Octets that a stream may bring ahead of what was read.
    pub initial_stream_window: u32,
    /// The same of a whole connection.
    pub initial_connection_window: u32,
    /// Streams of one connection; the upstream may allow fewer.
    pub max_concurrent_streams: u32,
    /// PINGs on a connection in use; `None` sends none.
    pub keepalive: Option<Http2Keepalive>,
}

/// `http2ProtocolOptions.connectionKeepalive`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Http2Keepalive {
    /// Between two PINGs.
    pub interval: Duration,
    /// How long an answer may take before the connection is given up.
    pub timeout: Duration,
}

impl Default for Http2Settings {
    /// Many clients that take nothing must not hold the window of all: it takes 64 of them, and the memory of one connection
    /// stays bounded all the same.
    fn default() -> Self {
        Self {
            initial_stream_window: 512 * 1024,
            initial_connection_window: 32 * 1024 * 1024,
            max_concurrent_streams: 1024,
            keepalive: None,
        }
    }
}

/// `tcpKeepalive`; `None` leaves a value to the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TcpKeepalive {
    /// How long a connection is quiet before the first probe.
    pub time: Option<Duration>,
    /// Between two probes.
    pub interval: Option<Duration>,
    /// How many unanswered probes end the connection.
    pub probes: Option<u32>,
}

/// `loadBalancer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum LoadBalancing {
    /// Each in its turn.
    #[default]
    RoundRobin,
    /// Of so many drawn at random, at least two, the one with the fewest requests in progress.
    LeastRequest {
        /// `choiceCount`.
        choices: u32,
    },
    /// Any.
    Random,
}

/// `outlierDetection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OutlierDetection {
    /// Responses from 500 up in a row that eject an address; zero is never. Local failures count too unless they are
    /// told apart.
    pub consecutive_5xx: u32,
    /// How often that really ejects, in percent.
    pub enforcing_5xx: u8,
    /// Failures to connect, resets and timeouts in a row that eject an address, when they are told apart; zero is never.
    pub consecutive_local: u32,
    /// How often that really ejects, in percent.
    pub enforcing_local: u8,
    /// Whether local failures are counted apart from responses (`splitExternalLocalOriginErrors`).
    pub split: bool,
    /// How long an address well without fault lowers its next ejection by one step.
    pub interval: Duration,
    /// Length of the first ejection; the nth lasts n times as long, up to five minutes or this if it is longer.
    pub base_ejection_time: Duration,
    /// Most of a destination's addresses that may be ejected, in percent. One may always be, if there is another.
    pub max_ejection_percent: u8,
}

/// `circuitBreakers`: for each destination, over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CircuitBreakers {
    /// Connections. A request that would need one more waits for one of them.
    pub max_connections: u32,
    /// Requests without a connection yet: one more is refused.
    pub max_pending_requests: u32,
    /// Requests on connections: one more is refused.
    pub max_requests: u32,
    /// Requests that are being sent again: one more is not.
    pub max_retries: u32,
}

impl Default for BackendSettings {
    fn default() -> Self {
        Self {
            policy: None,
            connect_timeout: Duration::from_secs(5),
            tcp_keepalive: None,
            load_balancing: LoadBalancing::default(),
            close_on_address_change: true,
            outlier_detection: None,
            circuit_breakers: CircuitBreakers::default(),
            replay_limit: 1024 * 1024,
            idle_timeout: None,
            max_requests_per_connection: None,
            tls: None,
            http2: Http2Settings::default(),
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
        }
    }
}
