//! What connections from clients may do: ListenerPolicy.

use std::time::Duration;

use serde::Serialize;

use super::TcpKeepalive;

/// As good as for ever: what stands for no time limit where there has to be one. It can be added to any instant.
pub const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The limits of connections to one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionLimits {
    /// How long one may wait for a next request (`idleTimeout`).
    pub idle_timeout: Duration,
    /// How long nothing of an exchange may move (`streamIdleTimeout`); `None` is for ever.
    pub stream_idle_timeout: Option<Duration>,
    /// Most header fields of a request (`maxHeadersCount`).
    pub max_header_fields: usize,
    /// Octets that a request's head may have (`maxRequestHeadersKb`).
    pub max_head: usize,
    /// Requests after which one is closed (`maxRequestsPerConnection`); `None` is never.
    pub max_requests: Option<u32>,
    /// How long what comes before HTTP may take: a PROXY protocol header and the handshake of TLS, together
    /// (`transportSocketConnectTimeout`).
    pub handshake_timeout: Duration,
    /// Probes on connections that are quiet; `None` sends none.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Connections of HTTP/2.
    pub http2: Http2Limits,
}

/// `http2ProtocolOptions` of a ListenerPolicy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Http2Limits {
    /// Requests that one connection may have in progress.
    pub max_concurrent_streams: u32,
    /// Octets that a request may bring ahead of what was forwarded.
    pub initial_stream_window: u32,
    /// The same of a whole connection.
    pub initial_connection_window: u32,
    /// Whether CONNECT is served on it (`allowConnect`).
    pub allow_connect: bool,
}

/// Whether connections begin with the addresses that a load balancer in front of us saw: `proxyProtocol` of a
/// ListenerPolicy (PROXY protocol, versions 1 and 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ProxyProtocol {
    /// They do not.
    #[default]
    Off,
    /// They may (`allowRequestsWithoutProxyProtocol`).
    Optional,
    /// They do, and are closed without one.
    Required,
}

impl ConnectionLimits {
    /// How long nothing of an exchange may move: [`FOREVER`] if there is no limit.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.stream_idle_timeout.unwrap_or(FOREVER)
    }

    /// The stricter of both in everything: for a socket that listeners share, as it is not known yet whose request comes.
    #[must_use]
    pub fn strictest(self, other: Self) -> Self {
        Self {
            idle_timeout: self.idle_timeout.min(other.idle_timeout),
            stream_idle_timeout: least(self.stream_idle_timeout, other.stream_idle_timeout),
            max_header_fields: self.max_header_fields.min(other.max_header_fields),
            max_head: self.max_head.min(other.max_head),
            max_requests: least(self.max_requests, other.max_requests),
            handshake_timeout: self.handshake_timeout.min(other.handshake_timeout),
            tcp_keepalive: self.tcp_keepalive.or(other.tcp_keepalive),
            http2: self.http2.strictest(other.http2),
        }
    }
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(5 * 60),
            stream_idle_timeout: Some(Duration::from_secs(5 * 60)),
            max_header_fields: 100,
            max_head: 60 * 1024,
            max_requests: None,
            handshake_timeout: Duration::from_secs(15),
            tcp_keepalive: None,
            http2: Http2Limits::default(),
        }
    }
}

impl Http2Limits {
    fn strictest(self, other: Self) -> Self {
        Self {
            max_concurrent_streams: self
                .max_concurrent_streams
                .min(other.max_concurrent_streams),
            initial_stream_window: self.initial_stream_window.min(other.initial_stream_window),
            initial_connection_window: self
                .initial_connection_window
                .min(other.initial_connection_window),
            allow_connect: self.allow_connect && other.allow_connect,
        }
    }
}

impl Default for Http2Limits {
    /// What is kept of a connection is what its requests bring ahead of what their destinations take, so that the windows
    /// are smaller than Envoy's 256 MiB.
    fn default() -> Self {
        Self {
            max_concurrent_streams: 100,
            initial_stream_window: 1024 * 1024,
            initial_connection_window: 2 * 1024 * 1024,
            allow_connect: true,
        }
    }
}

/// The lesser of two limits, where `None` is no limit.
fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    [one, other].into_iter().flatten().min()
}
