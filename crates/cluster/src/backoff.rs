//! How long to wait before an attempt after failures.

use std::time::Duration;

mod retries;

pub(crate) use retries::{Retries, WriteFailure};

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(2);

/// The delay after a number of failures before the last one: it doubles with each, up to the longest.
pub(crate) fn doubled(first: Duration, failures: u32, longest: Duration) -> Duration {
    let doubled = first.saturating_mul(2_u32.saturating_pow(failures));
    doubled.min(longest)
}

/// The delays before attempts that follow failures: they double up to two seconds, so that what has changed while the
/// API server was away is live soon after its return.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The delay after another failure. `jitter`, from 0 to 1, takes up to half of it away, so that many clients do not
    /// come at once and none comes later than the longest delay.
    pub(crate) fn failed(&mut self, jitter: f64) -> Duration {
        let doubled = doubled(FIRST, self.failures, LONGEST);
        self.failures = self.failures.saturating_add(1);
        doubled.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let delays: Vec<u128> = (0..6).map(|_| backoff.failed(0.0).as_millis()).collect();
        assert_eq!(delays, [200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(backoff.failed(1.0), Duration::from_secs(1));
        (0..100).for_each(|_| assert!(backoff.failed(0.5) <= LONGEST));
        backoff.reset();
        assert_eq!(backoff.failed(0.0), FIRST);
    }
}
