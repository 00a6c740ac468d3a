//! The health of one address: failures to connect, and outlier detection on responses.
//!
//! All workers share it. An unhealthy address is never excluded: it is tried last.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use egret_config::snapshot::OutlierDetection;
use http::StatusCode;

use super::balance::EndpointStatus;
use crate::dial::failure::ConnectFailure;

/// How long an address is tried last after its first failure to connect; doubles with each further failure in a row.
const FIRST_PENALTY: Duration = Duration::from_secs(1);
/// The longest penalty for failures to connect.
const LONGEST_PENALTY: Duration = Duration::from_secs(30);
/// The longest ejection, unless the first one is configured to be longer.
const LONGEST_EJECTION: Duration = Duration::from_secs(5 * 60);

/// How long errors of an unused address are remembered.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

/// The health of one address of a destination.
#[derive(Debug)]
pub(crate) struct EndpointHealth {
    /// Requests in progress there, over all workers.
    active: AtomicU32,
    /// When the address is healthy again, in nanoseconds after `epoch`: a copy that is read without the lock.
    unhealthy_until: AtomicU64,
    /// Whether the last attempt to connect failed: a copy that is read without the lock.
    failing: AtomicBool,
    /// Whether the address is checked, and fails its checks.
    fails_checks: AtomicBool,
    epoch: Instant,
    record: Mutex<HealthRecord>,
}

/// The outcome of a use of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObservedOutcome {
    /// The head of a response.
    Response(StatusCode),
    /// No connection, or one that failed or stayed silent before the response (Envoy's "local origin" failures).
    LocalFailure,
}

#[derive(Debug, Default)]
struct HealthRecord {
    connects_failed: u32,
    failing_until: Option<Instant>,
    /// Errors in a row.
    errors: u32,
    /// Local failures in a row, where they are counted separately.
    local_errors: u32,
    /// The number of ejections that the length of the next one grows by.
    ejections: u32,
    ejected_until: Option<Instant>,
    /// When the last error was counted.
    counted: Option<Instant>,
    /// Why there was no connection the last time that there was none.
    last_failure: Option<ConnectFailure>,
}

/// What people are told of the health of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ToldHealth {
    pub(super) is_healthy: bool,
    /// Failures to connect and errors in a row.
    pub(super) failures: u32,
    pub(super) last_failure: Option<ConnectFailure>,
}

