//! Settings of client connections: ListenerPolicy and HTTPListenerPolicy.

use std::time::Duration;

use serde::Serialize;

use super::TcpKeepalive;

/// The duration that stands for "no time limit". It can be added to any instant.
pub const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The limits of the connections to one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionLimits {
    /// How long an idle connection is kept (`idleTimeout`).
    pub idle_timeout: Duration,
    /// How long a request and its response may make no progress (`streamIdleTimeout`); `None` is no limit.
    pub stream_idle_timeout: Option<Duration>,
    /// Maximum number of header fields of a request (`maxHeadersCount`).
    pub max_header_fields: usize,
    /// Maximum size of a request head in bytes (`maxRequestHeadersKb`).
    pub max_head: usize,
    /// The number of requests after which a connection is closed (`maxRequestsPerConnection`); `None` is never.
    pub max_requests: Option<u32>,
    /// The time limit of the PROXY protocol header and the TLS handshake, together (`transportSocketConnectTimeout`).
    pub handshake_timeout: Duration,
    /// TCP keepalive probes; `None` sends none.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Settings of HTTP/2 connections.
    pub http2: Http2Limits,
}

/// `http2ProtocolOptions` of a ListenerPolicy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Http2Limits {
    /// Maximum number of concurrent streams of one connection.
    pub max_concurrent_streams: u32,
    /// The initial window of a stream, in bytes.
    pub initial_stream_window: u32,
    /// The initial window of a connection, in bytes.
    pub initial_connection_window: u32,
    /// Whether CONNECT is served over HTTP/2 (`allowConnect`).
    pub allow_connect: bool,
}

/// Whether connections begin with a PROXY protocol header (versions 1 and 2): `proxyProtocol` of a ListenerPolicy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ProxyProtocol {
    /// Connections have no header.
    #[default]
    Off,
    /// Connections may have a header (`allowRequestsWithoutProxyProtocol`).
    Optional,
    /// Connections without a header are closed.
    Required,
}

impl ConnectionLimits {
    /// How long a request and its response may make no progress; [`FOREVER`] if there is no limit.
    #[must_use]
    pub fn stream_idle_limit(&self) -> Duration {
        self.stream_idle_timeout.unwrap_or(FOREVER)
    }

    /// The stricter limit of the two in every field. Listeners that share a socket need it, because the listener of a
    /// connection is not known when it is accepted.
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
    /// The memory of a connection is bounded by what its requests send before their destinations read it, so that the
    /// windows are smaller than Envoy's 256 MiB. h2 ends a connection whose DATA frames cost more than half its window in
    /// bookkeeping (256 bytes for each smaller frame, less its payload), so that the window leaves room for several
    /// requests with messages of 100 bytes that wait for their destinations.
    fn default() -> Self {
        Self {
            max_concurrent_streams: 100,
            initial_stream_window: 1024 * 1024,
            initial_connection_window: 16 * 1024 * 1024,
            allow_connect: true,
        }
    }
}

/// The lesser of two limits, where `None` is no limit.
fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    [one, other].into_iter().flatten().min()
}
