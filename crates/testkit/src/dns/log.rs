//! The record of queries that have arrived.

use hickory_proto::rr::RecordType;

use super::zone::QueryMatch;

/// A query as the server received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedQuery {
    /// The queried name in lower case, without the trailing dot.
    pub name: String,
    /// The queried type.
    pub record_type: RecordType,
    /// The transport of the query.
    pub protocol: Protocol,
}

/// The transport of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// DNS over TLS.
    Tls,
    /// DNS over HTTPS.
    Https,
}

pub(super) fn count(queries: &[RecordedQuery], asked: &QueryMatch) -> usize {
    queries
        .iter()
        .filter(|query| asked.covers(&query.name, query.record_type))
        .count()
}

pub(super) fn missing(queries: &[RecordedQuery], asked: &QueryMatch, count: usize) -> String {
    format!("{count} queries for {asked:?}; came: {queries:?}")
}
