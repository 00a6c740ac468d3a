//! Tests of every change of state of the cache, under a scripted clock.

use std::net::IpAddr;
use std::time::Duration;

use super::entry::CacheEntry;
use super::outcome::CompletedQuery;
use super::*;
use crate::dns::failure::DnsFailure;
use crate::dns::listing::EntryState;
use egret_config::snapshot::LookupFamily;

mod change;
mod eviction;
mod late;
mod persist;
mod refresh;
mod stale;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// A cache, its settings and its clock.
struct TestCache {
    cache: DnsCache,
    settings: ResolverSettings,
    now: Instant,
}

/// The result of a lookup as text.
fn word(lookup: &CacheLookup) -> String {
    match lookup {
        CacheLookup::Hit(served) => served_text("hit", served),
        CacheLookup::Stale(served) => served_text("stale", served),
        CacheLookup::Negative(failure) => format!("negative {}", failure.label()),
        CacheLookup::Join(()) => "join".to_owned(),
        CacheLookup::Start(_) => "start".to_owned(),
        CacheLookup::Overloaded => "overloaded".to_owned(),
    }
}

fn served_text(state: &str, served: &ServedAnswer) -> String {
    let refresh = served.refresh.as_ref().map_or("", |_| " refresh");
    let more = served.pending_family.map_or("", |()| " more");
    format!("{state} {}{refresh}{more}", text(&served.addresses))
}

fn text(addresses: &[IpAddr]) -> String {
    addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

fn found(addresses: &[&str], ttl: u64) -> QueryOutcome {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    QueryOutcome::Found {
        addresses,
        ttl: Duration::from_secs(ttl),
        https_record: None,
        remaining: RemainingAnswers::Nothing,
    }
}

/// An outcome with addresses while the other family is late.
fn early(addresses: &[&str], ttl: u64) -> QueryOutcome {
    let QueryOutcome::Found { addresses, ttl, .. } = found(addresses, ttl) else {
        unreachable!()
    };
    QueryOutcome::Found {
        addresses,
        ttl,
        https_record: None,
        remaining: RemainingAnswers::Addresses,
    }
}

fn failed(failure: DnsFailure, ttl: Option<u64>) -> QueryOutcome {
    QueryOutcome::Failed {
        failure,
        ttl: ttl.map(Duration::from_secs),
    }
}

impl TestCache {
    fn new() -> Self {
        Self {
            cache: DnsCache::new(1),
            settings: ResolverSettings::default(),
            now: crate::clock::now(),
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn lookup(&mut self, text: &str) -> CacheLookup {
        self.cache
            .lookup(&name(text), false, &self.settings, self.now)
    }

    /// Marks the name as used; returns whether that started a query.
    fn touch(&mut self, text: &str) -> bool {
        let query = self.cache.touch(&name(text), &self.settings, self.now);
        query.is_some()
    }

    fn complete(&mut self, query: InFlightQuery, outcome: QueryOutcome) -> CompletedQuery {
        self.cache
            .complete(query, outcome, &self.settings, self.now)
    }

    /// Looks up a name that must start a query, and completes it at once.
    fn fetch(&mut self, text: &str, outcome: QueryOutcome) -> CompletedQuery {
        match self.lookup(text) {
            CacheLookup::Start(query) => self.complete(query, outcome),
            other => panic!("{text}: {other:?}"),
        }
    }

    /// Looks up a name that must be stale and due for a refresh, which is left in flight.
    fn lookup_stale(&mut self, text: &str) -> InFlightQuery {
        match self.lookup(text) {
            CacheLookup::Stale(ServedAnswer {
                refresh: Some(query),
                ..
            }) => query,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// Looks up a name that must be due for a refresh, and completes it at once.
    fn refresh(&mut self, text: &str, outcome: QueryOutcome) -> CompletedQuery {
        match self.lookup(text) {
            CacheLookup::Hit(ServedAnswer {
                refresh: Some(query),
                ..
            })
            | CacheLookup::Stale(ServedAnswer {
                refresh: Some(query),
                ..
            }) => self.complete(query, outcome),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[track_caller]
    fn expect(&mut self, text: &str, expected: &str) {
        assert_eq!(word(&self.lookup(text)), expected);
    }

    #[track_caller]
    fn state(&self, text: &str) -> EntryState {
        let listed = self.cache.list(&self.settings, self.now);
        let listed = listed.iter().find(|listed| listed.name == name(text));
        listed.unwrap().state
    }

    fn known(&self) -> Vec<String> {
        let listed = self.cache.list(&self.settings, self.now);
        listed
            .iter()
            .map(|listed| listed.name.to_string())
            .collect()
    }
}

#[test]
fn the_first_starts_a_query_and_the_others_join_it() {
    let mut test = TestCache::new();
    let CacheLookup::Start(query) = test.lookup("a.test") else {
        panic!()
    };
    assert_eq!(query.name(), &name("a.test"));
    test.expect("a.test", "join");
    test.expect("A.Test.", "join");
    assert_eq!(test.cache.in_flight_counts(), (1, 0, 0));
    let completed = test.complete(query, found(&["192.0.2.1"], MINUTE));
    assert_eq!(text(&completed.result.unwrap()), "192.0.2.1");
    assert_eq!(test.cache.in_flight_counts(), (0, 0, 0));
    test.expect("a.test", "hit 192.0.2.1");
}

#[test]
fn the_ttl_is_clamped() {
    for (ttl, min, max, fresh) in [
        (MINUTE, 1, HOUR, MINUTE),
        (0, 1, HOUR, 1),
        (5, 30, HOUR, 30),
        (2 * HOUR, 1, HOUR, HOUR),
        // The bounds are the wrong way round: the maximum holds.
        (5, 30, 10, 10),
    ] {
        let mut test = TestCache::new();
        test.settings.min_ttl = Duration::from_secs(min);
        test.settings.max_ttl = Duration::from_secs(max);
        test.fetch("a.test", found(&["192.0.2.1"], ttl));
        test.wait(fresh - 1);
        assert_eq!(test.state("a.test"), EntryState::Fresh);
        test.wait(1);
        test.expect("a.test", "stale 192.0.2.1 refresh");
    }
}

#[test]
fn what_people_are_told() {
    let mut test = TestCache::new();
    test.fetch("fresh.test", found(&["192.0.2.1"], HOUR));
    test.fetch("stale.test", found(&["192.0.2.2"], 30));
    test.fetch("no.test", failed(DnsFailure::NxDomain, Some(30)));
    test.wait(10);
    test.expect("fresh.test", "hit 192.0.2.1");
    test.expect("new.test", "start");
    test.wait(20);
    let listed = test.cache.list(&test.settings, test.now);
    let rows: Vec<_> = listed
        .iter()
        .map(|listed| {
            let times = (
                listed.age.as_secs(),
                listed.ttl_left.as_secs(),
                listed.idle.as_secs(),
            );
            (
                listed.name.as_str(),
                listed.state.as_str(),
                times,
                listed.hits,
                listed.resolving,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("fresh.test", "fresh", (30, 3570, 20), 1, false),
            ("no.test", "expired", (30, 0, 30), 0, false),
            ("stale.test", "stale", (30, 0, 30), 0, false),
            ("new.test", "resolving", (0, 0, 0), 0, true),
        ]
    );
}
