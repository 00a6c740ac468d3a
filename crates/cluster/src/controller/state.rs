//! How the controller does, for probes and metrics.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::connection::ConnectionState;
use crate::provision::ProvisionCounts;
use crate::status::StatusPass;

/// How the controller does. It is written by the controller, and read by the server of probes.
#[derive(Debug)]
pub struct ControllerState {
    connection: Mutex<ConnectionState>,
    is_configured: AtomicBool,
    is_leader: AtomicBool,
    applied: AtomicU64,
    stripped: AtomicU64,
    deleted: AtomicU64,
    failed: AtomicU64,
    statuses: AtomicU64,
    failed_statuses: AtomicU64,
}

impl ControllerState {
    /// Whether the whole configuration has been read once: from then on, this controller can lead.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_configured.load(Ordering::Relaxed)
    }

    /// Whether the API server answers.
    #[must_use]
    pub fn connection(&self) -> ConnectionState {
        let connection = self.connection.lock();
        connection.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether this controller writes.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.is_leader.load(Ordering::Relaxed)
    }

    /// The metrics, in the text format of Prometheus.
    #[must_use]
    pub fn metrics(&self) -> String {
        let gauge = |value: bool| u64::from(value);
        let count = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let rows = [
            (
                "egret_controller_leader",
                "gauge",
                "1 on the controller that writes",
                gauge(self.is_leader()),
            ),
            (
                "egret_controller_ready",
                "gauge",
                "1 once the whole configuration has been read",
                gauge(self.is_ready()),
            ),
            (
                "egret_config_source_connected",
                "gauge",
                "Whether the API server that the configuration comes from answers",
                gauge(self.connection() == ConnectionState::Connected),
            ),
            (
                "egret_controller_applied_objects_total",
                "counter",
                "Objects of Gateways that were applied",
                count(&self.applied),
            ),
            (
                "egret_controller_stripped_objects_total",
                "counter",
                "Objects of Gateways from which additions of others were taken",
                count(&self.stripped),
            ),
            (
                "egret_controller_deleted_objects_total",
                "counter",
                "Objects of Gateways that were deleted",
                count(&self.deleted),
            ),
            (
                "egret_controller_failed_writes_total",
                "counter",
                "Writes of objects of Gateways that failed",
                count(&self.failed),
            ),
            (
                "egret_controller_statuses_total",
                "counter",
                "Statuses that were written",
                count(&self.statuses),
            ),
            (
                "egret_controller_failed_statuses_total",
                "counter",
                "Statuses that could not be written",
                count(&self.failed_statuses),
            ),
        ];
        let mut text = String::new();
        for (name, kind, help, value) in rows {
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
            );
        }
        text
    }

    pub(super) fn configured(&self) {
        self.is_configured.store(true, Ordering::Relaxed);
    }

    pub(super) fn set_connection(&self, connection: ConnectionState) {
        let known = self.connection.lock();
        *known.unwrap_or_else(PoisonError::into_inner) = connection;
    }

    pub(super) fn set_leader(&self, is_leader: bool) {
        self.is_leader.store(is_leader, Ordering::Relaxed);
    }

    pub(super) fn wrote(&self, counts: ProvisionCounts, statuses: &StatusPass) {
        let ProvisionCounts {
            applied,
            stripped,
            deleted,
            failed,
        } = counts;
        for (counter, value) in [
            (&self.applied, applied),
            (&self.stripped, stripped),
            (&self.deleted, deleted),
            (&self.failed, failed),
        ] {
            counter.store(value, Ordering::Relaxed);
        }
        let add = |counter: &AtomicU64, more: usize| {
            counter.fetch_add(more.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        };
        add(&self.statuses, statuses.written);
        add(&self.failed_statuses, statuses.failed.len());
    }
}

impl Default for ControllerState {
    fn default() -> Self {
        Self {
            connection: Mutex::new(ConnectionState::Unknown),
            is_configured: AtomicBool::default(),
            is_leader: AtomicBool::default(),
            applied: AtomicU64::default(),
            stripped: AtomicU64::default(),
            deleted: AtomicU64::default(),
            failed: AtomicU64::default(),
            statuses: AtomicU64::default(),
            failed_statuses: AtomicU64::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_text_of_prometheus() {
        let state = ControllerState::default();
        state.configured();
        state.set_leader(true);
        state.set_connection(ConnectionState::Connected);
        let counts = ProvisionCounts {
            applied: 7,
            ..ProvisionCounts::default()
        };
        let pass = StatusPass {
            written: 3,
            ..StatusPass::default()
        };
        state.wrote(counts, &pass);
        state.wrote(counts, &pass);
        let text = state.metrics();
        for line in [
            "egret_controller_leader 1",
            "egret_controller_ready 1",
            "egret_config_source_connected 1",
            "egret_controller_applied_objects_total 7",
            "egret_controller_statuses_total 6",
            "# TYPE egret_controller_failed_writes_total counter",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}: {text}");
        }
    }
}
