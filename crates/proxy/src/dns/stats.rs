//! What DNS work is counted. Plain numbers that only grow; whoever exports them gives them names.

use crate::dns::failure::Failure;
use crate::dns::resolver::How;
use crate::telemetry::metrics::{Counter, Histogram};

/// The counters of all resolvers together.
#[derive(Debug, Default)]
pub struct DnsStats {
    /// Lookups that gave addresses, by [`How::index`].
    pub resolved: [Counter; How::COUNT],
    /// Lookups that gave none, by [`How::index`].
    pub failed: [Counter; How::COUNT],
    /// Lookups that were refused because too many names were being resolved.
    pub overloaded: Counter,
    /// Queries to the servers: one per name and family.
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
}
