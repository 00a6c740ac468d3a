//! An entry of the cache: what is known about one name, and what that is worth at a point in time.
//!
//! Ages are compared, not points in time: a duration from the configuration can be of any length and never overflows.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::name::DnsName;
use egret_config::snapshot::{LookupFamily, ResolverSettings};

use super::positive::{CacheState, PositiveAnswer};
use super::saved::SavedEntry;
use crate::dns::failure::DnsFailure;
use crate::dns::family::{order_by_family, queried_families};
use crate::dns::listing::{EntryState, ListedName};
use crate::dns::query::HttpsRecord;

/// How long a failure without an answer is remembered when there is nothing older to serve: long enough to spare a dead
/// server, short enough that nobody waits for its recovery.
const FAILURE_TTL: Duration = Duration::from_secs(1);

/// How long a name without addresses is not queried again by those who do not wait for the answer. Lookups that wait
/// are not held back by this, but names in use that fail must not keep a server busy.
const UNATTENDED_RETRY: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct CacheEntry {
    /// When the answer came.
    received: Instant,
    pub(super) last_used: Instant,
    pub(super) hits: u64,
    /// Whether a lookup wanted HTTPS records: then they are queried with every refresh.
    pub(super) https: bool,
    /// The setting under which the name was queried and its addresses were ordered.
    pub(super) family: LookupFamily,
    answer: EntryAnswer,
}

#[derive(Debug)]
enum EntryAnswer {
    Positive(PositiveAnswer),
    Failed {
        failure: DnsFailure,
        /// How long the SOA record lets the answer be cached.
        ttl: Option<Duration>,
    },
}

/// The addresses that a query brought.
pub(super) struct FetchedAddresses {
    pub(super) query_id: u64,
    pub(super) https: bool,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) ttl: Duration,
    pub(super) https_record: Option<Arc<HttpsRecord>>,
}

