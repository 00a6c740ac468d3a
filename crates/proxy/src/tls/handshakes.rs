//! What is counted of TLS handshakes, with clients and with upstreams.

use std::time::Duration;

use crate::meter::{CountersByLabel, Histogram, label_values};

label_values! {
    /// The outcome of a TLS handshake.
    pub(crate) enum HandshakeOutcome {
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
pub(crate) struct HandshakeMetrics {
    /// By outcome.
    pub(crate) results: CountersByLabel<HandshakeOutcome>,
    /// How long those took that came to an end.
    pub(crate) duration: Histogram,
}

impl HandshakeMetrics {
    /// Counts one that took so long.
    pub(crate) fn ended(&self, handshake: HandshakeOutcome, took: Duration) {
        self.results.increment(handshake);
        self.duration.observe(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_counter_of_its_own() {
        crate::meter::assert_is_label::<HandshakeOutcome>();
    }
}
