//! The circuit breakers of one destination, over all workers.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use egret_config::snapshot::{CircuitBreakers, RetryBudget};
use tokio::sync::Notify;

use super::retry_budget::RecentRequests;
use crate::clock;
use crate::refusal::CircuitBreakerLimit;

/// The use of the limits of a destination. The atomics are sequentially consistent: a request that begins to wait must
/// either see the connection that was just closed, or be seen waiting by the task that closed it.
#[derive(Debug, Default)]
pub(crate) struct DestinationLimits {
    connections: AtomicU32,
    pending: AtomicU32,
    requests: AtomicU32,
    retries: AtomicU32,
    /// Requests that wait for a connection.
    waiting: AtomicU32,
    /// Notified when a connection was closed.
    freed: Notify,
    /// What was begun lately; used only where a budget of retries is for a time.
    recent: Mutex<RecentRequests>,
}

/// A permit under one limit, returned when it is dropped.
#[derive(Debug)]
pub(crate) struct LimitPermit {
    limits: Arc<DestinationLimits>,
    limit: CircuitBreakerLimit,
}

/// Counts a request as waiting for a connection while it waits.
#[derive(Debug)]
pub(crate) struct QueueGuard<'a>(&'a DestinationLimits);

impl DestinationLimits {
    /// Acquires a permit, if the circuit breakers allow one more.
    pub(crate) fn enter(
        self: &Arc<Self>,
        limit: CircuitBreakerLimit,
        breakers: &CircuitBreakers,
    ) -> Option<LimitPermit> {
        let most = match limit {
            CircuitBreakerLimit::Connections => breakers.max_connections,
            CircuitBreakerLimit::Pending => breakers.max_pending_requests,
            CircuitBreakerLimit::Requests => breakers.max_requests,
            CircuitBreakerLimit::Retries => match breakers.retry_budget {
                None => breakers.max_retries,
                Some(budget) => self.most_retries(budget),
            },
        };
        if limit == CircuitBreakerLimit::Requests
            && let Some(interval) = breakers.retry_budget.and_then(|budget| budget.interval)
        {
            self.recent().request(interval, clock::now());
        }
        let counter = self.counter(limit);
        if counter.fetch_add(1, SeqCst) >= most {
            counter.fetch_sub(1, SeqCst);
            return None;
        }
        Some(LimitPermit {
            limits: Arc::clone(self),
            limit,
        })
    }

    /// The most retries that may be in progress by a budget.
    fn most_retries(&self, budget: RetryBudget) -> u32 {
        match budget.interval {
            Some(interval) if self.recent().may_retry(budget, interval, clock::now()) => u32::MAX,
            Some(_) => 0,
            None => {
                let in_progress = self.requests.load(SeqCst) + self.pending.load(SeqCst);
                budget.most(in_progress)
            }
        }
    }

    fn recent(&self) -> MutexGuard<'_, RecentRequests> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait for a connection.
    pub(crate) fn queue(&self) -> QueueGuard<'_> {
        self.waiting.fetch_add(1, SeqCst);
        QueueGuard(self)
    }

    /// Whether a request of any worker waits for a connection.
    pub(crate) fn is_queued_for(&self) -> bool {
        self.waiting.load(SeqCst) > 0
    }

    /// Notified when a connection is closed while a request waits.
    pub(crate) fn freed(&self) -> &Notify {
        &self.freed
    }

    fn counter(&self, limit: CircuitBreakerLimit) -> &AtomicU32 {
        match limit {
            CircuitBreakerLimit::Connections => &self.connections,
            CircuitBreakerLimit::Pending => &self.pending,
            CircuitBreakerLimit::Requests => &self.requests,
            CircuitBreakerLimit::Retries => &self.retries,
        }
    }
}

impl Drop for LimitPermit {
    fn drop(&mut self) {
        self.limits.counter(self.limit).fetch_sub(1, SeqCst);
        if self.limit == CircuitBreakerLimit::Connections && self.limits.is_queued_for() {
            self.limits.freed.notify_one();
        }
    }
}

impl Drop for QueueGuard<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKERS: CircuitBreakers = CircuitBreakers {
        max_connections: 1,
        max_pending_requests: 2,
        max_requests: 3,
        max_retries: 0,
        retry_budget: None,
    };

    #[test]
    fn each_has_its_own_limit_and_what_ends_makes_room() {
        let limits = Arc::new(DestinationLimits::default());
        for (limit, most) in [
            (CircuitBreakerLimit::Connections, 1),
            (CircuitBreakerLimit::Pending, 2),
            (CircuitBreakerLimit::Requests, 3),
            (CircuitBreakerLimit::Retries, 0),
        ] {
            let enter = || limits.enter(limit, &BREAKERS);
            let mut held: Vec<_> = (0..most).map(|_| enter().expect("room")).collect();
            assert!(enter().is_none() && enter().is_none(), "{limit:?}");
            if held.pop().is_some() {
                held.push(enter().expect("room again"));
            }
        }
    }

    #[test]
    fn a_budget_of_retries_grows_with_the_requests() {
        let limits = Arc::new(DestinationLimits::default());
        let breakers = CircuitBreakers {
            max_connections: 100,
            max_pending_requests: 100,
            max_requests: 100,
            retry_budget: Some(RetryBudget {
                percent: 25,
                interval: None,
                least: 1,
            }),
            ..BREAKERS
        };
        let enter = |limit| limits.enter(limit, &breakers);
        let retries = || {
            let all = std::iter::from_fn(|| enter(CircuitBreakerLimit::Retries));
            all.collect::<Vec<_>>().len()
        };
        assert_eq!(retries(), 1);
        let requests: Vec<_> = (0..9)
            .map(|_| enter(CircuitBreakerLimit::Requests))
            .collect();
        assert_eq!(retries(), 2);
        let pending: Vec<_> = (0..3)
            .map(|_| enter(CircuitBreakerLimit::Pending))
            .collect();
        assert_eq!(retries(), 3);
        drop((requests, pending));
        assert_eq!(retries(), 1);
    }

    #[tokio::test]
    async fn who_waits_is_told_of_a_connection_that_closes() {
        let limits = Arc::new(DestinationLimits::default());
        let connection = limits
            .enter(CircuitBreakerLimit::Connections, &BREAKERS)
            .expect("room");
        let queued = limits.queue();
        drop(connection);
        limits.freed().notified().await;
        drop(queued);
        assert!(!limits.is_queued_for());
    }
}
