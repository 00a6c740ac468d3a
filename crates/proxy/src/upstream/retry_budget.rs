//! How many requests and retries were begun lately, for budgets of retries that are for a time. Pure.

use std::time::{Duration, Instant};

use egret_config::snapshot::RetryBudget;

/// The parts of the time, of which the oldest is forgotten at a time.
const PARTS: usize = 10;

/// What was begun in the last parts of the time.
#[derive(Debug, Default)]
pub(super) struct RecentRequests {
    /// When the newest part began; `None` before the first request.
    newest: Option<Instant>,
    parts: [BegunRequests; PARTS],
}

#[derive(Clone, Copy, Debug, Default)]
struct BegunRequests {
    requests: u32,
    retries: u32,
}

impl RecentRequests {
    /// A request begins, or is sent again.
    pub(super) fn request(&mut self, interval: Duration, now: Instant) {
        let newest = self.newest_at(interval, now);
        newest.requests = newest.requests.saturating_add(1);
    }

    /// Whether one more retry is within the budget, which counts it.
    pub(super) fn may_retry(
        &mut self,
        budget: RetryBudget,
        interval: Duration,
        now: Instant,
    ) -> bool {
        self.newest_at(interval, now);
        let sum = |of: fn(&BegunRequests) -> u32| {
            let parts = self.parts.iter().map(of);
            parts.fold(0, u32::saturating_add)
        };
        let may = sum(|part| part.retries) < budget.most(sum(|part| part.requests));
        self.parts[0].retries += u32::from(may);
        may
    }

    /// The newest part, once those that are over are forgotten.
    fn newest_at(&mut self, interval: Duration, now: Instant) -> &mut BegunRequests {
        let length = (interval / PARTS as u32).max(Duration::from_micros(1));
        let newest = *self.newest.get_or_insert(now);
        let passed = now.saturating_duration_since(newest).as_nanos() / length.as_nanos();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        if passed > 0 {
            let steps = usize::try_from(passed).unwrap_or(PARTS).min(PARTS);
            self.parts.rotate_right(steps);
            self.parts[..steps].fill(BegunRequests::default());
            self.newest = newest
                .checked_add(length.saturating_mul(passed))
                .or(Some(now));
        }
        &mut self.parts[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);
    const TEN: Duration = Duration::from_secs(10);

    fn budget(least: u32) -> RetryBudget {
        RetryBudget {
            percent: 20,
            interval: Some(TEN),
            least,
        }
    }

    fn retries(recent: &mut RecentRequests, least: u32, now: Instant) -> usize {
        let mut may = || recent.may_retry(budget(least), TEN, now);
        std::iter::from_fn(|| may().then_some(())).count()
    }

    #[test]
    fn retries_are_a_share_of_the_requests_of_the_time() {
        let now = clock::now();
        let mut recent = RecentRequests::default();
        assert_eq!(retries(&mut recent, 0, now), 0);
        assert_eq!(retries(&mut recent, 2, now), 2);
        for _ in 0..25 {
            recent.request(TEN, now + SECOND);
        }
        // Of the five, two were made.
        assert_eq!(retries(&mut recent, 0, now + 2 * SECOND), 3);
        assert_eq!(retries(&mut recent, 0, now + 9 * SECOND), 0);
        // The first two are forgotten before the requests are.
        assert_eq!(retries(&mut recent, 0, now + 10 * SECOND), 2);
        // The requests too; what was made lately counts.
        assert_eq!(retries(&mut recent, 3, now + 11 * SECOND), 0);
        assert_eq!(retries(&mut recent, 6, now + 11 * SECOND), 1);
        assert_eq!(retries(&mut recent, 3, now + 100 * SECOND), 3);
    }

    #[test]
    fn parts_are_passed_one_by_one_or_all_at_once() {
        let now = clock::now();
        let mut recent = RecentRequests::default();
        for second in 0..40 {
            recent.request(TEN, now + second * SECOND);
        }
        // Ten requests in ten seconds.
        assert_eq!(retries(&mut recent, 0, now + 39 * SECOND), 2);
        assert_eq!(retries(&mut recent, 0, now + 1000 * SECOND), 0);
        let mut tiny = RecentRequests::default();
        tiny.request(Duration::from_nanos(1), now);
        tiny.request(Duration::from_nanos(1), now + TEN);
    }
}
