//! Holds what a resolver shares with its background tasks, and starts lookups.

use std::sync::Arc;

use arc_swap::ArcSwap;
use egret_config::name::DnsName;
use egret_config::snapshot::ResolverSettings;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::resolved_name::ResolvedName;
use super::setup::ResolverSetup;
use crate::clock;
use crate::dns::cache::{CacheLookup, InFlightQuery, ServedAnswer};
use crate::dns::failure::ResolveError;
use crate::dns::hosts_file::HostsFile;
use crate::dns::query::DnsClientFactory;
use crate::dns::singleflight::{
    AnswerSender, ClientSettings, SharedAnswer, SharedCache, spawn_query,
};
use crate::dns::source::AnswerSource;
use crate::dns::stats::DnsStats;

/// What a resolver shares with its background tasks.
pub(super) struct ResolverState {
    pub(super) cache: Arc<SharedCache>,
    pub(super) setup: ArcSwap<ResolverSetup>,
    pub(super) factory: DnsClientFactory,
    pub(super) hosts_file: Arc<HostsFile>,
}

/// How far a lookup has come without waiting.
pub(super) enum LookupStart {
    /// The result is known.
    Done(Result<ResolvedName, ResolveError>),
    /// The result comes from a query in flight.
    Waiting(watch::Receiver<Option<SharedAnswer>>, AnswerSource),
}

impl ResolverState {
    pub(super) fn new(
        settings: Arc<ResolverSettings>,
        factory: DnsClientFactory,
        hosts_file: Arc<HostsFile>,
        control: Handle,
        stats: Arc<DnsStats>,
    ) -> Self {
        let client = factory(&settings, &stats);
        let using = ClientSettings { settings, client };
        let setup = ResolverSetup::new(using, hosts_file.names());
        Self {
            cache: Arc::new(SharedCache::new(control, stats)),
            setup: ArcSwap::from_pointee(setup),
            factory,
            hosts_file,
        }
    }

    /// Looks up `name`, and spawns the query that is needed. `https` says whether HTTPS records are wanted too.
    pub(super) fn begin(&self, name: &DnsName, https: bool) -> LookupStart {
        let setup = self.setup.load();
        if let Some(known) = setup.without_dns(name) {
            return LookupStart::Done(known);
        }
        // Bound first, so that the lock is free again before a query is spawned.
        let lookup = {
            let mut cache = self.cache.lock();
            cache.lookup(name, https, setup.settings(), clock::now())
        };
        match lookup {
            CacheLookup::Hit(served) => self.serve(&setup, served, AnswerSource::Hit),
            CacheLookup::Stale(served) => self.serve(&setup, served, AnswerSource::Stale),
            CacheLookup::Negative(failure) => LookupStart::Done(Err(ResolveError::Failed {
                failure,
                answer_source: AnswerSource::Negative,
            })),
            CacheLookup::Join(waiters) => {
                LookupStart::Waiting(waiters.subscribe(), AnswerSource::Coalesced)
            }
            CacheLookup::Start(query) => {
                let answers = query.waiters.subscribe();
                spawn_query(&self.cache, setup.using.clone(), query);
                LookupStart::Waiting(answers, AnswerSource::Miss)
            }
            CacheLookup::Overloaded => LookupStart::Done(Err(ResolveError::Overloaded)),
        }
    }

    fn serve(
        &self,
        setup: &ResolverSetup,
        served: ServedAnswer<AnswerSender>,
        source: AnswerSource,
    ) -> LookupStart {
        self.refresh(setup, served.refresh);
        let pending = served.pending_family.map(|waiters| waiters.subscribe());
        let https_record = served.https_record;
        let https_record = https_record.filter(|_| setup.settings().https_records);
        let resolved = ResolvedName::new(served.addresses, source);
        let resolved = resolved.with_https_record(https_record);
        LookupStart::Done(Ok(resolved.with_pending_family(pending)))
    }

    /// Spawns a query, if the cache asked for one.
    pub(super) fn refresh(
        &self,
        setup: &ResolverSetup,
        query: Option<InFlightQuery<AnswerSender>>,
    ) {
        if let Some(query) = query {
            spawn_query(&self.cache, setup.using.clone(), query);
        }
    }

    /// Counts the result of a lookup.
    pub(super) fn count(&self, resolved: &Result<ResolvedName, ResolveError>) {
        let stats = &self.cache.stats;
        match resolved {
            Ok(resolved) => stats.resolved.increment(resolved.source),
            Err(ResolveError::Failed { answer_source, .. }) => {
                stats.failed.increment(*answer_source)
            }
            Err(ResolveError::Overloaded) => stats.overloaded.increment(),
        }
    }
}
