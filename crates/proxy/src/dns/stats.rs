//! The counters of DNS work. They have no names here: the exporter of metrics gives them theirs.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::dns::failure::FailureKind;
use crate::dns::source::AnswerSource;
use crate::meter::{Counter, CountersByLabel, Histogram};

/// The counters of all resolvers together.
#[derive(Debug, Default)]
pub struct DnsStats {
    /// Lookups that gave addresses.
    pub(crate) resolved: CountersByLabel<AnswerSource>,
    /// Lookups that gave a failure.
    pub(crate) failed: CountersByLabel<AnswerSource>,
    /// Lookups that were refused because too many names were being resolved.
    pub(crate) overloaded: Counter,
    /// Queries: one for each name and record type, however many servers were asked.
    pub(crate) queries: Counter,
    /// Queries that brought no records, by the kind of failure.
    pub(crate) query_failures: CountersByLabel<FailureKind>,
    /// The duration of queries, whatever their result.
    pub(crate) query_duration: Histogram,
    /// Answers with addresses that came after the lookup had gone on with those of the other family.
    pub(crate) late_answers: Counter,
    /// Names that were forgotten because the cache was full.
    pub(crate) evicted: Counter,
    /// Names that were forgotten because nobody used them.
    pub(crate) idled: Counter,
    /// The counters of each server, by its name in the configuration. A server that leaves the configuration keeps
    /// them.
    servers: Mutex<BTreeMap<Arc<str>, Arc<ServerStats>>>,
}

/// The counters of one server, over all resolvers that query it.
#[derive(Debug, Default)]
pub(crate) struct ServerStats {
    /// The duration of queries to the server, up to its answer or failure; a timeout counts as a failure.
    pub(crate) duration: Histogram,
    /// Queries to which the server gave no records, by the kind of failure.
    pub(crate) failures: CountersByLabel<FailureKind>,
    /// Queries in a row that it has not answered.
    unanswered: AtomicU32,
    /// When it was last queried, in milliseconds of Unix time; zero if it never was.
    queried: AtomicU64,
}

/// How many queries in a row a server must leave without an answer before it is said to be silent: one timeout may be due to
/// the name, but hardly several in a row.
const SILENT: u32 = 3;

impl ServerStats {
    /// The server has left a query without an answer in time. Returns whether it is silent from now on.
    pub(crate) fn timed_out(&self) -> bool {
        self.unanswered.fetch_add(1, Relaxed) + 1 == SILENT
    }

    /// The server cannot be reached. Returns whether it is silent from now on.
    pub(crate) fn failed(&self) -> bool {
        self.unanswered.swap(SILENT, Relaxed) < SILENT
    }

    /// The server has answered. Returns whether it was silent until now.
    pub(crate) fn answered(&self) -> bool {
        self.unanswered.swap(0, Relaxed) >= SILENT
    }

    /// Whether it does not answer.
    pub(crate) fn is_silent(&self) -> bool {
        self.unanswered.load(Relaxed) >= SILENT
    }

    /// The server is queried at this time.
    pub(crate) fn queried_at(&self, at: SystemTime) {
        let since = at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.queried.store(millis, Relaxed);
    }

    /// When it was last queried.
    pub(crate) fn queried(&self) -> Option<SystemTime> {
        let millis = self.queried.load(Relaxed);
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        (millis > 0).then_some(at)
    }
}

impl DnsStats {
    /// The counters of a server; made when it is first named.
    pub(crate) fn server(&self, name: &Arc<str>) -> Arc<ServerStats> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(servers.entry(Arc::clone(name)).or_default())
    }

    /// The counters of every server there has been.
    #[must_use]
    pub(crate) fn servers(&self) -> Vec<(Arc<str>, Arc<ServerStats>)> {
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = servers.iter();
        pairs
            .map(|(name, stats)| (Arc::clone(name), Arc::clone(stats)))
            .collect()
    }
}
