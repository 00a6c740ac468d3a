//! The seam to the network: one question to DNS, and what may come of it.

use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use egret_config::name::{DnsName, Port};

use crate::dns::failure::Failure;
use crate::dns::family::Family;

/// Most addresses taken from one answer; a server may send many more than anyone would try.
pub const MAX_ADDRESSES: usize = 64;

/// Most HTTPS records taken from one answer.
pub const MAX_SERVICES: usize = 8;

/// The future of a query.
pub type Answering = Pin<Box<dyn Future<Output = Result<Records, QueryError>> + Send>>;

/// The future of a query for HTTPS records.
pub type AnsweringServices = Pin<Box<dyn Future<Output = Result<Services, QueryError>> + Send>>;

/// Asks DNS servers. Does not cache, search, or read a hosts file.
pub trait Query: Send + Sync {
    /// Asks for the addresses of one family. The caller bounds the time by dropping the future.
    fn query(&self, name: DnsName, family: Family) -> Answering;

    /// Asks for the HTTPS records (RFC 9460). The caller bounds the time as well.
    fn services(&self, name: DnsName) -> AnsweringServices;
}

/// The addresses of a name in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// As answered, at least one and at most [`MAX_ADDRESSES`].
    pub addresses: Vec<IpAddr>,
    /// The least TTL of the records that led there, CNAME records included (RFC 1035 3.2.1, whole seconds).
    pub ttl: Duration,
}

/// The HTTPS records of a name that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Services {
    /// In the order of their priority, at least one and at most [`MAX_SERVICES`].
    pub services: Vec<Service>,
    /// The least TTL of the records that led there.
    pub ttl: Duration,
}

/// One HTTPS record in service mode (RFC 9460 2.4.3), which says how the origin is reached. Those that point to another
/// name without giving its addresses, and those with a mandatory key that is not known here, are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The protocols that it speaks (RFC 9460 7.1), `http/1.1` among them unless `no-default-alpn` is set.
    pub alpn: Vec<Box<[u8]>>,
    /// The port, where it is not that of the URI (RFC 9460 7.2).
    pub port: Option<Port>,
    /// Addresses to begin with (RFC 9460 7.3), at most [`MAX_ADDRESSES`].
    pub hints: Vec<IpAddr>,
    /// Whether it is of another name, so that the name's own addresses are not its.
    pub elsewhere: bool,
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
