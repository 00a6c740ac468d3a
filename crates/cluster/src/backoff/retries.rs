//! When a write that failed is tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::doubled;

/// The wait after a first failure. It doubles with each.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait after a failure that may pass.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest wait after a refusal. What was refused is usually refused again, but not always: a permission may have been
/// on its way.
const LONGEST_REFUSED: Duration = Duration::from_secs(300);

/// The objects that could not be written. Times are on a clock that only goes forward.
#[derive(Debug)]
pub(crate) struct Retries<K>(BTreeMap<K, FailedWrite>);

#[derive(Debug)]
struct FailedWrite {
    /// The generation of the object. A change of the object may have changed the outcome.
    generation: Option<i64>,
    failures: u32,
    due: Duration,
}

/// Why a write failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteFailure {
    /// It may pass by itself.
    Passing,
    /// The API server refused it.
    Refused,
}

impl<K: Clone + Ord> Retries<K> {
    /// Whether an object may be written.
    pub(crate) fn is_due(&self, object: &K, generation: Option<i64>, now: Duration) -> bool {
        let failed = self.0.get(object);
        failed.is_none_or(|failed| failed.due <= now || failed.generation != generation)
    }

    /// Records a failure.
    pub(crate) fn failed(
        &mut self,
        object: &K,
        generation: Option<i64>,
        failure: WriteFailure,
        now: Duration,
    ) {
        let before = self.0.get(object);
        let before = before.filter(|before| before.generation == generation);
        let failures = before.map_or(0, |before| before.failures);
        let longest = match failure {
            WriteFailure::Passing => LONGEST,
            WriteFailure::Refused => LONGEST_REFUSED,
        };
        let failed = FailedWrite {
            generation,
            failures: failures.saturating_add(1),
            due: now + doubled(FIRST, failures, longest),
        };
        self.0.insert(object.clone(), failed);
    }

    pub(crate) fn forget(&mut self, object: &K) {
        self.0.remove(object);
    }

    pub(crate) fn retain(&mut self, is_there: impl Fn(&K) -> bool) {
        self.0.retain(|object, _| is_there(object));
    }

    /// Forgets how often objects have failed: the reason may be gone.
    pub(crate) fn begin_anew(&mut self) {
        self.0.clear();
    }

    /// The time until the next object is due; `None` if all were written.
    pub(crate) fn next_in(&self, now: Duration) -> Option<Duration> {
        let due = self.0.values().map(|failed| failed.due);
        due.min().map(|due| due.saturating_sub(now))
    }
}

impl<K> Default for Retries<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The waits in seconds after failures in a row.
    fn waits(failure: WriteFailure) -> Vec<u64> {
        let mut retries = Retries::default();
        let mut now = Duration::ZERO;
        let wait = |_| {
            retries.failed(&"gw", Some(1), failure, now);
            let wait = retries.next_in(now).unwrap();
            assert!(!retries.is_due(&"gw", Some(1), now));
            now += wait;
            assert!(retries.is_due(&"gw", Some(1), now));
            wait.as_secs()
        };
        (0..10).map(wait).collect()
    }

    #[test]
    fn every_failure_is_tried_again_and_refusals_less_often() {
        let passing = [1, 2, 4, 8, 16, 30, 30, 30, 30, 30];
        assert_eq!(waits(WriteFailure::Passing), passing);
        let refused = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300];
        assert_eq!(waits(WriteFailure::Refused), refused);
    }

    #[test]
    fn a_change_of_the_object_ends_the_wait_and_begins_a_new_one() {
        let now = Duration::ZERO;
        let mut retries = Retries::default();
        for _ in 0..5 {
            retries.failed(&"gw", Some(1), WriteFailure::Refused, now);
        }
        assert!(!retries.is_due(&"gw", Some(1), now));
        assert!(retries.is_due(&"gw", Some(2), now));
        retries.failed(&"gw", Some(2), WriteFailure::Refused, now);
        assert_eq!(retries.next_in(now), Some(FIRST));
        retries.begin_anew();
        assert_eq!(retries.next_in(now), None);
        assert!(retries.is_due(&"gw", Some(2), now));
    }
}
