//! What comes back from a flight, and what the cache makes of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use egret_config::name::DnsName;

#[cfg(doc)]
use super::Cache;
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
    /// For [`Cache::merge`], when more addresses come after all.
    pub late: Late,
    /// How many names had to leave to make room.
    pub evicted: usize,
}

/// Names the answer of one flight, to add to it.
#[derive(Debug)]
pub struct Late {
    pub(super) name: DnsName,
    pub(super) number: u64,
}

/// What one step of [`Cache::sweep`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// How many names left.
    pub removed: usize,
    /// Whether more may have to.
    pub more: bool,
}
