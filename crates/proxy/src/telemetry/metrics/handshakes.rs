//! What is counted of handshakes of TLS.

use std::fmt;
use std::time::Duration;

use super::WorkerMetrics;
use super::export::{Workers, Writer};
use crate::meter::{Counter, Histogram};

/// What came of a handshake of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// A connection, between two that did not know each other yet.
    Full,
    /// A connection that goes on with an earlier session.
    Resumed,
    /// None.
    Failed,
}

/// The values of the label that says what came of one.
pub const HANDSHAKES: [(Handshake, &str); 3] = [
    (Handshake::Full, "full"),
    (Handshake::Resumed, "resumed"),
    (Handshake::Failed, "failed"),
];

/// What one worker counts of handshakes with one side.
#[derive(Debug, Default)]
pub struct HandshakeMetrics {
    /// By [`HANDSHAKES`].
    results: [Counter; HANDSHAKES.len()],
    /// How long those took that came to an end.
    duration: Histogram,
}

impl HandshakeMetrics {
    /// Counts one that took so long.
    pub fn ended(&self, handshake: Handshake, took: Duration) {
        if let Some(index) = HANDSHAKES.iter().position(|(known, _)| *known == handshake) {
            self.results[index].increment();
        }
        self.duration.observe(took);
    }
}

impl Workers {
    pub(super) fn handshakes(&self, to: &mut Writer<'_>) -> fmt::Result {
        type Of = fn(&WorkerMetrics) -> &HandshakeMetrics;
        let sides: [(&str, &str, &str, Of); 2] = [
            (
                "downstream_tls_handshakes",
                "downstream_tls_duration_seconds",
                "clients",
                |worker| &worker.downstream_tls,
            ),
            (
                "upstream_tls_handshakes",
                "upstream_tls_duration_seconds",
                "upstreams",
                |worker| &worker.upstream_tls,
            ),
        ];
        for (count, duration, whom, of) in sides {
            let results = HANDSHAKES.iter().enumerate();
            let results = results.map(|(index, (_, result))| {
                ([("result", *result)], self.sum(|w| &of(w).results[index]))
            });
            let help = format!("Handshakes of TLS with {whom}, by what came of them");
            to.counters(count, &help, results)?;
            let help = "From a connection to TLS on it, or to the failure of that";
            to.histogram(duration, help, &self.spread(|w| &of(w).duration))?;
        }
        Ok(())
    }
}
