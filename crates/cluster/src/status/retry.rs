//! When a status that could not be written is tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use egret_config::resources::ObjectRef;

use crate::backoff::doubled;

/// The wait after a first failure that may pass. It doubles with each.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait after a failure that may pass.
const LONGEST: Duration = Duration::from_secs(60);
/// The wait after a refusal, which will be the same as long as the object is.
const REFUSED: Duration = Duration::from_secs(300);

/// The objects whose statuses could not be written. Times are on a clock that only goes forward.
#[derive(Debug, Default)]
pub(super) struct Retries(BTreeMap<ObjectRef, FailedObject>);

#[derive(Debug)]
struct FailedObject {
    /// The generation of the object. A change of the object may have changed the outcome.
    generation: Option<i64>,
    failures: u32,
    due: Duration,
}

impl Retries {
    /// Whether the status of an object may be written.
    pub(super) fn is_due(
        &self,
        object: &ObjectRef,
        generation: Option<i64>,
        now: Duration,
    ) -> bool {
        let failed = self.0.get(object);
        failed.is_none_or(|failed| failed.due <= now || failed.generation != generation)
    }

    /// Records a failure; `is_final` if it will be the same until the object changes.
    pub(super) fn failed(
        &mut self,
        object: &ObjectRef,
        generation: Option<i64>,
        is_final: bool,
        now: Duration,
    ) {
        let failures = self.0.get(object).map_or(0, |failed| failed.failures);
        let wait = if is_final {
            REFUSED
        } else {
            doubled(FIRST, failures, LONGEST)
        };
        let failed = FailedObject {
            generation,
            failures: failures.saturating_add(1),
            due: now + wait,
        };
        self.0.insert(object.clone(), failed);
    }

    pub(super) fn forget(&mut self, object: &ObjectRef) {
        self.0.remove(object);
    }

    pub(super) fn retain(&mut self, is_there: impl Fn(&ObjectRef) -> bool) {
        self.0.retain(|object, _| is_there(object));
    }

    /// The time until the next object is due; `None` if all were written.
    pub(super) fn next_in(&self, now: Duration) -> Option<Duration> {
        let due = self.0.values().map(|failed| failed.due);
        due.min().map(|due| due.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use egret_config::resources::Kind;

    use super::*;

    #[test]
    fn failures_back_off_and_refusals_wait_for_a_change() {
        let object = ObjectRef::new(Kind::Gateway, "infra", "gw");
        let mut retries = Retries::default();
        let mut now = Duration::ZERO;
        let waits: Vec<u64> = (0..8)
            .map(|_| {
                retries.failed(&object, Some(1), false, now);
                let wait = retries.next_in(now).unwrap();
                assert!(!retries.is_due(&object, Some(1), now));
                now += wait;
                assert!(retries.is_due(&object, Some(1), now));
                wait.as_secs()
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        retries.failed(&object, Some(1), true, now);
        assert_eq!(retries.next_in(now), Some(REFUSED));
        assert!(retries.is_due(&object, Some(2), now));
        retries.forget(&object);
        assert_eq!(retries.next_in(now), None);
        assert!(retries.is_due(&object, Some(1), now));
    }
}
