//! What is known of a server's EDNS (RFC 6891), for all queries.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a server is asked without EDNS before it is tried again (RFC 6891 6.2.2): its silence may have been a datagram
/// that was lost, and without EDNS long answers cost a connection each.
const MISSING_FOR: Duration = Duration::from_secs(15 * 60);

/// Whether a server speaks EDNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EdnsSupport {
    Unknown,
    Spoken,
    Missing,
}

/// What is known of a server's EDNS.
#[derive(Debug, Default)]
pub(super) struct EdnsState(Mutex<EdnsKnowledge>);

#[derive(Debug, Default)]
enum EdnsKnowledge {
    #[default]
    Nothing,
    Spoken,
    MissingUntil(Instant),
}

impl EdnsState {
    pub(super) fn at(&self, now: Instant) -> EdnsSupport {
        match *self.lock() {
            EdnsKnowledge::Spoken => EdnsSupport::Spoken,
            EdnsKnowledge::MissingUntil(end) if now < end => EdnsSupport::Missing,
            EdnsKnowledge::MissingUntil(_) | EdnsKnowledge::Nothing => EdnsSupport::Unknown,
        }
    }

    /// The server has answered a query with EDNS.
    pub(super) fn is_spoken(&self) {
        *self.lock() = EdnsKnowledge::Spoken;
    }

    /// The server has answered a query without EDNS, and refused one with it or been silent.
    pub(super) fn is_missing(&self, now: Instant) {
        *self.lock() = EdnsKnowledge::MissingUntil(now + MISSING_FOR);
    }

    fn lock(&self) -> MutexGuard<'_, EdnsKnowledge> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_server_that_was_silent_once_is_tried_again() {
        let (state, now) = (EdnsState::default(), clock::now());
        let second = Duration::from_secs(1);
        assert_eq!(state.at(now), EdnsSupport::Unknown);
        state.is_missing(now);
        assert_eq!(state.at(now + MISSING_FOR - second), EdnsSupport::Missing);
        assert_eq!(state.at(now + MISSING_FOR), EdnsSupport::Unknown);
        state.is_spoken();
        assert_eq!(state.at(now + 9 * MISSING_FOR), EdnsSupport::Spoken);
    }
}
