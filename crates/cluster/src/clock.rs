//! The one place that asks for the time.

use tokio::time::Instant;

/// The time on a clock that only goes forward, and that tests can set.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the place that the others ask"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
