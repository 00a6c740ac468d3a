//! The metrics of one worker's client connections.

use crate::meter::{Counter, Gauge};
use crate::tls::HandshakeMetrics;

/// The metrics of one worker's client connections.
#[derive(Debug, Default)]
pub(crate) struct ClientMetrics {
    /// Connections accepted.
    pub(crate) accepted: Counter,
    /// Connections open now.
    pub(crate) open: Gauge,
    /// Connections among them that are quiet, and hold no buffers.
    pub(crate) dozing: Gauge,
    /// TLS handshakes with clients.
    pub(crate) tls: HandshakeMetrics,
}
