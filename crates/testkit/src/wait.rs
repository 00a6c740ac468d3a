//! Polling, for conditions that no event announces.

use std::time::Duration;

/// The longest wait for a condition.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// The time between two polls.
const STEP: Duration = Duration::from_millis(5);

/// Waits until `condition` holds. Prefer waiting for an event where there is one.
///
/// # Panics
/// With `what` in the message if `condition` does not hold in time.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
        if condition() {
            return;
        }
        std::thread::park_timeout(STEP);
    }
    panic!("there is no {what}");
}
