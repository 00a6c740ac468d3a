//! The cache for callers on any thread, and the queries it asks for.
//!
//! The lock is held for one step of the cache and never across an `await`. A lookup that is served from the cache does
//! not wait, and allocates only when it starts a refresh.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use egret_config::name::DnsName;
use egret_config::snapshot::{ResolverSettings, Scheme};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::clock;
use crate::dns::cache::{Cache, Flight, Lookup, Servable, Served};
use crate::dns::failure::{Failure, ResolveError};
use crate::dns::flight::{Told, Waiters, launch};
use crate::dns::hosts_file::HostsFile;
use crate::dns::listing::Listed;
use crate::dns::query::Query;
use crate::dns::stats::DnsStats;

use care::{keep_known, keep_swept};
pub use resolved::{How, More, Resolved};
pub(super) use setup::Setup;

mod care;
mod kept;
mod resolved;
mod setup;

/// Makes what asks the servers of the settings, and counts by server.
pub type QueryFactory =
    Arc<dyn Fn(&ResolverSettings, &Arc<DnsStats>) -> Arc<dyn Query> + Send + Sync>;

/// Resolves names, as one ResolverPolicy says.
pub struct Resolver {
    shared: Arc<Shared>,
}

/// What a resolver shares with its queries.
pub(super) struct Shared {
    cache: Mutex<Cache<Waiters>>,
    setup: ArcSwap<Setup>,
    factory: QueryFactory,
    hosts_file: Arc<HostsFile>,
    pub(super) control: Handle,
    pub(super) stats: Arc<DnsStats>,
}

/// What can be said of a lookup without waiting.
enum Begun {
    Known(Result<Resolved, ResolveError>),
    Waiting(watch::Receiver<Option<Told>>, How),
}

impl Resolver {
    /// A resolver with an empty cache. Its queries and the sweeping of its cache run on `control`.
    #[must_use]
    pub fn new(
        settings: Arc<ResolverSettings>,
        factory: QueryFactory,
        hosts_file: Arc<HostsFile>,
        control: Handle,
        stats: Arc<DnsStats>,
    ) -> Self {
        let query = factory(&settings, &stats);
        let setup = Setup::new(settings, query, hosts_file.names());
        let shared = Arc::new(Shared {
            cache: Mutex::new(Cache::new(rand::random())),
            setup: ArcSwap::from_pointee(setup),
            factory,
            hosts_file,
            control,
            stats,
        });
        shared.keep_names();
        shared.control.spawn(keep_swept(Arc::downgrade(&shared)));
        shared.control.spawn(keep_known(Arc::downgrade(&shared)));
        Self { shared }
    }

    /// The addresses of `name`. Waits only if nothing is known that may be served; dropping the future then leaves the
    /// query running for those who come after.
    ///
    /// For a destination that is reached over TLS, its HTTPS records are asked for as well; nobody waits for them longer
    /// than for addresses.
    ///
    /// # Errors
    /// [`ResolveError::Failed`] with what came of the query, or [`ResolveError::Overloaded`].
    pub async fn resolve(&self, name: &DnsName, scheme: Scheme) -> Result<Resolved, ResolveError> {
        let https = scheme == Scheme::Https;
        let mut resolved = match self.shared.begin(name, https) {
            Begun::Known(resolved) => resolved,
            Begun::Waiting(told, how) => wait(told, how).await,
        };
        if !https && let Ok(resolved) = &mut resolved {
            // It is of no use to this request; another brought it.
            resolved.service = None;
        }
        self.shared.count(&resolved);
        resolved
    }

    /// Counts as a use of `name`, by somebody who has a connection to it already and may need another soon. Asks for it
    /// again in the background if that is due; never waits, and counts no lookup.
    pub fn touch(&self, name: &DnsName) {
        let setup = self.shared.setup.load();
        if setup.without_dns(name).is_none() {
            let now = clock::now();
            // Bound first, so that the lock is free again before a query is launched.
            let flight = self.shared.cache().touch(name, &setup.settings, now);
            self.shared.refresh(&setup, flight);
        }
    }

    /// What a request over this scheme would be served from what is known, stale or not. Counts as no use, and asks
    /// nobody.
    #[must_use]
    pub fn known(&self, name: &DnsName, scheme: Scheme) -> Option<Resolved> {
        let setup = self.shared.setup.load();
        if let Some(resolved) = setup.without_dns(name) {
            return resolved.ok();
        }
        let mut cache = self.shared.cache();
        let Servable { addresses, service } = cache.known(name, &setup.settings, clock::now())?;
        let service = service.filter(|_| scheme == Scheme::Https && setup.settings.https_records);
        Some(Resolved::new(addresses, How::Hit).with_service(service))
    }

    /// Whether it is known that the name leads nowhere: it does not exist, or nobody could be asked for so long that what
    /// was known may not be served any more. Counts as no use, and asks nobody.
    #[must_use]
    pub fn is_over(&self, name: &DnsName) -> bool {
        let setup = self.shared.setup.load();
        match setup.without_dns(name) {
            Some(resolved) => resolved.is_err(),
            None => {
                let cache = self.shared.cache();
                cache.is_over(name, &setup.settings, clock::now())
            }
        }
    }

