//! Takes queries back into the cache, with their outcome and with answers that come late.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::name::DnsName;
use egret_config::snapshot::ResolverSettings;

use super::DnsCache;
use super::entry::{CacheEntry, FetchedAddresses};
use super::in_flight::{InFlightQuery, LateQuery};
use super::outcome::{CompletedQuery, QueryOutcome, RemainingAnswers};
use crate::dns::failure::DnsFailure;
use crate::dns::family::order_by_family;
use crate::dns::query::HttpsRecord;

impl<W: Clone + Default> DnsCache<W> {
    /// Takes a query back with its outcome. Addresses and negative answers replace what is known. A failure that is not
    /// an answer leaves addresses that may still be served as they are, and postpones the next refresh.
    pub(crate) fn complete(
        &mut self,
        query: InFlightQuery<W>,
        outcome: QueryOutcome,
        settings: &ResolverSettings,
        now: Instant,
    ) -> CompletedQuery {
        let wanted = self.in_flight.remove(&query.name);
        let (entry, remaining) = match outcome {
            QueryOutcome::Found {
                addresses,
                ttl,
                https_record,
                remaining,
            } => {
                let refresh_jitter = self.jitter.draw();
                let fetched = FetchedAddresses {
                    query_id: query.id,
                    https: query.https,
                    addresses,
                    ttl,
                    https_record,
                };
                let entry = CacheEntry::from_addresses(fetched, refresh_jitter, settings, now);
                (entry, remaining)
            }
            QueryOutcome::Failed { failure, ttl } => {
                if !failure.is_answer()
                    && let Some(older) = self.back_off(&query.name, &failure, settings, now)
                {
                    return older;
                }
                let entry = CacheEntry::from_failure(failure, ttl, query.https, (settings, now));
                (entry, RemainingAnswers::Nothing)
            }
        };
        let (result, https_record) = (entry.result(), entry.https_record());
        let evicted = self.insert(&query.name, entry, wanted, settings);
        let late = match remaining {
            RemainingAnswers::Nothing => None,
            RemainingAnswers::HttpsRecord => self.in_flight.track_late(query, false, settings),
            RemainingAnswers::Addresses => self.in_flight.track_late(query, true, settings),
        };
        CompletedQuery {
            result,
            https_record,
            late,
            evicted,
        }
    }

    /// Whether a lookup waits for the query, or will be served by nothing but its answer.
    #[must_use]
    pub(crate) fn is_wanted(&self, query: &InFlightQuery<W>) -> bool {
        self.in_flight.is_wanted(&query.name)
    }

    /// Adds late addresses to the answer that the query brought, and sets the TTL of the whole answer, which counts
    /// from when the first addresses came; `None` when the late part failed. Returns all addresses, unless a newer
    /// answer has replaced the first ones.
    pub(crate) fn merge_addresses(
        &mut self,
        late: &LateQuery,
        fetched: Option<(&[IpAddr], Duration)>,
    ) -> Option<Arc<[IpAddr]>> {
        self.in_flight.addresses_done(late);
        let (addresses, ttl) = fetched?;
        let entry = self.entries.peek_mut(&late.name)?;
        let family = entry.family;
        let answer = entry.answer_of(late.id)?;
        let all: Vec<IpAddr> = answer.addresses.iter().chain(addresses).copied().collect();
        answer.addresses = order_by_family(&all, family);
        answer.ttl = ttl;
        self.revision += 1;
        Some(Arc::clone(&answer.addresses))
    }

    /// Adds a late HTTPS record to the answer that the query brought, for later lookups; `ttl` is that of the record.
    pub(crate) fn merge_https_record(
        &mut self,
        late: &LateQuery,
        record: Arc<HttpsRecord>,
        ttl: Duration,
    ) {
        let entry = self.entries.peek_mut(&late.name);
        if let Some(answer) = entry.and_then(|entry| entry.answer_of(late.id)) {
            answer.https_record = Some(record);
            answer.ttl = answer.ttl.min(ttl);
        }
    }

    /// Takes the late part of a query back: nothing more comes.
    pub(crate) fn finish(&mut self, late: LateQuery) {
        self.in_flight.finish(late);
    }

    /// What is served on although the refresh failed, if there is anything.
    fn back_off(
        &mut self,
        name: &DnsName,
        failure: &DnsFailure,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Option<CompletedQuery> {
        let answer = self.entries.peek_mut(name)?.usable_answer(settings, now)?;
        answer.back_off(failure, &mut self.jitter, now);
        Some(CompletedQuery {
            result: Ok(answer.addresses.clone()),
            https_record: answer.https_record.clone(),
            late: None,
            evicted: 0,
        })
    }

    /// Stores an entry for a name that is known or wanted. Returns how many entries were evicted.
    fn insert(
        &mut self,
        name: &DnsName,
        mut entry: CacheEntry,
        wanted: bool,
        settings: &ResolverSettings,
    ) -> usize {
        self.revision += 1;
        if let Some(old) = self.entries.peek_mut(name) {
            // A refresh does not count as a use, so the name keeps its place in the order.
            entry.last_used = old.last_used;
            entry.hits = old.hits;
            entry.https |= old.https;
            *old = entry;
            return 0;
        }
        if !wanted {
            return 0;
        }
        self.entries.put(name.clone(), entry);
        let before = self.entries.len();
        while self.entries.len() > settings.max_hosts.max(1) {
            self.entries.pop_lru();
        }
        before - self.entries.len()
    }
}
