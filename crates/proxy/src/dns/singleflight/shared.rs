//! The state that queries in flight share with the resolver that started them, and with the lookups that wait.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use egret_config::snapshot::ResolverSettings;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::dns::cache::DnsCache;
use crate::dns::failure::DnsFailure;
use crate::dns::query::{DnsClient, HttpsRecord};
use crate::dns::stats::DnsStats;

/// The channel on which the lookups that wait for a query get its answer.
pub(in crate::dns) type AnswerSender = watch::Sender<Option<SharedAnswer>>;

/// The answer of a query for all lookups that wait for it.
#[derive(Clone, Debug)]
pub(in crate::dns) struct SharedAnswer {
    pub(in crate::dns) result: Result<Arc<[IpAddr]>, DnsFailure>,
    pub(in crate::dns) https_record: Option<Arc<HttpsRecord>>,
    /// Whether both families have answered. If not, one more answer is sent.
    pub(in crate::dns) complete: bool,
}

/// The cache of a resolver, and what its queries need beside it.
pub(in crate::dns) struct SharedCache {
    cache: Mutex<DnsCache<AnswerSender>>,
    /// Where queries run.
    pub(in crate::dns) control: Handle,
    pub(in crate::dns) stats: Arc<DnsStats>,
}

/// The settings of a resolver, and the client for their servers.
#[derive(Clone)]
pub(in crate::dns) struct ClientSettings {
    pub(in crate::dns) settings: Arc<ResolverSettings>,
    pub(in crate::dns) client: Arc<dyn DnsClient>,
}

impl SharedCache {
    pub(in crate::dns) fn new(control: Handle, stats: Arc<DnsStats>) -> Self {
        Self {
            cache: Mutex::new(DnsCache::new(rand::random())),
            control,
            stats,
        }
    }

    /// Locks the cache, for one step of it and never across an `await`. A panic while the lock is held cannot leave the
    /// cache in a state that matters more than going on, so a poisoned lock is used as it is.
    pub(in crate::dns) fn lock(&self) -> MutexGuard<'_, DnsCache<AnswerSender>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
