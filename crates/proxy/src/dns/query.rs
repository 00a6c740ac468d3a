//! The seam to the network: one question to DNS, and what may come of it.

use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use egret_config::name::DnsName;

use crate::dns::failure::Failure;
use crate::dns::family::Family;

/// Most addresses taken from one answer; a server may send many more than anyone would try.
pub const MAX_ADDRESSES: usize = 64;

/// The future of a query.
pub type Answering = Pin<Box<dyn Future<Output = Result<Records, QueryError>> + Send>>;

/// Asks DNS servers. Does not cache, search, or read a hosts file.
pub trait Query: Send + Sync {
    /// Asks for the addresses of one family. The caller bounds the time by dropping the future.
    fn query(&self, name: DnsName, family: Family) -> Answering;
}

/// The addresses of a name in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// As answered, at least one and at most [`MAX_ADDRESSES`].
    pub addresses: Vec<IpAddr>,
    /// The least TTL of the records that led there, CNAME records included (RFC 1035 3.2.1, whole seconds).
    pub ttl: Duration,
}

/// A query that brought no addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// What it brought instead.
    pub failure: Failure,
    /// How long a negative answer holds: the lesser of the SOA record's TTL and its MINIMUM field (RFC 2308 5). `None`
    /// without an SOA record, and for what is not an answer.
    pub ttl: Option<Duration>,
}

impl From<Failure> for QueryError {
    fn from(failure: Failure) -> Self {
        Self { failure, ttl: None }
    }
}
