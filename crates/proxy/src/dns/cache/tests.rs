//! Every change of state of the cache, under a scripted clock.

use std::net::IpAddr;
use std::time::Duration;

use super::entry::Entry;
use super::*;
use crate::dns::failure::Failure;
use crate::dns::listing::State;
use egret_config::snapshot::LookupFamily;

mod change;
mod kept;
mod late;
mod refresh;
mod room;
mod stale;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// A cache, its settings and its clock.
struct World {
    cache: Cache,
    settings: ResolverSettings,
    now: Instant,
}

/// What a lookup gave, in a word or two.
fn word(lookup: &Lookup) -> String {
    match lookup {
        Lookup::Hit(served) => told("hit", served),
        Lookup::Stale(served) => told("stale", served),
        Lookup::Negative(failure) => format!("negative {}", failure.label()),
        Lookup::Join(()) => "join".to_owned(),
        Lookup::Start(_) => "start".to_owned(),
        Lookup::Overloaded => "overloaded".to_owned(),
    }
}

fn told(how: &str, served: &Served) -> String {
    let refresh = served.refresh.as_ref().map_or("", |_| " refresh");
    let more = served.more.map_or("", |()| " more");
    format!("{how} {}{refresh}{more}", text(&served.addresses))
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

fn found(addresses: &[&str], ttl: u64) -> Outcome {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    Outcome::Found {
        addresses,
        ttl: Duration::from_secs(ttl),
        service: None,
        rest: Rest::Nothing,
    }
}

/// The same, with more to come.
fn early(addresses: &[&str], ttl: u64) -> Outcome {
    let Outcome::Found { addresses, ttl, .. } = found(addresses, ttl) else {
        unreachable!()
    };
    Outcome::Found {
        addresses,
        ttl,
        service: None,
        rest: Rest::Addresses,
    }
}

fn failed(failure: Failure, ttl: Option<u64>) -> Outcome {
    Outcome::Failed {
        failure,
        ttl: ttl.map(Duration::from_secs),
    }
}

impl World {
    fn new() -> Self {
        Self {
            cache: Cache::new(1),
            settings: ResolverSettings::default(),
            now: crate::clock::now(),
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn lookup(&mut self, text: &str) -> Lookup {
        self.cache
            .lookup(&name(text), false, &self.settings, self.now)
    }

    /// Whether it started a query.
    fn touch(&mut self, text: &str) -> bool {
        let flight = self.cache.touch(&name(text), &self.settings, self.now);
        flight.is_some()
    }

    fn complete(&mut self, flight: Flight, outcome: Outcome) -> Landed {
        self.cache
            .complete(flight, outcome, &self.settings, self.now)
    }

    /// Looks up what has to start a query, and ends it at once.
    fn fetch(&mut self, text: &str, outcome: Outcome) -> Landed {
        match self.lookup(text) {
            Lookup::Start(flight) => self.complete(flight, outcome),
            other => panic!("{text}: {other:?}"),
        }
    }

    /// Looks up what has to be stale and due for a refresh, which is left running.
    fn lookup_stale(&mut self, text: &str) -> Flight {
        match self.lookup(text) {
            Lookup::Stale(Served {
                refresh: Some(flight),
                ..
            }) => flight,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// Looks up what has to be due for a refresh, and ends it at once.
    fn refresh(&mut self, text: &str, outcome: Outcome) -> Landed {
        match self.lookup(text) {
            Lookup::Hit(Served {
                refresh: Some(flight),
                ..
            })
            | Lookup::Stale(Served {
                refresh: Some(flight),
                ..
            }) => self.complete(flight, outcome),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[track_caller]
    fn expect(&mut self, text: &str, expected: &str) {
        assert_eq!(word(&self.lookup(text)), expected);
    }

    #[track_caller]
    fn state(&self, text: &str) -> State {
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
    let mut world = World::new();
    let Lookup::Start(flight) = world.lookup("a.test") else {
        panic!()
    };
    assert_eq!(flight.name(), &name("a.test"));
    world.expect("a.test", "join");
    world.expect("A.Test.", "join");
    assert_eq!(world.cache.flying(), (1, 0, 0));
    let landed = world.complete(flight, found(&["192.0.2.1"], MINUTE));
    assert_eq!(text(&landed.told.unwrap()), "192.0.2.1");
    assert_eq!(world.cache.flying(), (0, 0, 0));
    world.expect("a.test", "hit 192.0.2.1");
}

#[test]
fn the_ttl_is_clamped() {
    for (ttl, min, max, fresh) in [
        (MINUTE, 1, HOUR, MINUTE),
        (0, 1, HOUR, 1),
        (5, 30, HOUR, 30),
        (2 * HOUR, 1, HOUR, HOUR),
        // The wrong way round: the maximum holds.
        (5, 30, 10, 10),
    ] {
        let mut world = World::new();
        world.settings.min_ttl = Duration::from_secs(min);
        world.settings.max_ttl = Duration::from_secs(max);
        world.fetch("a.test", found(&["192.0.2.1"], ttl));
        world.wait(fresh - 1);
        assert_eq!(world.state("a.test"), State::Fresh);
        world.wait(1);
        world.expect("a.test", "stale 192.0.2.1 refresh");
    }
}

#[test]
fn what_people_are_told() {
    let mut world = World::new();
    world.fetch("fresh.test", found(&["192.0.2.1"], HOUR));
    world.fetch("stale.test", found(&["192.0.2.2"], 30));
    world.fetch("no.test", failed(Failure::NxDomain, Some(30)));
    world.wait(10);
    world.expect("fresh.test", "hit 192.0.2.1");
    world.expect("new.test", "start");
    world.wait(20);
    let listed = world.cache.list(&world.settings, world.now);
    let told: Vec<_> = listed
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
        told,
        [
            ("fresh.test", "fresh", (30, 3570, 20), 1, false),
            ("no.test", "expired", (30, 0, 30), 0, false),
            ("stale.test", "stale", (30, 0, 30), 0, false),
            ("new.test", "resolving", (0, 0, 0), 0, true),
        ]
    );
}
