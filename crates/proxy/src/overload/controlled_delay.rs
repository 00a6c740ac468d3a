//! Controlled delay: what waits in a queue is refused if the queue has not been short for a while.
//!
//! A queue that empties now and then takes up bursts, and one that never does only makes everybody wait. So the shortest
//! wait of an interval tells whether there is too much (Nichols and Jacobson, "Controlling Queue Delay", RFC 8289). For
//! servers, which have to answer in any case, the law of control is simpler: then everything is refused that has waited
//! twice as long as the target (Maurer, "Fail at Scale", ACM Queue 13(8), 2015).

use std::time::{Duration, Instant};

/// The rule, and the waits of the current interval.
#[derive(Debug)]
pub(super) struct ControlledDelay {
    /// How long the shortest wait of an interval may be.
    target: Duration,
    /// The end of the current interval, and the shortest wait in it.
    current: Option<(Instant, Duration)>,
    /// Whether the shortest wait of the interval before was too long.
    is_overloaded: bool,
}

impl ControlledDelay {
    /// How long the queue may be long without a pause.
    pub(super) const INTERVAL: Duration = Duration::from_millis(100);

    pub(super) const fn new(target: Duration) -> Self {
        Self {
            target,
            current: None,
            is_overloaded: false,
        }
    }

    /// Whether what comes to its turn `now`, and has waited for this long, is refused.
    pub(super) fn refuses(&mut self, waited: Duration, now: Instant) -> bool {
        match &mut self.current {
            Some((end, shortest)) if now < *end => *shortest = waited.min(*shortest),
            ended => {
                // Nothing has waited in an interval without requests.
                let before = ended.filter(|(end, _)| now < *end + Self::INTERVAL);
                self.is_overloaded = before.is_some_and(|(_, shortest)| shortest > self.target);
                *ended = Some((now + Self::INTERVAL, waited));
            }
        }
        self.is_overloaded && waited > 2 * self.target
    }

    /// How long the shortest wait of an interval may be.
    pub(super) const fn target(&self) -> Duration {
        self.target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(5);

    /// The answers to requests that come every millisecond for so many, and have waited so many.
    fn refusals(rule: &mut ControlledDelay, begin: Instant, waits: &[(u64, u64)]) -> Vec<u64> {
        let mut at = 0;
        let mut refused = Vec::new();
        for &(count, waited) in waits {
            let mut number = 0;
            for _ in 0..count {
                let now = begin + Duration::from_millis(at);
                number += u64::from(rule.refuses(Duration::from_millis(waited), now));
                at += 1;
            }
            refused.push(number);
        }
        refused
    }

    #[test]
    fn a_queue_that_is_short_now_and_then_takes_any_burst() {
        let mut rule = ControlledDelay::new(TARGET);
        let mostly_long: Vec<_> = (0..20).flat_map(|_| [(60, 500), (1, 5)]).collect();
        let refused = refusals(&mut rule, clock(), &mostly_long);
        assert_eq!(refused.iter().sum::<u64>(), 0);
    }

    #[test]
    fn a_queue_that_stays_long_is_cut_after_an_interval() {
        let mut rule = ControlledDelay::new(TARGET);
        let waits = [(100, 50), (50, 50), (20, 8), (29, 50)];
        let refused = refusals(&mut rule, clock(), &waits);
        // What has waited no more than twice the target is served also then.
        assert_eq!(refused, [0, 50, 0, 29]);
    }

    #[test]
    fn one_short_wait_ends_it_with_its_interval() {
        let mut rule = ControlledDelay::new(TARGET);
        let waits = [(200, 50), (1, 0), (99, 50), (100, 50)];
        let refused = refusals(&mut rule, clock(), &waits);
        assert_eq!(refused, [100, 0, 99, 0]);
    }

    #[test]
    fn what_comes_after_a_pause_has_nothing_to_do_with_what_was_before() {
        let mut rule = ControlledDelay::new(TARGET);
        let begin = clock();
        assert_eq!(refusals(&mut rule, begin, &[(150, 50)]), [50]);
        let later = begin + Duration::from_secs(1);
        assert_eq!(refusals(&mut rule, later, &[(90, 50)]), [0]);
    }

    fn clock() -> Instant {
        crate::clock::now()
    }
}
