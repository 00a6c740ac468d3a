//! What a lookup gives.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::dns::flight::Told;
use crate::dns::query::Service;

/// What a name resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// At least one; the preferred family first, within a family as the server answered.
    pub addresses: Arc<[IpAddr]>,
    /// Where they come from.
    pub how: How,
    /// Set while one family has answered and the other has not: connecting can begin, and go on with what comes.
    pub more: Option<More>,
    /// How the name says that it is reached over TLS.
    pub service: Option<Arc<Service>>,
}

/// Addresses that have not come yet.
#[derive(Clone, Debug)]
pub struct More {
    told: watch::Receiver<Option<Told>>,
    /// What was given without them.
    given: Arc<[IpAddr]>,
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// The settings (`hosts`), or the system's hosts file.
    Static,
    /// RFC 6761 6.3.
    Localhost,
    /// The cache.
    Hit,
    /// The cache, past the TTL (RFC 8767).
    Stale,
    /// The cache, which remembers a failure.
    Negative,
    /// A query made for this request.
    Miss,
    /// A query that was running already.
    Coalesced,
}

impl Resolved {
    pub(super) fn new(addresses: Arc<[IpAddr]>, how: How) -> Self {
        Self {
            addresses,
            how,
            more: None,
            service: None,
        }
    }

    /// The same, for a name that says how it is reached over TLS.
    pub(super) fn with_service(mut self, service: Option<Arc<Service>>) -> Self {
        self.service = service;
        self
    }

    /// The same, while there is more to come.
    pub(super) fn with_more(mut self, told: Option<watch::Receiver<Option<Told>>>) -> Self {
        self.more = told.map(|told| More {
            told,
            given: Arc::clone(&self.addresses),
        });
        self
    }
}

impl More {
    /// Waits for the family that is late. Gives all addresses of the name, those that were told already among them, or
    /// `None` when no more have come.
    pub async fn all(mut self) -> Option<Arc<[IpAddr]>> {
        let told = self.told.wait_for(is_complete).await.ok()?.clone();
        let all = told?.result.ok()?;
        (all != self.given).then_some(all)
    }
}

fn is_complete(told: &Option<Told>) -> bool {
    told.as_ref().is_some_and(|told| told.complete)
}

impl PartialEq for More {
    fn eq(&self, other: &Self) -> bool {
        self.told.same_channel(&other.told)
    }
}

impl Eq for More {}

impl How {
    /// How many there are: the length of a table by [`How::index`].
    pub const COUNT: usize = 7;
    /// All of them, by [`How::index`].
    pub const ALL: [Self; Self::COUNT] = [
        Self::Static,
        Self::Localhost,
        Self::Hit,
        Self::Stale,
        Self::Negative,
        Self::Miss,
        Self::Coalesced,
    ];

    /// A number below [`How::COUNT`], for counting.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The metric label and the word of the access log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Localhost => "localhost",
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Negative => "negative",
            Self::Miss => "miss",
            Self::Coalesced => "coalesced",
        }
    }
}
