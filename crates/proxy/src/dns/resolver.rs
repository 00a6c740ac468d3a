//! Resolves names for callers on any thread, with a cache behind a lock and the queries that the cache asks for.
//!
//! The lock is held for one step of the cache and never across an `await`. A lookup that is served from the cache does
//! not wait, and allocates only when it starts a refresh.

use std::sync::Arc;

use egret_config::name::DnsName;
use egret_config::snapshot::{ResolverSettings, Scheme};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::clock;
use crate::dns::cache::CachedAnswer;
use crate::dns::failure::{DnsFailure, ResolveError};
use crate::dns::hosts_file::HostsFile;
use crate::dns::listing::ListedName;
use crate::dns::query::DnsClientFactory;
use crate::dns::singleflight::{ClientSettings, SharedAnswer, spawn_query};
use crate::dns::source::AnswerSource;
use crate::dns::stats::DnsStats;
use crate::task;

use maintenance::{keep_resolved, keep_swept};
pub use resolved_name::{PendingFamily, ResolvedName};
use setup::ResolverSetup;
use state::{LookupStart, ResolverState};

mod maintenance;
mod persist;
mod resolved_name;
mod setup;
mod state;

/// Resolves names as one ResolverPolicy says.
pub struct Resolver {
    state: Arc<ResolverState>,
}

impl Resolver {
    /// A resolver with an empty cache. Its queries and the sweeping of its cache run on `control`.
    #[must_use]
    pub fn new(
        settings: Arc<ResolverSettings>,
        factory: DnsClientFactory,
        hosts_file: Arc<HostsFile>,
        control: Handle,
        stats: Arc<DnsStats>,
    ) -> Self {
        let state = Arc::new(ResolverState::new(
            settings, factory, hosts_file, control, stats,
        ));
        state.keep_names();
        let control = &state.cache.control;
        let (swept, resolved) = (Arc::downgrade(&state), Arc::downgrade(&state));
        let sweeping = async move || keep_swept(swept.clone()).await;
        control.spawn(task::restarting("sweeping a DNS cache", sweeping));
        let resolving = async move || keep_resolved(resolved.clone()).await;
        control.spawn(task::restarting("keeping names resolved", resolving));
        Self { state }
    }

    /// The addresses of `name`. Waits only if nothing is known that may be served; dropping the future then leaves the
    /// query running for later lookups.
    ///
    /// For a destination that is reached over TLS, its HTTPS records are queried as well; they are not waited for
    /// longer than a late address family.
    ///
    /// # Errors
    /// [`ResolveError::Failed`] with the failure of the query, or [`ResolveError::Overloaded`].
    pub async fn resolve(
        &self,
        name: &DnsName,
        scheme: Scheme,
    ) -> Result<ResolvedName, ResolveError> {
        let https = scheme == Scheme::Https;
        let mut resolved = match self.state.begin(name, https) {
            LookupStart::Done(resolved) => resolved,
            LookupStart::Waiting(answers, source) => wait(answers, source).await,
        };
        if !https && let Ok(resolved) = &mut resolved {
            // A lookup over HTTPS brought the record; this one has no use for it.
            resolved.https_record = None;
        }
        self.state.count(&resolved);
        resolved
    }

    /// Marks `name` as used, by a request over a connection that is open already. Refreshes the name in the background
    /// if that is due; never waits, and counts no lookup.
    pub(crate) fn touch(&self, name: &DnsName) {
        let setup = self.state.setup.load();
        if setup.without_dns(name).is_none() {
            let now = clock::now();
            // Bound first, so that the lock is free again before a query is spawned.
            let query = self.state.cache.lock().touch(name, setup.settings(), now);
            self.state.refresh(&setup, query);
        }
    }

    /// What a lookup for a request over this scheme would be served from what is known, stale or not. Does not count as
    /// a use, and starts no query.
    #[must_use]
    pub(crate) fn peek(&self, name: &DnsName, scheme: Scheme) -> Option<ResolvedName> {
        let setup = self.state.setup.load();
        if let Some(resolved) = setup.without_dns(name) {
            return resolved.ok();
        }
        let settings = setup.settings();
        let answer = self.state.cache.lock().peek(name, settings, clock::now());
        let CachedAnswer {
            addresses,
            https_record,
        } = answer?;
        let https = scheme == Scheme::Https && settings.https_records;
        let resolved = ResolvedName::new(addresses, AnswerSource::Hit);
        Some(resolved.with_https_record(https_record.filter(|_| https)))
    }

