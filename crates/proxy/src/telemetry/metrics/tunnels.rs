//! What is counted of tunnels.

use std::fmt;

use super::export::{Workers, Writer};
use crate::meter::{Counter, CountersByLabel, Gauge};
use crate::tunnel::{End, Kind};

/// What one worker counts of its tunnels.
#[derive(Debug, Default)]
pub struct TunnelMetrics {
    /// Open now.
    pub open: Gauge,
    /// Octets that were taken by upstreams.
    pub up: Counter,
    /// Octets that were taken by clients.
    pub down: Counter,
    /// By kind.
    opened: CountersByLabel<Kind>,
    /// By reason.
    ended: CountersByLabel<End>,
}

impl TunnelMetrics {
    /// One more is open.
    pub fn opened(&self, kind: Kind) {
        self.open.add(1);
        self.opened.increment(kind);
    }

    /// One fewer is.
    pub fn ended(&self, end: End) {
        self.open.add(-1);
        self.ended.increment(end);
    }
}

impl Workers {
    pub(super) fn tunnels(&self, to: &mut Writer<'_>) -> fmt::Result {
        let open = self.level(|w| &w.tunnels.open);
        to.gauge("tunnels", "Tunnels open now", open)?;
        let opened = self.by_label("kind", |w| &w.tunnels.opened);
        to.counters("tunnels_opened", "Tunnels, by what asked for them", opened)?;
        let ended = self.by_label("reason", |w| &w.tunnels.ended);
        to.counters("tunnels_ended", "Tunnels that ended, by reason", ended)?;
        let octets = [
            ([("direction", "up")], self.sum(|w| &w.tunnels.up)),
            ([("direction", "down")], self.sum(|w| &w.tunnels.down)),
        ];
        to.counters("tunnel_bytes", "Octets moved through tunnels", octets)
    }
}
