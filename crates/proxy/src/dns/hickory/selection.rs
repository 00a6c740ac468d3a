//! Decides in which order servers are queried, from what is known about each.
//!
//! The code is pure: the time is an argument, and no query is sent here.

use std::time::{Duration, Instant};

/// The bounds of how long a server is given before the next one is queried as well.
const HEAD_START: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long a server is given whose response time is not known yet.
const UNMEASURED_HEAD_START: Duration = Duration::from_millis(250);
/// The head start of a server, as a multiple of its usual response time.
const HEAD_START_FACTOR: u32 = 4;
/// How long a measured response time is relied upon.
const MEASUREMENT_TTL: Duration = Duration::from_secs(30);
/// The bounds of how long a server that failed is not preferred; the time doubles with each failure.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The divisor of the weight of a new response time in the smoothed one.
const SMOOTHING: u32 = 4;

/// The order in which healthy servers are queried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerOrder {
    /// The fastest server comes first: the servers are configured as equals.
    Fastest,
    /// The servers come in their given order, because the first may know names that the others do not. It takes several
    /// failures in a row to move one behind the others.
    AsGiven,
}

/// What is known about all servers.
#[derive(Debug)]
pub(super) struct ServerSelection {
    order: ServerOrder,
    /// The query timeout divided by the number of servers, which no head start exceeds.
    share: Duration,
    servers: Vec<ServerHealth>,
}

/// What is known about one server.
#[derive(Clone, Debug, Default)]
struct ServerHealth {
    /// The smoothed response time.
    smoothed: Option<Duration>,
    /// When the response time was last measured, or a measurement last begun.
    measured: Option<Instant>,
    /// Failures since the last answer.
    failures: u32,
    /// Set while the server comes behind the others: when it is probed again.
    retry: Option<Instant>,
}

/// The servers to query for one name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueryPlan {
    /// The indices of all servers in their order.
    pub(super) order: Vec<usize>,
    /// A server to query beside the first one, without waiting for its answer, to learn whether it is healthy and how
    /// fast.
    pub(super) probe: Option<usize>,
}

impl ServerSelection {
    pub(super) fn new(order: ServerOrder, count: usize, query_timeout: Duration) -> Self {
        let divisor = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        Self {
            order,
            share: query_timeout / divisor,
            servers: vec![ServerHealth::default(); count],
        }
    }

    /// The servers to query now. The probe, if there is one, must be sent.
    pub(super) fn plan(&mut self, now: Instant) -> QueryPlan {
        let order = self.order();
        let probe = order
            .iter()
            .skip(1)
            .copied()
            .find(|&index| self.is_due(index, now));
        if let Some(server) = probe.and_then(|index| self.servers.get_mut(index)) {
            server.measured = Some(now);
            if server.retry.is_some() {
                // Until the server has answered, the probe counts as one more failure.
                server.fail(self.order, now);
            }
        }
        QueryPlan { order, probe }
    }

    /// The indices of all servers in their order.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.servers.len()).collect();
        order.sort_by_key(|&index| {
            let server = &self.servers[index];
            let smoothed = match self.order {
                ServerOrder::Fastest => server.smoothed.unwrap_or(Duration::MAX),
                ServerOrder::AsGiven => Duration::ZERO,
            };
            // A server that has to be probed comes behind all that need not be.
            (server.retry, smoothed, index)
        });
        order
    }

    /// How long this server is given before the next one is queried as well.
    pub(super) fn head_start(&self, index: usize) -> Duration {
        let server = &self.servers[index];
        let usual = match (server.retry, self.order, server.smoothed) {
            (Some(_), _, _) => HEAD_START.0,
            (None, ServerOrder::AsGiven, _) => HEAD_START.1,
            (None, ServerOrder::Fastest, None) => UNMEASURED_HEAD_START,
            (None, ServerOrder::Fastest, Some(smoothed)) => {
                (smoothed * HEAD_START_FACTOR).clamp(HEAD_START.0, HEAD_START.1)
            }
        };
        usual.min(self.share)
    }

    /// Records that the server answered, whatever the answer, and how long that took.
    pub(super) fn answered(&mut self, index: usize, took: Duration, now: Instant) {
        let server = &mut self.servers[index];
        server.smoothed = Some(match server.smoothed {
            None => took,
            Some(before) => (before * (SMOOTHING - 1) + took) / SMOOTHING,
        });
        server.measured = Some(now);
        server.failures = 0;
        server.retry = None;
    }

    /// Records that the server failed where another answered. Failures before the time of the next probe are of queries
    /// that were sent earlier, and do not count.
    pub(super) fn failed(&mut self, index: usize, now: Instant) {
        let server = &mut self.servers[index];
        if server.retry.is_none_or(|retry| retry <= now) {
            server.fail(self.order, now);
        }
    }

    /// Whether it is time to probe this server.
    fn is_due(&self, index: usize, now: Instant) -> bool {
        let server = &self.servers[index];
        match server.retry {
            Some(retry) => retry <= now,
            None => {
                self.order == ServerOrder::Fastest
                    && server
                        .measured
                        .is_none_or(|then| now >= then + MEASUREMENT_TTL)
            }
        }
    }
}

impl ServerHealth {
    fn fail(&mut self, order: ServerOrder, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if let Some(excess) = self.failures.checked_sub(order.failures_tolerated()) {
            let doublings = excess.min(BACKOFF.1.as_secs().ilog2() + 1);
            let backoff = (BACKOFF.0 * 2_u32.pow(doublings)).min(BACKOFF.1);
            self.retry = Some(now + backoff);
        }
    }
}

impl ServerOrder {
    /// How many failures in a row move a server behind the others.
    const fn failures_tolerated(self) -> u32 {
        match self {
            Self::Fastest => 1,
            Self::AsGiven => 3,
        }
    }
}

#[cfg(test)]
mod tests;
