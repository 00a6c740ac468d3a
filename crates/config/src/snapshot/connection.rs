//! What connections from clients may do: ListenerPolicy.

use std::time::Duration;

use serde::Serialize;

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
        }
    }
}

/// The lesser of two limits, where `None` is no limit.
fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    [one, other].into_iter().flatten().min()
}
