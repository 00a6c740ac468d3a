//! The state of a cached name, as operators see it on the admin address.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use egret_config::name::DnsName;

use crate::dns::failure::DnsFailure;
use crate::dns::query::HttpsRecord;

/// One name of the cache at one point in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedName {
    /// The name.
    pub(crate) name: DnsName,
    /// What a lookup of the name would get.
    pub(crate) state: EntryState,
    /// Whether a query for the name is in flight.
    pub(crate) resolving: bool,
    /// The addresses, preferred family first; `None` when the last answer had none, or there is none yet.
    pub(crate) addresses: Option<Arc<[IpAddr]>>,
    /// The HTTPS record that is used, if there is one.
    pub(crate) https_record: Option<Arc<HttpsRecord>>,
    /// The time since the answer.
    pub(crate) age: Duration,
    /// The time until the answer expires; zero when it has.
    pub(crate) ttl_left: Duration,
    /// The time since a lookup, a request over an existing connection, or the settings last used the name.
    pub(crate) idle: Duration,
    /// The failure of the last query, if it failed.
    pub(crate) error: Option<DnsFailure>,
    /// How many lookups were served from the cache.
    pub(crate) hits: u64,
}

/// What a lookup would get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryState {
    /// The addresses.
    Fresh,
    /// The addresses, past their TTL (RFC 8767).
    Stale,
    /// The remembered failure.
    Negative,
    /// The result of a new query; what is listed is too old to serve.
    Expired,
    /// The result of the query in flight, the first for this name.
    Resolving,
}

impl EntryState {
    /// The state as the admin address prints it.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Negative => "negative",
            Self::Expired => "expired",
            Self::Resolving => "resolving",
        }
    }
}

impl ListedName {
    /// A name that is being resolved for the first time.
    #[must_use]
    pub(crate) fn unknown(name: &DnsName) -> Self {
        Self {
            name: name.clone(),
            state: EntryState::Resolving,
            resolving: true,
            addresses: None,
            https_record: None,
            age: Duration::ZERO,
            ttl_left: Duration::ZERO,
            idle: Duration::ZERO,
            error: None,
            hits: 0,
        }
    }
}
