//! The election of a leader by a Lease, as a state machine. It compares only times of its own clock, because those of
//! machines differ: a lease of another candidate has run out if it has not changed for its duration.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;

/// The times of an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// How long others wait for a renewal before they take the lease.
    pub duration: Duration,
    /// How long after its last renewal a leader leads. It is shorter than `duration`, so that what the leader has begun
    /// has ended before another leads.
    pub renew_deadline: Duration,
    /// The time between two attempts to take or to renew the lease.
    pub retry: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// One candidate of an election. Its times are on a clock that only goes forward.
#[derive(Debug)]
pub(super) struct Election {
    identity: String,
    times: LeaseTimes,
    /// The lease as it was seen last, and since when it is like that.
    seen: Option<(LeaseSpec, Duration)>,
    /// When the last renewal was begun.
    renewed: Option<Duration>,
}

impl Election {
    /// A candidate; no other has the same identity.
    pub(super) fn new(identity: String, times: LeaseTimes) -> Self {
        Self {
            identity,
            times,
            seen: None,
            renewed: None,
        }
    }

    /// Until when the candidate leads; `None` if it does not.
    pub(super) fn leads_until(&self, now: Duration) -> Option<Duration> {
        let until = self.renewed? + self.times.renew_deadline;
        (now < until).then_some(until)
    }

    /// The lease was read, or does not exist.
    pub(super) fn saw(&mut self, lease: Option<&LeaseSpec>, now: Duration) {
        let holder = lease.and_then(|lease| lease.holder_identity.as_deref());
        if holder != Some(self.identity.as_str()) {
            self.renewed = None;
        }
        match (lease, &self.seen) {
            (None, _) => self.seen = None,
            (Some(lease), Some((seen, _))) if lease == seen => {}
            (Some(lease), _) => self.seen = Some((lease.clone(), now)),
        }
    }

