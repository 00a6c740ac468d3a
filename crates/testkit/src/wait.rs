//! Waiting for what no event tells.

use std::time::Duration;

/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const STEP: Duration = Duration::from_millis(5);

/// Waits until `condition` holds; where there is an event to wait for, wait for that.
///
/// # Panics
/// If it does not come to hold; `what` is then told.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
        if condition() {
            return;
        }
        std::thread::park_timeout(STEP);
    }
    panic!("there is no {what}");
}
