//! The model of the cache: the history of each name, and what must follow from it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use egret_config::name::DnsName;
use egret_config::snapshot::ResolverSettings;
use proptest::prelude::*;

use crate::dns::cache::outcome::{QueryOutcome, RemainingAnswers};
use crate::dns::cache::{CacheLookup, DnsCache, InFlightQuery, LateQuery, ServedAnswer};
use crate::dns::failure::DnsFailure;

#[derive(Clone, Debug)]
pub(super) enum QueryEnding {
    /// The last byte of the address, the TTL in seconds, and whether more addresses are to come.
    Found(u8, u64, bool),
    Failed(DnsFailure, Option<u64>),
}

/// Addresses and their TTL, or a failure and the TTL of its SOA record; in seconds.
pub(super) type ModelAnswer = Result<(Vec<IpAddr>, u64), (DnsFailure, Option<u64>)>;

/// What happened to one name since it was last forgotten.
#[derive(Default)]
pub(super) struct NameHistory {
    /// When the last answer or remembered failure came, and what it was.
    last: Option<(Instant, ModelAnswer)>,
    /// When refreshes of that answer failed, in a row.
    failures: Vec<Instant>,
    used: u64,
    used_at: Option<Instant>,
}

#[derive(Default)]
pub(super) struct CacheModel {
    pub(super) names: BTreeMap<usize, NameHistory>,
    /// The queries in flight, each with whether it is a refresh and whether a lookup wants it.
    pub(super) queries: BTreeMap<usize, (InFlightQuery, bool, bool)>,
    /// The late parts of answers, oldest first, and whether the answer is still the last of its name.
    pub(super) late: BTreeMap<usize, Vec<(LateQuery, bool)>>,
    uses: u64,
}

pub(super) fn address(host: u8) -> IpAddr {
    [192, 0, 2, host].into()
}

pub(super) fn name(index: usize) -> DnsName {
    format!("n{index}.test").parse().unwrap()
}