    /// Whether the name is known to have no addresses: it does not exist, or its queries have failed for so long that
    /// the last answer may not be served any more. Does not count as a use, and starts no query.
    #[must_use]
    pub(crate) fn has_no_answer(&self, name: &DnsName) -> bool {
        let setup = self.state.setup.load();
        match setup.without_dns(name) {
            Some(resolved) => resolved.is_err(),
            None => {
                let cache = self.state.cache.lock();
                cache.has_no_answer(name, setup.settings(), clock::now())
            }
        }
    }

    /// Takes new settings. The cache is kept; queries in flight end as they began; later queries go to the servers of
    /// the new settings.
    pub(crate) fn update_settings(&self, settings: Arc<ResolverSettings>) {
        let state = &self.state;
        let old = state.setup.load_full();
        if *old.settings() == settings {
            return;
        }
        let same = old.settings().servers == settings.servers
            && old.settings().query_timeout == settings.query_timeout;
        let client = if same {
            Arc::clone(&old.using.client)
        } else {
            (state.factory)(&settings, &state.cache.stats)
        };
        let using = ClientSettings { settings, client };
        let setup = ResolverSetup::new(using, state.hosts_file.names());
        state.setup.store(Arc::new(setup));
        state.keep_names();
    }

    /// The settings in force.
    #[must_use]
    pub(crate) fn settings(&self) -> Arc<ResolverSettings> {
        Arc::clone(self.state.setup.load().settings())
    }

    /// Every name of the cache, the last used first. The cost is proportional to the whole cache.
    #[must_use]
    pub(crate) fn list(&self) -> Vec<ListedName> {
        let settings = self.settings();
        self.state.cache.lock().list(&settings, clock::now())
    }

    /// How many names the cache holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.cache.lock().len()
    }

    /// Whether the cache holds no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many names lookups are waiting for, which is what `max_pending` bounds.
    #[must_use]
    pub(crate) fn pending(&self) -> usize {
        self.state.cache.lock().in_flight_counts().0
    }

    /// Forgets one name or all; returns how many were known. Queries in flight go on.
    pub fn flush(&self, name: Option<&DnsName>) -> usize {
        let mut cache = self.state.cache.lock();
        match name {
            None => cache.flush(),
            Some(name) => usize::from(cache.flush_one(name)),
        }
    }

    /// Refreshes a name that is known, in the background and whatever its age. Returns whether a query was started: it
    /// is not if the name is unknown, if a query for it is in flight, or if as many refreshes are as the settings
    /// allow.
    pub(crate) fn refresh(&self, name: &DnsName) -> bool {
        let setup = self.state.setup.load_full();
        let query = {
            let mut cache = self.state.cache.lock();
            if !cache.contains(name) {
                return false;
            }
            cache.refresh(name, setup.settings())
        };
        let Some(query) = query else { return false };
        spawn_query(&self.state.cache, setup.using.clone(), query);
        true
    }
}

async fn wait(
    mut answers: watch::Receiver<Option<SharedAnswer>>,
    source: AnswerSource,
) -> Result<ResolvedName, ResolveError> {
    let failed = |failure| ResolveError::Failed {
        failure,
        answer_source: source,
    };
    let first = match answers.wait_for(Option::is_some).await {
        Ok(first) => first.clone(),
        Err(_) => None,
    };
    let Some(first) = first else {
        let failure = DnsFailure::Network("the query was given up".into());
        return Err(failed(failure));
    };
    match first.result {
        Ok(addresses) => {
            let resolved = ResolvedName::new(addresses, source);
            let resolved = resolved.with_https_record(first.https_record);
            Ok(resolved.with_pending_family((!first.complete).then_some(answers)))
        }
        Err(failure) => Err(failed(failure)),
    }
}

#[cfg(test)]
mod tests;
