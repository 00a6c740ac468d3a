//! The one place of the binary that asks what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time of day in seconds of Unix time.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the binary's one door to the clock"
)]
pub(crate) fn unix_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 is not set.
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
