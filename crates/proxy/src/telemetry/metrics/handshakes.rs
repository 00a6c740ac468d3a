//! What is counted of handshakes of TLS.

use std::fmt;
use std::time::Duration;

use super::WorkerMetrics;
use super::export::{Workers, Writer};
use crate::meter::{CountersByLabel, Histogram, label_values};

label_values! {
    /// The outcome of a TLS handshake.
    pub enum Handshake {
        /// A full handshake: the two ends had no session in common.
        Full = "full",
        /// A handshake that resumed an earlier session (RFC 8446 2.2).
        Resumed = "resumed",
        /// A handshake that failed.
        Failed = "failed",
    }
}

/// What one worker counts of handshakes with one side.
#[derive(Debug, Default)]
pub struct HandshakeMetrics {
    /// By outcome.
    results: CountersByLabel<Handshake>,
    /// How long those took that came to an end.
    duration: Histogram,
}

impl HandshakeMetrics {
    /// Counts one that took so long.
    pub fn ended(&self, handshake: Handshake, took: Duration) {
        self.results.increment(handshake);
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
            let results = self.by_label("result", |w| &of(w).results);
            let help = format!("Handshakes of TLS with {whom}, by what came of them");
            to.counters(count, &help, results)?;
            let help = "From a connection to TLS on it, or to the failure of that";
            to.histogram(duration, help, &self.spread(|w| &of(w).duration))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_counter_of_its_own() {
        crate::meter::assert_is_label::<Handshake>();
    }
}
