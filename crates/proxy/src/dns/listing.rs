//! What the cache tells people about a name.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use egret_config::name::DnsName;

use crate::dns::failure::Failure;
use crate::dns::query::Service;

/// One name of the cache at one point in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name.
    pub name: DnsName,
    /// What a request for it would get.
    pub state: State,
    /// Whether a query for it is running.
    pub resolving: bool,
    /// The addresses, preferred family first; `None` when the last answer had none, or there was none yet.
    pub addresses: Option<Arc<[IpAddr]>>,
    /// How the name says that it is reached over TLS.
    pub service: Option<Arc<Service>>,
    /// Since the answer.
    pub age: Duration,
    /// Until the answer expires; zero when it has.
    pub ttl_left: Duration,
    /// Since a request last asked for it, used a connection to it, or the settings kept it.
    pub idle: Duration,
    /// What the last query failed with, if it did.
    pub error: Option<Failure>,
    /// How many requests were served from the cache.
    pub hits: u64,
}

/// What a request would get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The addresses.
    Fresh,
    /// The addresses, past their TTL (RFC 8767).
    Stale,
    /// The error, as remembered.
    Negative,
    /// A new query; what is listed is too old to serve.
    Expired,
    /// The outcome of the query that is running, the first for this name.
    Resolving,
}

impl State {
    /// In lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Negative => "negative",
            Self::Expired => "expired",
            Self::Resolving => "resolving",
        }
    }
}

impl Listed {
    /// A name that is being asked for and of which nothing is known.
    #[must_use]
    pub fn unknown(name: &DnsName) -> Self {
        Self {
            name: name.clone(),
            state: State::Resolving,
            resolving: true,
            addresses: None,
            service: None,
            age: Duration::ZERO,
            ttl_left: Duration::ZERO,
            idle: Duration::ZERO,
            error: None,
            hits: 0,
        }
    }
}
