//! The types of the result of a lookup in the cache.

use std::net::IpAddr;
use std::sync::Arc;

use super::in_flight::InFlightQuery;
use crate::dns::failure::DnsFailure;
use crate::dns::query::HttpsRecord;

/// The result of a lookup in the cache, and what its caller has to do.
#[derive(Debug)]
pub(crate) enum CacheLookup<W = ()> {
    /// Addresses within their TTL. A refresh comes with them when the TTL is nearly over, so that a name in use never
    /// expires.
    Hit(ServedAnswer<W>),
    /// Addresses past their TTL which may still be served (RFC 8767).
    Stale(ServedAnswer<W>),
    /// A remembered failure.
    Negative(DnsFailure),
    /// The caller has to wait for the query in flight.
    Join(W),
    /// The caller has to send this query and wait for it.
    Start(InFlightQuery<W>),
    /// As many names are being resolved as the settings allow.
    Overloaded,
}

/// The answer that the cache holds for a name with addresses.
#[derive(Debug)]
pub(crate) struct CachedAnswer {
    /// The addresses, at least one.
    pub(crate) addresses: Arc<[IpAddr]>,
    /// The HTTPS record to use, if there is one.
    pub(crate) https_record: Option<Arc<HttpsRecord>>,
}

/// An answer with addresses, and what its caller has to do.
#[derive(Debug)]
pub(crate) struct ServedAnswer<W = ()> {
    /// The addresses, preferred family first.
    pub(crate) addresses: Arc<[IpAddr]>,
    /// The HTTPS record to use, if there is one.
    pub(crate) https_record: Option<Arc<HttpsRecord>>,
    /// Set when the caller has to send this query in the background.
    pub(crate) refresh: Option<InFlightQuery<W>>,
    /// Set while the other family is late: the handle of those who wait for it.
    pub(crate) pending_family: Option<W>,
}
