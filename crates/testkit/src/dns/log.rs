//! The queries that arrived.

use hickory_proto::rr::RecordType;

use super::zone::Asked;

/// One query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// In lower case, without the trailing dot.
    pub name: String,
    /// The type asked for.
    pub record_type: RecordType,
    /// How it came.
    pub protocol: Protocol,
}

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// In a datagram.
    Udp,
    /// Over a connection.
    Tcp,
    /// Over TLS.
    Tls,
    /// Over HTTPS.
    Https,
}

pub(super) fn count(queries: &[Query], asked: &Asked) -> usize {
    queries
        .iter()
        .filter(|query| asked.covers(&query.name, query.record_type))
        .count()
}

pub(super) fn missing(queries: &[Query], asked: &Asked, count: usize) -> String {
    format!("{count} queries for {asked:?}; came: {queries:?}")
}
