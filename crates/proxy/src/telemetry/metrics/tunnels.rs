//! What is counted of tunnels.

use std::fmt;

use super::export::{Workers, Writer};
use crate::meter::{Counter, Gauge};
use crate::tunnel::{End, Kind};

/// The values of the label that says how a tunnel came to be.
pub const KINDS: [Kind; 3] = [Kind::Connect, Kind::Upgrade, Kind::Passthrough];

/// The values of the label that says how one ended.
pub const ENDS: [End; 5] = [
    End::ClientClosed,
    End::UpstreamClosed,
    End::Idle,
    End::PolicyChanged,
    End::Drained,
];

/// What one worker counts of its tunnels.
#[derive(Debug, Default)]
pub struct TunnelMetrics {
    /// Open now.
    pub open: Gauge,
    /// Octets that were taken by upstreams.
    pub up: Counter,
    /// Octets that were taken by clients.
    pub down: Counter,
    /// By [`KINDS`].
    opened: [Counter; KINDS.len()],
    /// By [`ENDS`].
    ended: [Counter; ENDS.len()],
}

impl TunnelMetrics {
    /// One more is open.
    pub fn opened(&self, kind: Kind) {
        self.open.add(1);
        if let Some(index) = KINDS.iter().position(|known| *known == kind) {
            self.opened[index].increment();
        }
    }

    /// One fewer is.
    pub fn ended(&self, end: End) {
        self.open.add(-1);
        if let Some(index) = ENDS.iter().position(|known| *known == end) {
            self.ended[index].increment();
        }
    }
}

impl Workers {
    pub(super) fn tunnels(&self, to: &mut Writer<'_>) -> fmt::Result {
        let open = self.level(|w| &w.tunnels.open);
        to.gauge("tunnels", "Tunnels open now", open)?;
        let kinds = KINDS.iter().enumerate();
        let opened = kinds.map(|(index, kind)| {
            let count = self.sum(|w| &w.tunnels.opened[index]);
            ([("kind", kind.as_str())], count)
        });
        to.counters("tunnels_opened", "Tunnels, by what asked for them", opened)?;
        let ends = ENDS.iter().enumerate();
        let ended = ends.map(|(index, end)| {
            let count = self.sum(|w| &w.tunnels.ended[index]);
            ([("reason", end.as_str())], count)
        });
        to.counters("tunnels_ended", "Tunnels that ended, by reason", ended)?;
        let octets = [
            ([("direction", "up")], self.sum(|w| &w.tunnels.up)),
            ([("direction", "down")], self.sum(|w| &w.tunnels.down)),
        ];
        to.counters("tunnel_bytes", "Octets moved through tunnels", octets)
    }
}
