//! What comes back from a flight, and what the cache makes of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

#[cfg(doc)]
use super::Cache;
use super::Late;
use crate::dns::failure::Failure;
use crate::dns::query::Service;

/// What a flight brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Addresses, in the order of the answer; families may be mixed.
    Found {
        /// At least one.
        addresses: Vec<IpAddr>,
        /// The least TTL of the records that led there.
        ttl: Duration,
        /// How the name says that it is reached over TLS, as far as that is known.
        service: Option<Arc<Service>>,
        /// What is still being asked for.
        rest: Rest,
    },
    /// None.
    Failed {
        /// Why.
        failure: Failure,
        /// How long the SOA record lets an NXDOMAIN or NODATA be remembered (RFC 2308); `None` without one.
        ttl: Option<Duration>,
    },
}

/// What is still to come of a flight when it lands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    Nothing,
    /// HTTPS records, through [`Cache::merge_service`].
    Service,
    /// Addresses of the other family, through [`Cache::merge`], and perhaps HTTPS records.
    Addresses,
}

/// What completing a flight came to.
#[derive(Debug)]
pub struct Landed {
    /// What those who waited are told.
    pub told: Result<Arc<[IpAddr]>, Failure>,
    /// And how the name says that it is reached over TLS.
    pub service: Option<Arc<Service>>,
    /// Set when the rest is to be waited for: it was said to come, and not too many do.
    pub late: Option<Late>,
    /// How many names had to leave to make room.
    pub evicted: usize,
}

/// What one step of [`Cache::sweep`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// How many names left.
    pub removed: usize,
    /// Whether more may have to.
    pub more: bool,
}