impl CacheEntry {
    /// An entry for an answer with addresses. An answer without an address of a queried family counts as NODATA.
    /// `refresh_jitter` is drawn from the jitter of the cache.
    pub(super) fn from_addresses(
        fetched: FetchedAddresses,
        refresh_jitter: u8,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Self {
        let FetchedAddresses { https, ttl, .. } = fetched;
        let addresses = order_by_family(&fetched.addresses, settings.family);
        if addresses.is_empty() {
            return Self::from_failure(DnsFailure::NoData, Some(ttl), https, (settings, now));
        }
        let answer = PositiveAnswer {
            query_id: fetched.query_id,
            addresses,
            ttl,
            refresh_jitter,
            https,
            https_record: fetched.https_record,
            backoff: None,
        };
        Self::new(EntryAnswer::Positive(answer), https, settings, now)
    }

    /// An entry for a failure; `ttl` is how long the SOA record lets it be cached.
    pub(super) fn from_failure(
        failure: DnsFailure,
        ttl: Option<Duration>,
        https: bool,
        (settings, now): (&ResolverSettings, Instant),
    ) -> Self {
        Self::new(EntryAnswer::Failed { failure, ttl }, https, settings, now)
    }

    fn new(answer: EntryAnswer, https: bool, settings: &ResolverSettings, now: Instant) -> Self {
        Self {
            received: now,
            last_used: now,
            hits: 0,
            https,
            family: settings.family,
            answer,
        }
    }

    /// An entry for what another process saved. `None` when it may no longer be served.
    pub(super) fn from_saved(
        saved: SavedEntry,
        refresh_jitter: u8,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<Self> {
        let answer = PositiveAnswer {
            // The ids of queries begin at 1.
            query_id: 0,
            addresses: saved.addresses,
            ttl: saved.ttl,
            refresh_jitter,
            https: false,
            https_record: None,
            backoff: None,
        };
        if saved.age >= answer.max_age(settings) {
            return None;
        }
        Some(Self {
            received: now.checked_sub(saved.age)?,
            last_used: now.checked_sub(saved.idle)?,
            hits: 0,
            https: false,
            family: saved.family,
            answer: EntryAnswer::Positive(answer),
        })
    }

    /// What to save for another process, if the addresses may still be served.
    pub(super) fn to_saved(
        &self,
        name: &DnsName,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<SavedEntry> {
        let age = now.saturating_duration_since(self.received);
        match &self.answer {
            EntryAnswer::Positive(answer) if age < answer.max_age(settings) => Some(SavedEntry {
                name: name.clone(),
                addresses: Arc::clone(&answer.addresses),
                family: self.family,
                ttl: answer.ttl,
                age,
                idle: now.saturating_duration_since(self.last_used),
            }),
            EntryAnswer::Positive(_) | EntryAnswer::Failed { .. } => None,
        }
    }

    /// The result for those who wait for this answer.
    pub(super) fn result(&self) -> Result<Arc<[IpAddr]>, DnsFailure> {
        match &self.answer {
            EntryAnswer::Positive(answer) => Ok(answer.addresses.clone()),
            EntryAnswer::Failed { failure, .. } => Err(failure.clone()),
        }
    }

    /// The HTTPS record to use, if there is one.
    pub(super) fn https_record(&self) -> Option<Arc<HttpsRecord>> {
        match &self.answer {
            EntryAnswer::Positive(answer) => answer.https_record.clone(),
            EntryAnswer::Failed { .. } => None,
        }
    }

    /// What a lookup gets; `https` says whether it wants HTTPS records. Counts as a use.
    pub(super) fn lookup(
        &mut self,
        https: bool,
        settings: &ResolverSettings,
        now: Instant,
    ) -> CacheState {
        self.https |= https;
        let state = self.state(settings, now);
        if !matches!(state, CacheState::Unusable) {
            self.hits += 1;
        }
        state
    }

    /// Marks the entry as used by somebody who needs no answer now, but may need one soon. Returns whether the name
    /// should be queried again.
    pub(super) fn touch(&mut self, settings: &ResolverSettings, now: Instant) -> bool {
        match (self.state(settings, now), &self.answer) {
            (CacheState::Usable { refresh_due, .. }, _) => refresh_due,
            (CacheState::Failed(_), _) => false,
            (CacheState::Unusable, EntryAnswer::Positive(_)) => true,
            (CacheState::Unusable, EntryAnswer::Failed { .. }) => {
                now.saturating_duration_since(self.received) >= UNATTENDED_RETRY
            }
        }
    }

    fn state(&mut self, settings: &ResolverSettings, now: Instant) -> CacheState {
        self.last_used = self.last_used.max(now);
        if self.family != settings.family {
            self.change_family(settings.family);
        }
        let age = now.saturating_duration_since(self.received);
        match &self.answer {
            EntryAnswer::Positive(answer) => answer.state(age, self.https, (settings, now)),
            EntryAnswer::Failed { failure, ttl } if age < failure_ttl(failure, *ttl, settings) => {
                CacheState::Failed(failure.clone())
            }
            EntryAnswer::Failed { .. } => CacheState::Unusable,
        }
    }

    /// The answer, if it has addresses that may still be served.
    pub(super) fn usable_answer(
        &mut self,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<&mut PositiveAnswer> {
        let age = now.saturating_duration_since(self.received);
        match &mut self.answer {
            EntryAnswer::Positive(answer) if age < answer.max_age(settings) => Some(answer),
            EntryAnswer::Positive(_) | EntryAnswer::Failed { .. } => None,
        }
    }

    /// Whether there is nothing to serve: the last query failed without older addresses, or the addresses are too old.
    pub(super) fn has_no_answer(&self, settings: &ResolverSettings, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.received);
        match &self.answer {
            EntryAnswer::Positive(answer) => age >= answer.max_age(settings),
            EntryAnswer::Failed { .. } => true,
        }
    }

    /// The answer, if the query with this id brought it.
    pub(super) fn answer_of(&mut self, query_id: u64) -> Option<&mut PositiveAnswer> {
        match &mut self.answer {
            EntryAnswer::Positive(answer) if answer.query_id == query_id => Some(answer),
            EntryAnswer::Positive(_) | EntryAnswer::Failed { .. } => None,
        }
    }

    /// Adapts the entry to a setting that has changed since the answer came. Addresses that are still wanted are served
    /// on; a family that was not queried is queried at the next chance, because the answer counts as expired from here
    /// on.
    fn change_family(&mut self, family: LookupFamily) {
        let queried = queried_families(self.family);
        let complete = queried_families(family)
            .iter()
            .all(|family| queried.contains(family));
        self.family = family;
        match &mut self.answer {
            EntryAnswer::Positive(answer) => {
                answer.addresses = order_by_family(&answer.addresses, family);
                if answer.addresses.is_empty() {
                    self.answer = EntryAnswer::unusable();
                } else if !complete {
                    answer.ttl = Duration::ZERO;
                }
            }
            EntryAnswer::Failed { .. } if complete => {}
            EntryAnswer::Failed { .. } => self.answer = EntryAnswer::unusable(),
        }
    }

    /// What operators are told about the name; `resolving` says whether a query for it is in flight.
    pub(super) fn listing(
        &self,
        name: &DnsName,
        resolving: bool,
        settings: &ResolverSettings,
        now: Instant,
    ) -> ListedName {
        let age = now.saturating_duration_since(self.received);
        let (ttl, state, addresses, error) = match &self.answer {
            EntryAnswer::Positive(answer) => {
                let ttl = answer.clamped_ttl(settings);
                let state = match age {
                    age if age < ttl => EntryState::Fresh,
                    age if age < answer.max_age(settings) => EntryState::Stale,
                    _ => EntryState::Expired,
                };
                let backoff = answer.backoff.as_ref();
                let error = backoff.map(|backoff| backoff.error.clone());
                (ttl, state, Some(answer.addresses.clone()), error)
            }
            EntryAnswer::Failed { failure, ttl } => {
                let ttl = failure_ttl(failure, *ttl, settings);
                let state = if age < ttl {
                    EntryState::Negative
                } else {
                    EntryState::Expired
                };
                (ttl, state, None, Some(failure.clone()))
            }
        };
        ListedName {
            name: name.clone(),
            state,
            resolving,
            addresses,
            https_record: self.https_record(),
            age,
            ttl_left: ttl.saturating_sub(age),
            idle: now.saturating_duration_since(self.last_used),
            error,
            hits: self.hits,
        }
    }
}

impl EntryAnswer {
    /// An answer that is expired from the start.
    fn unusable() -> Self {
        Self::Failed {
            failure: DnsFailure::NoData,
            ttl: Some(Duration::ZERO),
        }
    }
}

/// How long a failure is remembered. A negative answer without an SOA record should not be cached (RFC 2308 5); it is
/// remembered as long as a failure without an answer, to spare the server.
fn failure_ttl(
    failure: &DnsFailure,
    ttl: Option<Duration>,
    settings: &ResolverSettings,
) -> Duration {
    if failure.is_answer() {
        settings.negative_ttl.min(ttl.unwrap_or(FAILURE_TTL))
    } else {
        FAILURE_TTL
    }
}
