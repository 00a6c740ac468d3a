//! All resolvers of the running configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use egret_config::snapshot::{ResolverId, ResolverSettings, Snapshot};
use tokio::runtime::Handle;

use crate::dns::hosts_file::HostsFile;
use crate::dns::resolver::{QueryFactory, Resolver};
use crate::dns::stats::DnsStats;
use crate::dns::store::Store;

pub use saved::SAVE_INTERVAL;
use saved::Saved;

mod saved;

/// The resolvers by who asked for them. They outlive reloads, and so do their caches.
pub struct Resolvers {
    current: ArcSwap<BTreeMap<ResolverId, Arc<Resolver>>>,
    /// Held while a snapshot is applied.
    applying: Mutex<()>,
    factory: QueryFactory,
    hosts_file: Arc<HostsFile>,
    control: Handle,
    stats: Arc<DnsStats>,
    saved: Option<Saved>,
}

impl Resolvers {
    /// No resolvers yet. Their queries run on `control`; `factory` makes what asks the servers
    /// ([`HickoryQuery::factory`](crate::dns::hickory::HickoryQuery::factory) in production). Those that ask the system's
    /// servers take names from `hosts_file` first, which is read here and now and followed from then on.
    #[must_use]
    pub fn new(factory: QueryFactory, hosts_file: Option<PathBuf>, control: Handle) -> Self {
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

    /// The same, knowing what is kept in `store`: it is read here and now, `wall` being the time, and
    /// [`Resolvers::save`] writes it. The first snapshot says whose names are still wanted.
    #[must_use]
    pub fn with_store(mut self, store: Store, wall: SystemTime) -> Self {
        self.saved = Some(Saved::open(store, wall));
        self
    }

    /// Makes the resolvers those of the snapshot: makes what is new, updates what has changed, drops what has vanished.
    /// A request that holds on to a dropped one can finish with it.
    pub fn apply(&self, snapshot: &Snapshot) {
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
            saved.forget();
        }
    }

    /// The resolver of this identity; `None` when the configuration no longer has it.
    #[must_use]
    pub fn get(&self, id: &ResolverId) -> Option<Arc<Resolver>> {
        self.current.load().get(id).map(Arc::clone)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Arc<BTreeMap<ResolverId, Arc<Resolver>>> {
        self.current.load_full()
    }

    /// The counters of all of them together; they outlive each.
    #[must_use]
    pub fn stats(&self) -> &Arc<DnsStats> {
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
