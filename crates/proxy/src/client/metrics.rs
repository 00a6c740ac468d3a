//! What one worker counts of its clients' connections.

use crate::meter::{Counter, Gauge};
use crate::tls::HandshakeMetrics;

/// What one worker counts of its clients' connections.
#[derive(Debug, Default)]
pub(crate) struct ClientMetrics {
    /// Connections accepted.
    pub(crate) accepted: Counter,
    /// Connections open now.
    pub(crate) open: Gauge,
    /// TLS handshakes with clients.
    pub(crate) tls: HandshakeMetrics,
}
