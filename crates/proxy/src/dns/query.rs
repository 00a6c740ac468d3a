//! The border between resolvers and the network: the trait of a client that sends one query, and the records that a
//! query may bring.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use egret_config::name::{DnsName, Port};
use egret_config::snapshot::ResolverSettings;

use crate::dns::failure::DnsFailure;
use crate::dns::family::AddressFamily;
use crate::dns::stats::DnsStats;

/// The most addresses that are taken from one answer; a server may send many more than anyone would try.
pub(crate) const MAX_ADDRESSES: usize = 64;

/// The most HTTPS records that are taken from one answer.
pub(crate) const MAX_HTTPS_RECORDS: usize = 8;

/// The future of a query for records of type `T`.
pub type QueryFuture<T> = Pin<Box<dyn Future<Output = Result<T, QueryError>> + Send>>;

/// Makes the client for the servers of these settings; the client counts its work by server.
pub type DnsClientFactory =
    Arc<dyn Fn(&ResolverSettings, &Arc<DnsStats>) -> Arc<dyn DnsClient> + Send + Sync>;

/// A stub resolver: it queries DNS servers, and has neither cache, search domains nor hosts file.
pub trait DnsClient: Send + Sync {
    /// Queries the addresses of one family. The caller bounds the time by dropping the future.
    fn query_addresses(&self, name: DnsName, family: AddressFamily) -> QueryFuture<AddressRecords>;

    /// Queries the HTTPS records (RFC 9460). The caller bounds the time by dropping the future.
    fn query_https(&self, name: DnsName) -> QueryFuture<HttpsRecords>;
}

/// The addresses of a name in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRecords {
    /// The addresses in the order of the answer, at least one and at most `MAX_ADDRESSES`.
    pub addresses: Vec<IpAddr>,
    /// The least TTL of the records that led there, CNAME records included (RFC 1035 3.2.1, whole seconds).
    pub ttl: Duration,
}

/// The HTTPS records of a name that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsRecords {
    /// The records in the order of their priority, at least one and at most `MAX_HTTPS_RECORDS`.
    pub records: Vec<HttpsRecord>,
    /// The least TTL of the records that led there, CNAME records included.
    pub ttl: Duration,
}

/// One HTTPS record in service mode (RFC 9460 2.4.3), which says how the origin is reached. Records that point to
/// another name without its addresses are left out, and so are records with a mandatory key that is not supported here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsRecord {
    /// The protocols of the origin (RFC 9460 7.1), `http/1.1` among them unless `no-default-alpn` is set.
    pub alpn: Vec<Box<[u8]>>,
    /// The port, where it is not that of the URI (RFC 9460 7.2).
    pub port: Option<Port>,
    /// The address hints (RFC 9460 7.3), at most `MAX_ADDRESSES`.
    pub hints: Vec<IpAddr>,
    /// Whether TargetName is another name, whose addresses are not those of the origin's own name.
    pub other_target: bool,
}

/// A query that brought no records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// The reason.
    pub failure: DnsFailure,
    /// How long a negative answer may be cached: the lesser of the SOA record's TTL and its MINIMUM field
    /// (RFC 2308 5). `None` without an SOA record, and for a failure that is not an answer.
    pub ttl: Option<Duration>,
}

impl From<DnsFailure> for QueryError {
    fn from(failure: DnsFailure) -> Self {
        Self { failure, ttl: None }
    }
}