pub(super) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl CacheModel {
    pub(super) fn running(&self, refresh: bool) -> usize {
        self.queries
            .values()
            .filter(|query| query.1 == refresh)
            .count()
    }

    pub(super) fn in_flight_counts(&self) -> (usize, usize, usize) {
        (self.running(false), self.running(true), self.late_count())
    }

    pub(super) fn touch(&mut self, index: usize, now: Instant) {
        self.uses += 1;
        if let Some(history) = self.names.get_mut(&index) {
            (history.used, history.used_at) = (self.uses, Some(now));
        }
    }

    pub(super) fn refresh(&mut self, index: usize, query: Option<InFlightQuery>) {
        if let Some(query) = query {
            self.queries.insert(index, (query, true, false));
        }
    }

    /// Records that the answers of late queries of the name are not known any more.
    pub(super) fn outdate(&mut self, index: usize) {
        for late in self.late.entry(index).or_default() {
            late.1 = false;
        }
    }

    pub(super) fn late_count(&self) -> usize {
        self.late.values().map(Vec::len).sum()
    }

    pub(super) fn has_late(&self, index: usize) -> bool {
        let late = self.late.get(&index);
        late.is_some_and(|late| late.iter().any(|(_, current)| *current))
    }

    pub(super) fn forget_oldest(&mut self) {
        let oldest = self.names.iter().min_by_key(|(_, history)| history.used);
        if let Some(oldest) = oldest.map(|(&index, _)| index) {
            self.names.remove(&oldest);
            self.outdate(oldest);
        }
    }

    /// Checks what a lookup gave against the history of the name.
    pub(super) fn check(
        &mut self,
        index: usize,
        got: CacheLookup,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Result<(), TestCaseError> {
        let (pending, refreshing) = (self.running(false), self.running(true));
        let flying = self.queries.contains_key(&index);
        let late_expected = self.has_late(index);
        self.touch(index, now);
        let history = self.names.get(&index);
        if let Some((at, last)) = history.and_then(|history| history.last.as_ref()) {
            let age = now - *at;
            match last {
                Ok((addresses, ttl)) => {
                    let ttl = seconds(*ttl).max(settings.min_ttl).min(settings.max_ttl);
                    let failures = history.map_or(&[][..], |history| &history.failures);
                    let room = !flying && refreshing < settings.max_pending;
                    if age < ttl {
                        let CacheLookup::Hit(ServedAnswer {
                            addresses: given,
                            refresh,
                            pending_family,
                            https_record: None,
                        }) = got
                        else {
                            return Err(TestCaseError::fail(format!("fresh: {got:?}")));
                        };
                        prop_assert_eq!(&*given, &**addresses);
                        prop_assert_eq!(pending_family.is_some(), late_expected);
                        check_ahead((age, ttl), failures, now, room, refresh.is_some())?;
                        self.refresh(index, refresh);
                        return Ok(());
                    }
                    if age < ttl + settings.stale_for {
                        let CacheLookup::Stale(ServedAnswer {
                            addresses: given,
                            refresh,
                            pending_family,
                            https_record: None,
                        }) = got
                        else {
                            return Err(TestCaseError::fail(format!("stale: {got:?}")));
                        };
                        prop_assert_eq!(&*given, &**addresses);
                        prop_assert_eq!(pending_family.is_some(), late_expected);
                        check_back_off(failures, now, room, refresh.is_some())?;
                        self.refresh(index, refresh);
                        return Ok(());
                    }
                }
                Err((failure, ttl)) => {
                    let ttl = match failure {
                        DnsFailure::NxDomain | DnsFailure::NoData => {
                            settings.negative_ttl.min(ttl.map_or(seconds(1), seconds))
                        }
                        _ => seconds(1),
                    };
                    if age < ttl {
                        prop_assert!(
                            matches!(&got, CacheLookup::Negative(given) if given == failure),
                            "{got:?}"
                        );
                        return Ok(());
                    }
                }
            }
        }
        match got {
            CacheLookup::Join(()) => {
                prop_assert!(flying);
                self.queries.entry(index).and_modify(|query| query.2 = true);
            }
            CacheLookup::Start(query) => {
                prop_assert!(!flying && pending < settings.max_pending);
                self.queries.insert(index, (query, false, true));
            }
            CacheLookup::Overloaded => prop_assert!(!flying && pending >= settings.max_pending),
            got => return Err(TestCaseError::fail(format!("nothing usable: {got:?}"))),
        }
        Ok(())
    }

    /// Checks whether marking the name as used had to start a query.
    pub(super) fn check_touch(
        &mut self,
        index: usize,
        query: Option<InFlightQuery>,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Result<(), TestCaseError> {
        let given = query.is_some();
        let room = !self.queries.contains_key(&index) && self.running(true) < settings.max_pending;
        self.touch(index, now);
        let history = self.names.get(&index);
        match history.and_then(|history| history.last.as_ref().map(|last| (history, last))) {
            Some((history, (at, Ok((_, ttl))))) => {
                let ttl = seconds(*ttl).max(settings.min_ttl).min(settings.max_ttl);
                let age = now - *at;
                if age < ttl {
                    check_ahead((age, ttl), &history.failures, now, room, given)?;
                } else if age < ttl + settings.stale_for {
                    check_back_off(&history.failures, now, room, given)?;
                } else {
                    prop_assert_eq!(given, room);
                }
            }
            Some((_, (at, Err((failure, ttl))))) => {
                let ttl = ttl.filter(|_| failure.is_answer()).unwrap_or(1);
                let least = seconds(ttl).min(settings.negative_ttl).max(seconds(5));
                prop_assert_eq!(given, room && now - *at >= least);
            }
            None => prop_assert!(!given),
        }
        self.refresh(index, query);
        Ok(())
    }

    /// Checks whether keeping the name resolved had to start a query.
    pub(super) fn check_keep(
        &mut self,
        index: usize,
        query: Option<InFlightQuery>,
        settings: &ResolverSettings,
        now: Instant,
    ) -> Result<(), TestCaseError> {
        if self.names.contains_key(&index) {
            return self.check_touch(index, query, settings, now);
        }
        let room = !self.queries.contains_key(&index) && self.running(true) < settings.max_pending;
        prop_assert_eq!(query.is_some(), room);
        self.refresh(index, query);
        self.queries.entry(index).and_modify(|query| query.2 = true);
        Ok(())
    }

    pub(super) fn end(
        &mut self,
        index: usize,
        ending: QueryEnding,
        cache: &mut DnsCache,
        (settings, now): (&ResolverSettings, Instant),
    ) -> Result<(), TestCaseError> {
        let Some((query, _, wanted)) = self.queries.remove(&index) else {
            return Ok(());
        };
        let known = self.names.contains_key(&index);
        let history = self.names.entry(index).or_default();
        let early = matches!(ending, QueryEnding::Found(_, _, true));
        let (outcome, last, keep) = match ending {
            QueryEnding::Found(host, ttl, early) => {
                let addresses = vec![address(host)];
                let outcome = QueryOutcome::Found {
                    addresses: addresses.clone(),
                    ttl: seconds(ttl),
                    https_record: None,
                    remaining: if early {
                        RemainingAnswers::Addresses
                    } else {
                        RemainingAnswers::Nothing
                    },
                };
                (outcome, Ok((addresses, ttl)), false)
            }
            QueryEnding::Failed(failure, ttl) => {
                let servable = history.last.as_ref().and_then(|(at, last)| {
                    let (_, ttl) = last.as_ref().ok()?;
                    let ttl = seconds(*ttl).max(settings.min_ttl).min(settings.max_ttl);
                    (now - *at < ttl + settings.stale_for).then_some(())
                });
                let keep = failure != DnsFailure::NxDomain && servable.is_some();
                let outcome = QueryOutcome::Failed {
                    failure: failure.clone(),
                    ttl: ttl.map(seconds),
                };
                (outcome, Err((failure, ttl)), keep)
            }
        };
        let expected = last
            .clone()
            .map(|(addresses, _)| addresses)
            .map_err(|(failure, _)| failure);
        let completed = cache.complete(query, outcome, settings, now);
        if keep {
            history.failures.push(now);
            let older = history
                .last
                .as_ref()
                .and_then(|(_, last)| last.as_ref().ok());
            prop_assert_eq!(
                completed.result.as_deref().ok(),
                older.map(|(addresses, _)| &**addresses)
            );
            return Ok(());
        }
        prop_assert_eq!(
            completed.result.map(|addresses| addresses.to_vec()),
            expected
        );
        history.last = Some((now, last));
        history.failures.clear();
        self.outdate(index);
        let room = self.late_count() < settings.max_pending;
        prop_assert_eq!(completed.late.is_some(), early && room);
        let current = known || wanted;
        let late = completed.late.map(|late| (late, current));
        self.late.entry(index).or_default().extend(late);
        if !known && wanted {
            self.touch(index, now);
            while self.names.len() > settings.max_hosts {
                self.forget_oldest();
            }
        } else if !known {
            self.names.remove(&index);
        }
        Ok(())
    }

    pub(super) fn merge(
        &mut self,
        index: usize,
        host: Option<u8>,
        cache: &mut DnsCache,
    ) -> Result<(), TestCaseError> {
        let late = self.late.entry(index).or_default();
        if late.is_empty() {
            return Ok(());
        }
        let (late, current) = late.remove(0);
        let brought = host.map(|host| [address(host)]);
        let brought = brought
            .as_ref()
            .map(|addresses| (&addresses[..], seconds(30)));
        let merged = cache.merge_addresses(&late, brought);
        cache.finish(late);
        prop_assert_eq!(merged.is_some(), current && host.is_some());
        let (Some(merged), Some(host)) = (merged, host) else {
            return Ok(());
        };
        let last = self
            .names
            .get_mut(&index)
            .and_then(|history| history.last.as_mut());
        if let Some((_, Ok((addresses, ttl)))) = last {
            *ttl = 30;
            if !addresses.contains(&address(host)) {
                addresses.push(address(host));
            }
            prop_assert_eq!(&*merged, &**addresses);
        }
        Ok(())
    }

    pub(super) fn sweep(
        &mut self,
        settings: &ResolverSettings,
        now: Instant,
        limit: usize,
    ) -> usize {
        let mut removed = 0;
        while removed < limit {
            let oldest = self.names.values().min_by_key(|history| history.used);
            let idle = oldest
                .and_then(|oldest| oldest.used_at)
                .is_some_and(|at| now - at >= settings.idle_ttl);
            if !idle && self.names.len() <= settings.max_hosts {
                break;
            }
            self.forget_oldest();
            removed += 1;
        }
        removed
    }
}

/// Checks that a fresh answer is not refreshed before 80 % of its TTL, and from 95 % on as a stale one is.
fn check_ahead(
    (age, ttl): (Duration, Duration),
    failures: &[Instant],
    now: Instant,
    room: bool,
    given: bool,
) -> Result<(), TestCaseError> {
    if age < ttl * 4 / 5 {
        prop_assert!(!given);
    }
    if given || age >= ttl * 19 / 20 {
        check_back_off(failures, now, room, given)?;
    }
    Ok(())
}

/// Checks that a refresh starts neither before the back-off of the failures in a row, nor later than a quarter after
/// it.
fn check_back_off(
    failures: &[Instant],
    now: Instant,
    room: bool,
    given: bool,
) -> Result<(), TestCaseError> {
    let Some(last) = failures.last() else {
        prop_assert_eq!(given, room);
        return Ok(());
    };
    let doublings = u32::try_from(failures.len() - 1).unwrap_or(u32::MAX).min(5);
    let least = seconds(1 << doublings).min(seconds(30));
    let since = now - *last;
    prop_assert!(!given || (room && since >= least));
    prop_assert!(given || !room || since < least + least / 4);
    Ok(())
}
