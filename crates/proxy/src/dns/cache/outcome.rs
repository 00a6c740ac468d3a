//! What comes back from a flight, and what the cache makes of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

#[cfg(doc)]
use super::Cache;
use super::Late;
use crate::dns::failure::Failure;

/// What a flight brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Addresses, in the order of the answer; families may be mixed.
    Found {
        /// At least one.
        addresses: Vec<IpAddr>,
        /// The least TTL of the records that led there.
        ttl: Duration,
        /// Whether a family is still being asked for: there is more to come, through [`Cache::merge`].
        early: bool,
    },
    /// None.
    Failed {
        /// Why.
        failure: Failure,
        /// How long the SOA record lets an NXDOMAIN or NODATA be remembered (RFC 2308); `None` without one.
        ttl: Option<Duration>,
    },
}

/// What completing a flight came to.
#[derive(Debug)]
pub struct Landed {
    /// What those who waited are told.
    pub told: Result<Arc<[IpAddr]>, Failure>,
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
