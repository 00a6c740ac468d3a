//! Keeps track of the queries in flight: for which names they are, and who waits for each. A lookup of a name whose
//! query is in flight joins that query.

use std::collections::HashMap;

use egret_config::name::DnsName;
use egret_config::snapshot::ResolverSettings;

/// A query that has to be sent. It must come back through `DnsCache::complete`, whatever happens.
#[derive(Debug)]
#[must_use = "a query that is dropped blocks its name forever"]
pub(crate) struct InFlightQuery<W = ()> {
    pub(super) name: DnsName,
    pub(super) id: u64,
    /// Whether HTTPS records are to be queried beside the addresses.
    pub(crate) https: bool,
    /// The handle that all who wait for the query share.
    pub(crate) waiters: W,
}

/// The part of a query that is still in flight after its first addresses were stored. It must come back through
/// `DnsCache::finish`, whatever happens; its answers are handed in before that, through `DnsCache::merge_addresses` and
/// `DnsCache::merge_https_record`.
#[derive(Debug)]
#[must_use = "a late query counts against its bound until it is finished"]
pub(crate) struct LateQuery {
    pub(super) name: DnsName,
    pub(super) id: u64,
}

/// All queries in flight of one cache.
#[derive(Debug)]
pub(super) struct InFlightTable<W> {
    queries: HashMap<DnsName, InFlightEntry<W>>,
    /// The queries of which a part is late, by their id; with the waiters, if addresses are late.
    late: HashMap<u64, Option<W>>,
    /// How many queries were started by a lookup.
    pending: usize,
    /// How many queries are refreshes.
    refreshing: usize,
    last_id: u64,
}

#[derive(Debug)]
struct InFlightEntry<W> {
    waiters: W,
    /// Whether the query counts as `refreshing`, and not as `pending`.
    refresh: bool,
    /// Whether a lookup or `DnsCache::preresolve` wants the answer, so that it is stored even if the name was evicted
    /// or flushed meanwhile.
    wanted: bool,
}

impl<W> InFlightQuery<W> {
    /// The name to query.
    #[must_use]
    pub(crate) fn name(&self) -> &DnsName {
        &self.name
    }
}

impl<W: Clone + Default> InFlightTable<W> {
    pub(super) fn new() -> Self {
        Self {
            queries: HashMap::new(),
            late: HashMap::new(),
            pending: 0,
            refreshing: 0,
            last_id: 0,
        }
    }

    /// Starts a query that a lookup waits for; `None` when as many are pending as the settings allow.
    pub(super) fn start(
        &mut self,
        name: &DnsName,
        https: bool,
        settings: &ResolverSettings,
    ) -> Option<InFlightQuery<W>> {
        (self.pending < settings.max_pending).then(|| self.insert(name, https, false))
    }

    /// Starts a query that nobody waits for. `None` when a query for the name is in flight, or when as many refreshes
    /// are as the settings allow; queries that lookups wait for are counted apart.
    pub(super) fn start_refresh(
        &mut self,
        name: &DnsName,
        https: bool,
        settings: &ResolverSettings,
    ) -> Option<InFlightQuery<W>> {
        let room = self.refreshing < settings.max_pending;
        (room && !self.contains(name)).then(|| self.insert(name, https, true))
    }

    fn insert(&mut self, name: &DnsName, https: bool, refresh: bool) -> InFlightQuery<W> {
        self.last_id += 1;
        let waiters = W::default();
        let entry = InFlightEntry {
            waiters: waiters.clone(),
            refresh,
            wanted: !refresh,
        };
        *self.counter(refresh) += 1;
        self.queries.insert(name.clone(), entry);
        InFlightQuery {
            name: name.clone(),
            id: self.last_id,
            https,
            waiters,
        }
    }

    /// Joins the query for `name`, if one is in flight: its answer is wanted from now on.
    pub(super) fn join(&mut self, name: &DnsName) -> Option<&W> {
        let entry = self.queries.get_mut(name)?;
        entry.wanted = true;
        Some(&entry.waiters)
    }

    /// Whether anybody wants the answer of the query for `name`.
    pub(super) fn is_wanted(&self, name: &DnsName) -> bool {
        self.queries.get(name).is_some_and(|entry| entry.wanted)
    }

    /// Takes the query for `name` out of the table. Returns whether anybody wanted the answer.
    pub(super) fn remove(&mut self, name: &DnsName) -> bool {
        let Some(entry) = self.queries.remove(name) else {
            return false;
        };
        *self.counter(entry.refresh) -= 1;
        entry.wanted
    }

    /// Keeps track of the late part of a query: addresses, of which lookups that come meanwhile are told, or HTTPS
    /// records alone. `None` when as many are late as the settings allow: queries that a server never answers would
    /// otherwise accumulate, because nobody waits for them.
    pub(super) fn track_late(
        &mut self,
        query: InFlightQuery<W>,
        addresses: bool,
        settings: &ResolverSettings,
    ) -> Option<LateQuery> {
        if self.late.len() >= settings.max_pending {
            return None;
        }
        let InFlightQuery { name, id, .. } = query;
        self.late.insert(id, addresses.then_some(query.waiters));
        Some(LateQuery { name, id })
    }

    /// The handle of those who wait for late addresses of the query with this id.
    pub(super) fn late_waiters(&self, id: u64) -> Option<&W> {
        self.late.get(&id)?.as_ref()
    }

    /// Records that no addresses of the query are late any more.
    pub(super) fn addresses_done(&mut self, late: &LateQuery) {
        if let Some(waiters) = self.late.get_mut(&late.id) {
            *waiters = None;
        }
    }

    /// Records that nothing of the query is late any more.
    pub(super) fn finish(&mut self, late: LateQuery) {
        self.late.remove(&late.id);
    }

    pub(super) fn contains(&self, name: &DnsName) -> bool {
        self.queries.contains_key(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &DnsName> {
        self.queries.keys()
    }

    /// How many queries lookups wait for, how many are refreshes, and of how many a part is late.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        (self.pending, self.refreshing, self.late.len())
    }

    fn counter(&mut self, refresh: bool) -> &mut usize {
        if refresh {
            &mut self.refreshing
        } else {
            &mut self.pending
        }
    }
}
