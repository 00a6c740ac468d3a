//! What DNS work is counted. Plain numbers that only grow; whoever exports them gives them names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::dns::failure::Failure;
use crate::dns::resolver::How;
use crate::meter::{Counter, Histogram};

/// The counters of all resolvers together.
#[derive(Debug, Default)]
pub struct DnsStats {
    /// Lookups that gave addresses, by [`How::index`].
    pub resolved: [Counter; How::COUNT],
    /// Lookups that gave none, by [`How::index`].
    pub failed: [Counter; How::COUNT],
    /// Lookups that were refused because too many names were being resolved.
    pub overloaded: Counter,
    /// Queries: one per name and family, however many servers were asked.
    pub queries: Counter,
    /// Queries that brought no addresses, by [`Failure::kind`].
    pub query_failures: [Counter; Failure::KINDS],
    /// How long the queries took, whatever came of them.
    pub query_duration: Histogram,
    /// Addresses that came after those who asked had gone on without them.
    pub late_answers: Counter,
    /// Names that left because the cache was full.
    pub evicted: Counter,
    /// Names that left because nobody asked for them.
    pub idled: Counter,
    /// By the server's name in the configuration. Those that leave the configuration stay here.
    servers: Mutex<BTreeMap<Arc<str>, Arc<ServerStats>>>,
}

/// The counters of one server, for all who ask it.
#[derive(Debug, Default)]
pub struct ServerStats {
    /// How long it took to answer or fail; a timeout counts as that.
    pub duration: Histogram,
    /// What it gave in place of records, by [`Failure::kind`].
    pub failures: [Counter; Failure::KINDS],
}

impl DnsStats {
    /// Those of a server, from now on at the latest.
    pub fn server(&self, name: &Arc<str>) -> Arc<ServerStats> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(servers.entry(Arc::clone(name)).or_default())
    }

    /// All servers there have been.
    #[must_use]
    pub fn servers(&self) -> Vec<(Arc<str>, Arc<ServerStats>)> {
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = servers.iter();
        pairs
            .map(|(name, stats)| (Arc::clone(name), Arc::clone(stats)))
            .collect()
    }
}