impl EndpointHealth {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            active: AtomicU32::new(0),
            unhealthy_until: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            fails_checks: AtomicBool::new(false),
            epoch: now,
            record: Mutex::default(),
        }
    }

    /// The status of the address for load balancing.
    pub(crate) fn status(&self, now: Instant) -> EndpointStatus {
        if !self.is_healthy(now) || self.fails_checks() {
            EndpointStatus::Unhealthy
        } else if self.failing.load(Relaxed) {
            EndpointStatus::Unproven
        } else {
            EndpointStatus::Healthy
        }
    }

    /// Whether the address fails its health checks.
    pub(super) fn fails_checks(&self) -> bool {
        self.fails_checks.load(Relaxed)
    }

    /// The health checks say whether the address can serve.
    pub(super) fn checked(&self, is_failing: bool) {
        self.fails_checks.store(is_failing, Relaxed);
    }

    /// Whether nothing that requests have found out is held against the address.
    fn is_healthy(&self, now: Instant) -> bool {
        let until = self.unhealthy_until.load(Relaxed);
        until == 0 || self.nanos(now) >= until
    }

    /// Whether the address is ejected, as opposed to having failed to connect.
    pub(crate) fn is_ejected(&self, now: Instant) -> bool {
        !self.is_healthy(now) && self.record().ejected_until.is_some_and(|until| now < until)
    }

    /// Whether something would be lost if this state were forgotten.
    pub(crate) fn is_worth_keeping(&self, now: Instant) -> bool {
        let counted = self.record().counted;
        let recent = counted.is_some_and(|then| now.saturating_duration_since(then) < REMEMBERED);
        recent || !self.is_healthy(now)
    }

    /// How long the address has been known.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.epoch)
    }

    /// Requests in progress, over all workers.
    pub(crate) fn active(&self) -> u32 {
        self.active.load(Relaxed)
    }

    pub(crate) fn request_started(&self) {
        self.active.fetch_add(1, Relaxed);
    }

    pub(crate) fn request_ended(&self) {
        self.active.fetch_sub(1, Relaxed);
    }

    /// What people are told of it.
    pub(super) fn told(&self, now: Instant) -> ToldHealth {
        let record = self.record();
        ToldHealth {
            is_healthy: self.is_healthy(now) && !self.fails_checks(),
            failures: record.connects_failed.saturating_add(record.errors),
            last_failure: record.last_failure,
        }
    }

    /// Remembers why there was no connection.
    pub(crate) fn failed_by(&self, failure: ConnectFailure) {
        self.record().last_failure = Some(failure);
    }

    /// Records that an attempt to connect failed, or was overtaken in spite of its head start.
    pub(crate) fn connect_failed(&self, now: Instant) {
        let mut record = self.record();
        record.connects_failed = record.connects_failed.saturating_add(1);
        let doublings = (record.connects_failed - 1).min(5);
        let penalty = (FIRST_PENALTY * (1 << doublings)).min(LONGEST_PENALTY);
        record.failing_until = Some(now + penalty);
        self.publish(&record);
    }

    /// Records that a connection was made.
    pub(crate) fn connected(&self) {
        // Most often there is nothing to forgive.
        if self.unhealthy_until.load(Relaxed) == 0 {
            return;
        }
        let mut record = self.record();
        record.connects_failed = 0;
        record.failing_until = None;
        self.publish(&record);
    }

    /// Counts the outcome of a request. Returns whether the address should be ejected for it; `draw` draws a number
    /// below its argument.
    pub(crate) fn observe(
        &self,
        observed: ObservedOutcome,
        detection: &OutlierDetection,
        now: Instant,
        draw: impl FnOnce(u8) -> u8,
    ) -> bool {
        let mut record = self.record();
        let Some(enforcing) = record.count(observed, detection, now) else {
            return false;
        };
        let ejected = record.ejected_until.is_some_and(|until| now < until);
        !ejected && draw(100) < enforcing
    }

    /// Ejects the address: for longer each time, unless it was healthy in between.
    pub(crate) fn eject(&self, detection: &OutlierDetection, now: Instant) {
        let mut record = self.record();
        record.eject(detection, now);
        self.publish(&record);
    }

    fn record(&self) -> MutexGuard<'_, HealthRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, record: &HealthRecord) {
        let until = record.failing_until.max(record.ejected_until);
        let nanos = until.map_or(0, |until| self.nanos(until).max(1));
        self.unhealthy_until.store(nanos, Relaxed);
        self.failing.store(record.failing_until.is_some(), Relaxed);
    }

    fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl HealthRecord {
    /// Returns the percentage of enforcement once the allowed number of errors in a row is reached; counting then
    /// restarts.
    fn count(
        &mut self,
        observed: ObservedOutcome,
        detection: &OutlierDetection,
        now: Instant,
    ) -> Option<u8> {
        let (errors, limit, enforcing) = match observed {
            ObservedOutcome::Response(status) if !status.is_server_error() => {
                (self.errors, self.local_errors) = (0, 0);
                return None;
            }
            ObservedOutcome::LocalFailure if detection.split => (
                &mut self.local_errors,
                detection.consecutive_local,
                detection.enforcing_local,
            ),
            ObservedOutcome::Response(_) | ObservedOutcome::LocalFailure => {
                if observed != ObservedOutcome::LocalFailure {
                    self.local_errors = 0;
                }
                (
                    &mut self.errors,
                    detection.consecutive_5xx,
                    detection.enforcing_5xx,
                )
            }
        };
        *errors = errors.saturating_add(1);
        self.counted = Some(now);
        if limit == 0 || *errors < limit {
            return None;
        }
        *errors = 0;
        Some(enforcing)
    }

    fn eject(&mut self, detection: &OutlierDetection, now: Instant) {
        if let Some(last) = self.ejected_until {
            // Time spent well makes the next one shorter.
            let well = now.saturating_duration_since(last).as_nanos();
            let steps = well / detection.interval.as_nanos().max(1);
            self.ejections = self
                .ejections
                .saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX));
        }
        self.ejections = self.ejections.saturating_add(1);
        let base = detection.base_ejection_time;
        let length = base.saturating_mul(self.ejections);
        let length = length.min(LONGEST_EJECTION.max(base));
        self.ejected_until = Some(now + length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const NOT_FOUND: ObservedOutcome = ObservedOutcome::Response(StatusCode::NOT_FOUND);
    const ERROR: ObservedOutcome = ObservedOutcome::Response(StatusCode::BAD_GATEWAY);
    const LOCAL: ObservedOutcome = ObservedOutcome::LocalFailure;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn observe(
        health: &EndpointHealth,
        observed: &[ObservedOutcome],
        detection: &OutlierDetection,
        now: Instant,
    ) -> bool {
        let mut ejected = false;
        for one in observed {
            if health.observe(*one, detection, now, |_| 0) {
                health.eject(detection, now);
                ejected = true;
            }
        }
        ejected
    }

    #[test]
    fn a_failure_to_connect_counts_for_longer_each_time_and_a_connection_forgives() {
        let mut now = clock::now();
        let health = EndpointHealth::new(now);
        for penalty in [1, 2, 4, 8, 16, 30, 30] {
            assert!(health.is_healthy(now));
            health.connect_failed(now);
            now += seconds(penalty) - Duration::from_millis(1);
            assert!(!health.is_healthy(now), "{penalty}");
            now += Duration::from_millis(1);
        }
        health.connect_failed(now);
        now += seconds(30);
        assert_eq!(health.status(now), EndpointStatus::Unproven);
        health.connected();
        assert_eq!(health.status(now), EndpointStatus::Healthy);
        assert!(!health.is_worth_keeping(now));
        health.connect_failed(now);
        assert!(health.is_healthy(now + seconds(1)));
    }

    #[test]
    fn errors_in_a_row_eject_and_anything_else_begins_anew() {
        let now = clock::now();
        let detection = OutlierDetection::default();
        let health = EndpointHealth::new(now);
        let four = [ERROR; 4];
        assert!(!observe(&health, &four, &detection, now));
        assert!(!observe(&health, &[NOT_FOUND], &detection, now));
        assert!(!observe(&health, &four, &detection, now));
        assert!(observe(&health, &[ERROR], &detection, now));
        assert!(health.is_ejected(now) && !health.is_healthy(now));
        assert!(!health.is_ejected(now + seconds(30)) && health.is_healthy(now + seconds(30)));
        // While it is ejected it cannot be again.
        assert!(!observe(&health, &[ERROR; 10], &detection, now));
        assert!(health.is_healthy(now + seconds(30)));
    }

    #[test]
    fn local_failures_count_with_the_others_or_apart() {
        let now = clock::now();
        let together = OutlierDetection::default();
        let mixed = [LOCAL, ERROR, LOCAL, ERROR, LOCAL];
        assert!(observe(&EndpointHealth::new(now), &mixed, &together, now));
        let apart = OutlierDetection {
            split: true,
            consecutive_local: 2,
            ..together
        };
        // An answer, even a bad one, says that the way there is fine.
        assert!(!observe(&EndpointHealth::new(now), &mixed, &apart, now));
        assert!(observe(
            &EndpointHealth::new(now),
            &[LOCAL, LOCAL],
            &apart,
            now
        ));
        let never = OutlierDetection {
            consecutive_local: 0,
            ..apart
        };
        assert!(!observe(
            &EndpointHealth::new(now),
            &[LOCAL; 20],
            &never,
            now
        ));
    }

    #[test]
    fn ejections_grow_and_good_times_shorten_them() {
        let mut now = clock::now();
        let detection = OutlierDetection::default();
        let health = EndpointHealth::new(now);
        let eject_for = |now: &mut Instant, length: u64| {
            assert!(observe(&health, &[ERROR; 5], &detection, *now), "{length}");
            *now += seconds(length) - Duration::from_millis(1);
            assert!(health.is_ejected(*now), "{length}");
            *now += Duration::from_millis(1);
            assert!(health.is_healthy(*now), "{length}");
        };
        for length in [30, 60, 90] {
            eject_for(&mut now, length);
        }
        // Two intervals without fault take two steps back.
        now += seconds(20);
        eject_for(&mut now, 60);
        for _ in 0..10 {
            observe(&health, &[ERROR; 5], &detection, now);
            now += seconds(300);
        }
        // Never more than five minutes.
        assert!(health.is_healthy(now));
        now += seconds(60 * 60);
        eject_for(&mut now, 30);
    }

    #[test]
    fn dice_may_say_no() {
        let now = clock::now();
        let health = EndpointHealth::new(now);
        let detection = OutlierDetection {
            consecutive_5xx: 1,
            enforcing_5xx: 50,
            ..OutlierDetection::default()
        };
        assert!(!health.observe(ERROR, &detection, now, |_| 50));
        assert!(health.observe(ERROR, &detection, now, |_| 49));
    }
}
