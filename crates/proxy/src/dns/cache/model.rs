//! Tests of the cache with random sequences of operations against a model. The model is simple because it never
//! forgets: it keeps the history of each name, and computes from it what a lookup must give.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::dns::failure::DnsFailure;

use state::{CacheModel, QueryEnding, name, seconds};

mod state;

const NAMES: usize = 6;

#[derive(Clone, Debug)]
enum CacheOperation {
    Lookup(usize),
    Renew(usize),
    Touch(usize),
    Keep(usize),
    /// Completes the query of the name, if one is in flight.
    End(usize, QueryEnding),
    /// Ends the oldest late part of the name, with an address or with a failure.
    Merge(usize, Option<u8>),
    Wait(u64),
    Sweep(usize),
    Flush(Option<usize>),
    Change(SettingChange),
}

#[derive(Clone, Debug)]
enum SettingChange {
    StaleFor(u64),
    MaxTtl(u64),
    MaxHosts(usize),
    MaxPending(usize),
}

fn operation() -> impl Strategy<Value = CacheOperation> {
    let ending = prop_oneof![
        3 => (any::<u8>(), 0..90_u64, any::<bool>())
            .prop_map(|(host, ttl, early)| QueryEnding::Found(host, ttl, early)),
        1 => proptest::option::of(0..60_u64).prop_map(|ttl| QueryEnding::Failed(DnsFailure::NxDomain, ttl)),
        1 => Just(QueryEnding::Failed(DnsFailure::Timeout, None)),
        1 => Just(QueryEnding::Failed(DnsFailure::ServFail, None)),
    ];
    let change = prop_oneof![
        prop_oneof![Just(0), 1..300_u64].prop_map(SettingChange::StaleFor),
        (1..60_u64).prop_map(SettingChange::MaxTtl),
        (1..NAMES).prop_map(SettingChange::MaxHosts),
        (1..4_usize).prop_map(SettingChange::MaxPending),
    ];
    prop_oneof![
        8 => (0..NAMES).prop_map(CacheOperation::Lookup),
        1 => (0..NAMES).prop_map(CacheOperation::Renew),
        2 => (0..NAMES).prop_map(CacheOperation::Touch),
        1 => (0..NAMES).prop_map(CacheOperation::Keep),
        6 => (0..NAMES, ending).prop_map(|(name, ending)| CacheOperation::End(name, ending)),
        1 => (0..NAMES, proptest::option::of(any::<u8>()))
            .prop_map(|(name, host)| CacheOperation::Merge(name, host)),
        4 => prop_oneof![0..2_000_u64, 0..100_000_u64].prop_map(CacheOperation::Wait),
        1 => (0..4_usize).prop_map(CacheOperation::Sweep),
        1 => proptest::option::of(0..NAMES).prop_map(CacheOperation::Flush),
        1 => change.prop_map(CacheOperation::Change),
    ]
}

fn change(settings: &mut ResolverSettings, change: &SettingChange) {
    match *change {
        SettingChange::StaleFor(count) => settings.stale_for = seconds(count),
        SettingChange::MaxTtl(count) => settings.max_ttl = seconds(count),
        SettingChange::MaxHosts(count) => settings.max_hosts = count,
        SettingChange::MaxPending(count) => settings.max_pending = count,
    }
}

fn run(operations: Vec<CacheOperation>) -> Result<(), TestCaseError> {
    let mut now = crate::clock::now();
    let mut settings = ResolverSettings {
        stale_for: seconds(120),
        max_hosts: 4,
        max_pending: 2,
        ..ResolverSettings::default()
    };
    let mut cache = DnsCache::new(42);
    let mut model = CacheModel::default();
    for operation in operations {
        match operation {
            CacheOperation::Lookup(index) => {
                let got = cache.lookup(&name(index), false, &settings, now);
                model.check(index, got, &settings, now)?;
            }
            CacheOperation::Renew(index) => {
                let room = !model.queries.contains_key(&index)
                    && model.running(true) < settings.max_pending;
                let query = cache.refresh(&name(index), &settings);
                prop_assert_eq!(query.is_some(), room);
                model.refresh(index, query);
            }
            CacheOperation::Touch(index) => {
                let query = cache.touch(&name(index), &settings, now);
                model.check_touch(index, query, &settings, now)?;
            }
            CacheOperation::Keep(index) => {
                let query = cache.preresolve(&name(index), &settings, now);
                model.check_keep(index, query, &settings, now)?;
            }
            CacheOperation::End(index, ending) => {
                model.end(index, ending, &mut cache, (&settings, now))?
            }
            CacheOperation::Merge(index, host) => model.merge(index, host, &mut cache)?,
            CacheOperation::Wait(millis) => now += Duration::from_millis(millis),
            CacheOperation::Sweep(limit) => {
                let swept = cache.sweep(&settings, now, limit);
                prop_assert_eq!(swept.removed, model.sweep(&settings, now, limit));
            }
            CacheOperation::Flush(None) => {
                prop_assert_eq!(cache.flush(), model.names.len());
                model.names.clear();
                (0..NAMES).for_each(|index| model.outdate(index));
            }
            CacheOperation::Flush(Some(index)) => {
                prop_assert_eq!(
                    cache.flush_one(&name(index)),
                    model.names.remove(&index).is_some()
                );
                model.outdate(index);
            }
            CacheOperation::Change(to) => change(&mut settings, &to),
        }
        prop_assert_eq!(cache.len(), model.names.len());
        prop_assert_eq!(cache.in_flight_counts(), model.in_flight_counts());
    }
    // Whatever happened, every query can still come back, and then none is left in flight.
    for (_, (query, _, _)) in std::mem::take(&mut model.queries) {
        cache.complete(
            query,
            QueryOutcome::Failed {
                failure: DnsFailure::Timeout,
                ttl: None,
            },
            &settings,
            now,
        );
    }
    for (late, _) in std::mem::take(&mut model.late).into_values().flatten() {
        cache.finish(late);
    }
    prop_assert_eq!(cache.in_flight_counts(), (0, 0, 0));
    prop_assert!(
        cache
            .list(&settings, now)
            .iter()
            .all(|listed| !listed.resolving)
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_the_model(operations in proptest::collection::vec(operation(), 1..120)) {
        run(operations)?;
    }
}
