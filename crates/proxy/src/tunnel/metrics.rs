//! The metrics of one worker's tunnels.

use super::TunnelKind;
use crate::meter::{Counter, CountersByLabel, Gauge};
use crate::record::TunnelEnd;

/// The metrics of one worker's tunnels.
#[derive(Debug, Default)]
pub(crate) struct TunnelMetrics {
    /// Tunnels open now.
    pub(crate) open: Gauge,
    /// Bytes written to upstreams.
    pub(crate) up: Counter,
    /// Bytes written to clients.
    pub(crate) down: Counter,
    /// Tunnels opened, by kind.
    pub(crate) opened: CountersByLabel<TunnelKind>,
    /// Tunnels ended, by reason.
    pub(crate) ended: CountersByLabel<TunnelEnd>,
}

impl TunnelMetrics {
    /// Counts a tunnel that opens.
    pub(super) fn opened(&self, kind: TunnelKind) {
        self.open.add(1);
        self.opened.increment(kind);
    }

    /// Counts a tunnel that has ended.
    pub(super) fn ended(&self, end: TunnelEnd) {
        self.open.add(-1);
        self.ended.increment(end);
    }
}