    /// The lease to write now in place of the one that was seen, to take it or to renew it; `None` while it is another's.
    pub(super) fn to_write(&self, now: Duration, time: Timestamp) -> Option<LeaseSpec> {
        let time = Some(MicroTime(time));
        let own = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.times.duration.as_secs()).ok(),
            acquire_time: time.clone(),
            renew_time: time,
            lease_transitions: Some(0),
            ..LeaseSpec::default()
        };
        let Some((seen, since)) = &self.seen else {
            return Some(own);
        };
        let holder = seen.holder_identity.as_deref().unwrap_or_default();
        let transitions = seen.lease_transitions.unwrap_or_default();
        if holder == self.identity {
            return Some(LeaseSpec {
                acquire_time: seen.acquire_time.clone(),
                lease_transitions: Some(transitions),
                ..own
            });
        }
        let seconds = seen
            .lease_duration_seconds
            .and_then(|it| u64::try_from(it).ok());
        let duration = seconds.map_or(self.times.duration, Duration::from_secs);
        let is_free = holder.is_empty() || now >= since.saturating_add(duration);
        is_free.then(|| LeaseSpec {
            lease_transitions: Some(transitions.saturating_add(1)),
            ..own
        })
    }

    /// The lease was written, by a call that began at `began`: others saw the renewal later than that.
    pub(super) fn wrote(&mut self, lease: &LeaseSpec, began: Duration) {
        self.seen = Some((lease.clone(), began));
        self.renewed = Some(began);
    }

    /// The lease to write when the leader stops, so that another need not wait; `None` if it is not the leader.
    pub(super) fn released(&mut self, time: Timestamp) -> Option<LeaseSpec> {
        self.renewed.take()?;
        let (seen, _) = self.seen.take()?;
        Some(LeaseSpec {
            holder_identity: None,
            lease_duration_seconds: Some(1),
            renew_time: Some(MicroTime(time)),
            ..seen
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIMES: LeaseTimes = LeaseTimes {
        duration: Duration::from_secs(15),
        renew_deadline: Duration::from_secs(10),
        retry: Duration::from_secs(2),
    };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn candidate(name: &str) -> Election {
        Election::new(name.to_owned(), TIMES)
    }

    /// One attempt, with the lease as the API server has it.
    fn attempt(candidate: &mut Election, lease: &mut Option<LeaseSpec>, now: Duration) {
        candidate.saw(lease.as_ref(), now);
        if let Some(written) = candidate.to_write(now, Timestamp::UNIX_EPOCH) {
            candidate.wrote(&written, now);
            *lease = Some(written);
        }
    }

    #[test]
    fn a_lease_changes_hands_when_it_has_not_changed_for_its_duration() {
        let (mut one, mut two) = (candidate("one"), candidate("two"));
        let mut lease = None;
        attempt(&mut one, &mut lease, at(0));
        assert_eq!(one.leads_until(at(9)), Some(at(10)));
        // The second sees it after three seconds, and waits from then on.
        for now in [3, 10, 17] {
            attempt(&mut two, &mut lease, at(now));
            assert_eq!(two.leads_until(at(now)), None, "{now}");
        }
        assert_eq!(one.leads_until(at(10)), None);
        attempt(&mut two, &mut lease, at(18));
        assert_eq!(two.leads_until(at(18)), Some(at(28)));
        let taken = lease.as_ref().unwrap();
        assert_eq!(taken.lease_transitions, Some(1));
        assert_eq!(taken.holder_identity.as_deref(), Some("two"));
        // The first finds that it is another's.
        attempt(&mut one, &mut lease, at(19));
        assert_eq!(one.leads_until(at(19)), None);
    }

    #[test]
    fn a_leader_that_stops_leaves_the_lease_free() {
        let (mut one, mut two) = (candidate("one"), candidate("two"));
        let mut lease = None;
        attempt(&mut one, &mut lease, at(0));
        attempt(&mut two, &mut lease, at(1));
        lease = one.released(Timestamp::UNIX_EPOCH);
        assert_eq!(one.leads_until(at(1)), None);
        assert_eq!(one.released(Timestamp::UNIX_EPOCH), None);
        attempt(&mut two, &mut lease, at(2));
        assert_eq!(two.leads_until(at(2)), Some(at(12)));
    }

    #[test]
    fn a_renewal_keeps_the_time_of_acquisition() {
        let mut one = candidate("one");
        let mut lease = None;
        attempt(&mut one, &mut lease, at(0));
        one.saw(lease.as_ref(), at(2));
        let later = Timestamp::from_second(5).unwrap();
        let renewed = one.to_write(at(2), later).unwrap();
        assert_eq!(renewed.acquire_time, lease.unwrap().acquire_time);
        assert_eq!(renewed.renew_time, Some(MicroTime(later)));
        assert_eq!(renewed.lease_transitions, Some(0));
    }

    #[test]
    fn times_are_written_with_six_digits() {
        let mut one = candidate("one");
        let mut lease = None;
        attempt(&mut one, &mut lease, at(0));
        let json = serde_json::to_value(lease).unwrap();
        assert_eq!(json["renewTime"], "1970-01-01T00:00:00.000000Z");
        assert_eq!(json["acquireTime"], "1970-01-01T00:00:00.000000Z");
        assert_eq!(json["leaseDurationSeconds"], 15);
    }

    proptest! {
        /// Whatever the candidates do and when, no two lead at the same time, and the one that takes over waits until
        /// what the other may have begun has ended.
        #[test]
        fn one_leads_at_a_time(steps in prop::collection::vec((0_usize..3, 0_u64..8, any::<bool>()), 1..60)) {
            let mut all = [candidate("one"), candidate("two"), candidate("three")];
            let mut lease = None;
            let mut now = Duration::ZERO;
            let mut led_until: Option<(usize, Duration)> = None;
            for (who, wait, answer_is_lost) in steps {
                now += at(wait);
                let before = all[who].leads_until(now).is_some();
                all[who].saw(lease.as_ref(), now);
                let written = all[who].to_write(now, Timestamp::from_nanosecond(i128::try_from(now.as_nanos()).unwrap()).unwrap());
                if let Some(written) = written {
                    if !answer_is_lost {
                        all[who].wrote(&written, now);
                    }
                    lease = Some(written);
                }
                let leaders = all.iter().filter(|it| it.leads_until(now).is_some()).count();
                prop_assert!(leaders <= 1);
                if let Some(until) = all[who].leads_until(now) {
                    if let Some((other, ended)) = led_until && other != who && !before {
                        prop_assert!(now >= ended + at(5), "{now:?} {ended:?}");
                    }
                    led_until = Some((who, until));
                }
            }
        }
    }
}
