//! The time of day of what is counted, by the monotonic clock.

use std::time::{Instant, SystemTime};

use crate::clock;

/// A moment on both clocks. Times of day that are counted from it never go back, and are the tests' to set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch {
    at: Instant,
    unix_millis: u64,
}

impl Epoch {
    /// The current moment.
    pub(crate) fn begin() -> Self {
        Self::at(clock::now(), clock::wall())
    }

    /// A moment.
    pub(crate) fn at(at: Instant, wall: SystemTime) -> Self {
        let since = wall.duration_since(SystemTime::UNIX_EPOCH);
        let millis = since.map_or(0, |since| since.as_millis());
        Self {
            at,
            unix_millis: u64::try_from(millis).unwrap_or(u64::MAX),
        }
    }

    /// The time of day in milliseconds of Unix time.
    pub(crate) fn unix_millis(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.at);
        self.unix_millis + since.as_secs() * 1000 + u64::from(since.subsec_millis())
    }
}
