//! The set of all resolvers of the running configuration, which follows changes of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use egret_config::snapshot::{ResolverId, ResolverSettings, Snapshot};
use tokio::runtime::Handle;

use crate::dns::hosts_file::HostsFile;
use crate::dns::query::DnsClientFactory;
use crate::dns::resolver::Resolver;
use crate::dns::stats::DnsStats;
use crate::dns::store::CacheStore;

pub(crate) use save::SAVE_INTERVAL;
use saved::SavedCaches;

mod save;
mod saved;

/// The resolvers by their identity in the configuration. They and their caches outlive reloads.
pub(crate) struct ResolverSet {
    current: ArcSwap<BTreeMap<ResolverId, Arc<Resolver>>>,
    /// Locked while a snapshot is applied.
    applying: Mutex<()>,
    factory: DnsClientFactory,
    hosts_file: Arc<HostsFile>,
    control: Handle,
    stats: Arc<DnsStats>,
    saved: Option<SavedCaches>,
}

impl ResolverSet {
    /// A set without resolvers. Their queries run on `control`; `factory` makes the clients for their servers
    /// ([`HickoryClient::factory`](crate::dns::hickory::HickoryClient::factory) in production). Resolvers that query
    /// the system's servers take names from `hosts_file` first, which is read at once and followed from then on.
    #[must_use]
    pub(crate) fn new(
        factory: DnsClientFactory,
        hosts_file: Option<PathBuf>,
        control: Handle,
    ) -> Self {
        let hosts_file = HostsFile::open(hosts_file);
        hosts_file.follow(&control);
        Self {
            hosts_file,
            current: ArcSwap::default(),
            applying: Mutex::new(()),
            factory,
            control,
            stats: Arc::default(),
            saved: None,
        }
    }

    /// Adds a store. It is read at once, `wall` being the time, and [`ResolverSet::save`] writes it. What the resolvers
    /// of the first snapshot do not claim is dropped.
    #[must_use]
    pub(crate) fn with_store(mut self, store: CacheStore, wall: SystemTime) -> Self {
        self.saved = Some(SavedCaches::open(store, wall));
        self
    }

    /// Makes the resolvers those of the snapshot: makes new ones, updates those whose settings have changed, drops
    /// those that are not in it. A request that holds a dropped resolver can finish with it.
    pub(crate) fn apply(&self, snapshot: &Snapshot) {
        let _applying = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.current.load_full();
        let new = snapshot
            .resolvers
            .iter()
            .map(|(id, settings)| {
                let resolver = old.get(id).map(Arc::clone);
                let resolver = resolver
                    .inspect(|resolver| resolver.update_settings(Arc::clone(settings)))
                    .unwrap_or_else(|| self.make(id, settings));
                (id.clone(), resolver)
            })
            .collect();
        self.current.store(Arc::new(new));
        if let Some(saved) = &self.saved {
            saved.drop_unclaimed();
        }
    }

    /// The resolver of this identity; `None` when the configuration no longer has it.
    #[must_use]
    pub(crate) fn get(&self, id: &ResolverId) -> Option<Arc<Resolver>> {
        self.current.load().get(id).map(Arc::clone)
    }

    /// All resolvers.
    #[must_use]
    pub(crate) fn all(&self) -> Arc<BTreeMap<ResolverId, Arc<Resolver>>> {
        self.current.load_full()
    }

    /// The counters of all resolvers together; they outlive each resolver.
    #[must_use]
    pub(crate) fn stats(&self) -> &Arc<DnsStats> {
        &self.stats
    }

    fn make(&self, id: &ResolverId, settings: &Arc<ResolverSettings>) -> Arc<Resolver> {
        let factory = Arc::clone(&self.factory);
        let stats = Arc::clone(&self.stats);
        let resolver = Resolver::new(
            Arc::clone(settings),
            factory,
            Arc::clone(&self.hosts_file),
            self.control.clone(),
            stats,
        );
        if let Some(saved) = &self.saved {
            saved.restore(id, settings, &resolver);
        }
        Arc::new(resolver)
    }
}

#[cfg(test)]
mod tests;
