//! The types of the outcome of a query, and of what the cache makes of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::in_flight::LateQuery;
use crate::dns::failure::DnsFailure;
use crate::dns::query::HttpsRecord;

/// The outcome of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QueryOutcome {
    /// Addresses, in the order of the answer; families may be mixed.
    Found {
        /// The addresses, at least one.
        addresses: Vec<IpAddr>,
        /// The least TTL of the records that led there.
        ttl: Duration,
        /// The HTTPS record to use, if one has come already.
        https_record: Option<Arc<HttpsRecord>>,
        /// The answers that are still to come.
        remaining: RemainingAnswers,
    },
    /// No addresses.
    Failed {
        /// The reason.
        failure: DnsFailure,
        /// How long the SOA record lets an NXDOMAIN or NODATA be cached (RFC 2308); `None` without one.
        ttl: Option<Duration>,
    },
}

/// The answers that are still to come when a query is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemainingAnswers {
    /// None.
    Nothing,
    /// HTTPS records, which come through `DnsCache::merge_https_record`.
    HttpsRecord,
    /// Addresses of the other family, which come through `DnsCache::merge_addresses`, and perhaps HTTPS records.
    Addresses,
}

/// The result of completing a query.
#[derive(Debug)]
pub(crate) struct CompletedQuery {
    /// The result for those who waited.
    pub(crate) result: Result<Arc<[IpAddr]>, DnsFailure>,
    /// The HTTPS record for those who waited.
    pub(crate) https_record: Option<Arc<HttpsRecord>>,
    /// Set when the remaining answers are to be waited for: some are to come, and not too many queries wait for theirs.
    pub(crate) late: Option<LateQuery>,
    /// How many names were evicted to make room.
    pub(crate) evicted: usize,
}

/// The result of one step of `DnsCache::sweep`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SweepProgress {
    /// How many names were forgotten.
    pub(crate) removed: usize,
    /// Whether the step reached its limit, so that there may be more to forget.
    pub(crate) more: bool,
}
