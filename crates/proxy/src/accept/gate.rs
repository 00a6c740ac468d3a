//! The limit of connections of a listener, over all workers.

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use crate::refusal::Refusal;

/// The encoded response to a rejected client that speaks HTTP in clear text.
static REJECTION: LazyLock<Vec<u8>> = LazyLock::new(|| Refusal::TooManyConnections.encoded());

/// Limits the connections of one bound address.
#[derive(Debug)]
pub(crate) struct ConnectionGate {
    limit: usize,
    open: AtomicUsize,
    /// Whether a rejection has been reported since the count was last clearly below the limit.
    is_full: AtomicBool,
}

/// A permit for one connection, which is given back on drop.
#[derive(Debug)]
pub(crate) struct GatePermit(Arc<ConnectionGate>);

/// The error of a gate that has as many connections as its limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GateFull {
    /// Whether this is the first rejection since the count was last clearly below the limit, and should be reported.
    pub(crate) is_first: bool,
}

impl ConnectionGate {
    /// Creates a gate with a limit of connections; `None` is no limit.
    pub(crate) fn new(limit: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            limit: limit.unwrap_or(usize::MAX),
            open: AtomicUsize::new(0),
            is_full: AtomicBool::new(false),
        })
    }

    /// The limit of connections; `usize::MAX` if there is none.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Takes a permit for one more connection.
    ///
    /// # Errors
    /// [`GateFull`] if the limit is reached.
    pub(crate) fn try_acquire(self: &Arc<Self>) -> Result<GatePermit, GateFull> {
        let place = GatePermit(Arc::clone(self));
        if self.open.fetch_add(1, Relaxed) < self.limit {
            Ok(place)
        } else {
            let is_first = !self.is_full.swap(true, Relaxed);
            Err(GateFull { is_first })
        }
    }
}

impl Drop for GatePermit {
    fn drop(&mut self) {
        let ConnectionGate {
            limit,
            open,
            is_full,
        } = &*self.0;
        let left = open.fetch_sub(1, Relaxed) - 1;
        // Not at the first connection that closes: under load another one takes its place, and every rejection after it
        // would be reported.
        if left <= limit - limit.div_ceil(8) && is_full.load(Relaxed) {
            is_full.store(false, Relaxed);
        }
    }
}

/// The response that is sent to rejected clients without reading their request.
pub(crate) fn rejection() -> &'static [u8] {
    &REJECTION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_may_be() {
        let gate = ConnectionGate::new(Some(8));
        let mut places: Vec<_> = (0..8).map(|_| gate.try_acquire().unwrap()).collect();
        let told = |gate: &Arc<ConnectionGate>| gate.try_acquire().unwrap_err().is_first;
        assert!(told(&gate), "the first is news");
        assert!(!told(&gate));
        places.pop();
        places.push(gate.try_acquire().expect("one has left"));
        assert!(told(&gate), "there were clearly fewer");
        places.clear();
        assert!(gate.try_acquire().is_ok(), "those refused hold no place");
    }

    #[test]
    fn one_that_goes_for_one_that_comes_is_no_news() {
        let gate = ConnectionGate::new(Some(100));
        let mut places: Vec<_> = (0..100).map(|_| gate.try_acquire().unwrap()).collect();
        assert!(gate.try_acquire().unwrap_err().is_first);
        for _ in 0..5 {
            places.pop();
            places.push(gate.try_acquire().unwrap());
            assert!(!gate.try_acquire().unwrap_err().is_first);
        }
    }

    #[test]
    fn none_and_no_limit() {
        let gate = ConnectionGate::new(None);
        let places: Vec<_> = (0..1000).map(|_| gate.try_acquire().unwrap()).collect();
        assert_eq!(places.len(), 1000);
    }
}
