//! The form in which a cached name outlives the process.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use egret_config::name::DnsName;
use egret_config::snapshot::LookupFamily;

/// A name with addresses, with ages in place of points in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SavedEntry {
    /// The name.
    pub(crate) name: DnsName,
    /// The addresses, in the order in which they were served.
    pub(crate) addresses: Arc<[IpAddr]>,
    /// The setting under which the name was queried.
    pub(crate) family: LookupFamily,
    /// The TTL of the records, not clamped yet.
    pub(crate) ttl: Duration,
    /// The time since the answer.
    pub(crate) age: Duration,
    /// The time since the last use.
    pub(crate) idle: Duration,
}