    /// Takes new settings. The cache stays; running queries end as they began; other servers are asked from here on.
    pub fn update_settings(&self, settings: Arc<ResolverSettings>) {
        let old = self.shared.setup.load_full();
        if old.settings == settings {
            return;
        }
        let same = old.settings.servers == settings.servers
            && old.settings.query_timeout == settings.query_timeout;
        let query = if same {
            Arc::clone(&old.query)
        } else {
            (self.shared.factory)(&settings, &self.shared.stats)
        };
        let setup = Setup::new(settings, query, self.shared.hosts_file.names());
        self.shared.setup.store(Arc::new(setup));
        self.shared.keep_names();
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<ResolverSettings> {
        Arc::clone(&self.shared.setup.load().settings)
    }

    /// Every name of the cache, the last used first. The cost is that of the whole cache.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let settings = self.settings();
        self.shared.cache().list(&settings, clock::now())
    }

    /// How many names the cache holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.cache().len()
    }

    /// Whether the cache holds no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many names requests are waiting for, which is what `max_pending` bounds.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.shared.cache().flying().0
    }

    /// Forgets one name or all; returns how many were known. Running queries go on.
    pub fn flush(&self, name: Option<&DnsName>) -> usize {
        let mut cache = self.shared.cache();
        match name {
            None => cache.flush(),
            Some(name) => usize::from(cache.flush_one(name)),
        }
    }

    /// Asks for a name that is known, in the background and whatever its age. Returns whether a query was started: not
    /// if the name is unknown, is being asked for already, or too many are.
    pub fn refresh(&self, name: &DnsName) -> bool {
        let setup = self.shared.setup.load_full();
        let flight = {
            let mut cache = self.shared.cache();
            if !cache.contains(name) {
                return false;
            }
            cache.renew(name, &setup.settings)
        };
        let Some(flight) = flight else { return false };
        launch(&self.shared, setup, flight);
        true
    }
}

impl Shared {
    /// A panic while the lock is held cannot leave the cache half changed in a way that matters more than going on.
    pub(super) fn cache(&self) -> MutexGuard<'_, Cache<Waiters>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>, name: &DnsName, https: bool) -> Begun {
        let setup = self.setup.load();
        if let Some(known) = setup.without_dns(name) {
            return Begun::Known(known);
        }
        // Bound first, so that the lock is free again before a query is launched.
        let lookup = {
            let mut cache = self.cache();
            cache.lookup(name, https, &setup.settings, clock::now())
        };
        match lookup {
            Lookup::Hit(served) => self.serve(&setup, served, How::Hit),
            Lookup::Stale(served) => self.serve(&setup, served, How::Stale),
            Lookup::Negative(failure) => Begun::Known(Err(ResolveError::Failed {
                failure,
                how: How::Negative,
            })),
            Lookup::Join(waiters) => Begun::Waiting(waiters.subscribe(), How::Coalesced),
            Lookup::Start(flight) => {
                let told = flight.waiters.subscribe();
                launch(self, Arc::clone(&setup), flight);
                Begun::Waiting(told, How::Miss)
            }
            Lookup::Overloaded => Begun::Known(Err(ResolveError::Overloaded)),
        }
    }

    fn serve(self: &Arc<Self>, setup: &Arc<Setup>, served: Served<Waiters>, how: How) -> Begun {
        self.refresh(setup, served.refresh);
        let more = served.more.map(|waiters| waiters.subscribe());
        let resolved = Resolved::new(served.addresses, how);
        let service = served.service.filter(|_| setup.settings.https_records);
        Begun::Known(Ok(resolved.with_service(service).with_more(more)))
    }

    fn refresh(self: &Arc<Self>, setup: &Arc<Setup>, flight: Option<Flight<Waiters>>) {
        if let Some(flight) = flight {
            launch(self, Arc::clone(setup), flight);
        }
    }

    fn count(&self, resolved: &Result<Resolved, ResolveError>) {
        match resolved {
            Ok(resolved) => self.stats.resolved[resolved.how.index()].increment(),
            Err(ResolveError::Failed { how, .. }) => self.stats.failed[how.index()].increment(),
            Err(ResolveError::Overloaded) => self.stats.overloaded.increment(),
        }
    }
}

async fn wait(mut told: watch::Receiver<Option<Told>>, how: How) -> Result<Resolved, ResolveError> {
    let first = match told.wait_for(Option::is_some).await {
        Ok(first) => first.clone(),
        Err(_) => None,
    };
    let Some(first) = first else {
        let failure = Failure::Network("the query was given up".into());
        return Err(ResolveError::Failed { failure, how });
    };
    match first.result {
        Ok(addresses) => {
            let resolved = Resolved::new(addresses, how).with_service(first.service);
            Ok(resolved.with_more((!first.complete).then_some(told)))
        }
        Err(failure) => Err(ResolveError::Failed { failure, how }),
    }
}

#[cfg(test)]
mod tests;
