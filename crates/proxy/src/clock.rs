//! The one place that asks what time it is; everything else is told.

use std::time::{Instant, SystemTime};

/// The monotonic time. Follows tokio's clock, so that tests can pause it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one door to the clock"
)]
#[must_use]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The time of day in seconds of Unix time, for what expires at a time of day.
#[must_use]
pub(crate) fn unix_time() -> i64 {
    let since = wall().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// The time of day, for logs.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one door to the clock"
)]
#[must_use]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
