//! Every change of state of the cache, under a scripted clock.

use super::*;
use crate::dns::listing::State;
use egret_config::snapshot::LookupFamily;

mod kept;
mod late;

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
            now: crate::telemetry::clock::now(),
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
fn a_name_in_use_is_refreshed_before_it_expires() {
    for ttl in [1, 10, MINUTE, HOUR] {
        let mut world = World::new();
        world.fetch("a.test", found(&["192.0.2.1"], ttl));
        let ttl = Duration::from_secs(ttl);
        world.now += ttl * 4 / 5 - Duration::from_millis(1);
        world.expect("a.test", "hit 192.0.2.1");
        world.now += ttl * 3 / 20 + Duration::from_millis(1);
        let Lookup::Hit(Served {
            refresh: Some(flight),
            ..
        }) = world.lookup("a.test")
        else {
            panic!("{ttl:?}")
        };
        world.expect("a.test", "hit 192.0.2.1");
        assert_eq!(world.cache.flying(), (0, 1, 0));
        world.complete(flight, found(&["192.0.2.2"], ttl.as_secs()));
        world.now += ttl * 4 / 5 - Duration::from_millis(1);
        world.expect("a.test", "hit 192.0.2.2");
    }
}

#[test]
fn a_name_that_nobody_uses_is_not_refreshed_and_expires() {
    let mut world = World::new();
    world.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    world.wait(MINUTE - 1);
    assert_eq!(world.cache.flying(), (0, 0, 0));
    world.wait(1);
    assert_eq!(world.state("a.test"), State::Stale);
}

#[test]
fn names_answered_together_are_not_refreshed_together() {
    let mut world = World::new();
    let names: Vec<_> = (0..100).map(|index| format!("n{index}.test")).collect();
    for name in &names {
        world.fetch(name, found(&["192.0.2.1"], 100));
    }
    world.wait(79);
    let mut due = Vec::new();
    for _ in 0..17 {
        world.wait(1);
        let before = world.cache.flying().1;
        for name in &names {
            drop(world.lookup(name));
        }
        due.push(world.cache.flying().1 - before);
    }
    assert_eq!(due.iter().sum::<usize>(), 100);
    // Evenly, within reason: 100 names over 15 seconds.
    assert!(due.iter().all(|&count| count < 20), "{due:?}");
}

#[test]
fn a_refresh_ahead_that_failed_backs_off_and_keeps_the_answer() {
    let mut world = World::new();
    world.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    world.wait(MINUTE - 3);
    world.refresh("a.test", failed(Failure::Timeout, None));
    assert_eq!(world.state("a.test"), State::Fresh);
    world.now += Duration::from_millis(999);
    world.expect("a.test", "hit 192.0.2.1");
    world.now += Duration::from_millis(251);
    world.refresh("a.test", failed(Failure::ServFail, None));
    world.now += Duration::from_millis(1999);
    // Expired meanwhile; the back-off goes on.
    world.expect("a.test", "stale 192.0.2.1");
    world.now += Duration::from_millis(501);
    world.refresh("a.test", found(&["192.0.2.2"], MINUTE));
    world.expect("a.test", "hit 192.0.2.2");
}

#[test]
fn a_touched_name_stays_and_is_refreshed_when_that_is_due() {
    let mut world = World::new();
    assert!(!world.touch("a.test"));
    assert_eq!(world.cache.len(), 0);
    world.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    world.wait(MINUTE / 2);
    assert!(!world.touch("a.test"));
    world.wait(MINUTE / 2 - 1);
    assert!(world.touch("a.test"));
    // It is being asked for.
    assert!(!world.touch("a.test"));
    assert_eq!(world.cache.list(&world.settings, world.now)[0].hits, 0);
    world.wait(5 * MINUTE - 1);
    assert_eq!(world.cache.sweep(&world.settings, world.now, 10).removed, 0);
    world.wait(1);
    assert_eq!(world.cache.sweep(&world.settings, world.now, 10).removed, 1);
}

#[test]
fn what_a_touch_starts_depends_on_what_is_known() {
    let silent = || failed(Failure::Timeout, None);
    let answered = |ttl| failed(Failure::NxDomain, Some(ttl));
    for (outcome, stale_for, age, expected) in [
        (found(&["192.0.2.1"], 10), 0, 7, false),
        (found(&["192.0.2.1"], 10), 10, 10, true),
        (found(&["192.0.2.1"], 10), 0, 10, true),
        // A failure is left alone for a while, because nobody waits.
        (silent(), 0, 4, false),
        (silent(), 0, 5, true),
        (answered(2), 0, 4, false),
        (answered(2), 0, 5, true),
        (answered(20), 0, 19, false),
        (answered(20), 0, 20, true),
    ] {
        let mut world = World::new();
        world.settings.stale_for = Duration::from_secs(stale_for);
        let case = format!("{outcome:?} {stale_for} {age}");
        world.fetch("a.test", outcome);
        world.wait(age);
        assert_eq!(world.touch("a.test"), expected, "{case}");
    }
}

#[test]
fn a_kept_name_is_asked_for_and_remembered() {
    let mut world = World::new();
    let kept = name("a.test");
    let flight = world.cache.keep(&kept, &world.settings, world.now).unwrap();
    assert_eq!(world.cache.flying(), (0, 1, 0));
    assert!(
        world
            .cache
            .keep(&kept, &world.settings, world.now)
            .is_none()
    );
    world.expect("a.test", "join");
    world.complete(flight, found(&["192.0.2.1"], MINUTE));
    world.expect("a.test", "hit 192.0.2.1");
    world.wait(MINUTE - 1);
    let flight = world.cache.keep(&kept, &world.settings, world.now).unwrap();
    // Forgotten while it is being asked for, and still wanted.
    world.cache.flush();
    assert!(
        world
            .cache
            .keep(&kept, &world.settings, world.now)
            .is_none()
    );
    world.complete(flight, found(&["192.0.2.2"], MINUTE));
    world.expect("a.test", "hit 192.0.2.2");
}

#[test]
fn the_shortest_ttl_does_not_cause_a_query_for_each_request() {
    let mut world = World::new();
    world.fetch("a.test", found(&["192.0.2.1"], 0));
    let mut queries = 0;
    for _ in 0..10_000 {
        world.now += Duration::from_millis(1);
        if let Lookup::Hit(Served {
            refresh: Some(flight),
            ..
        }) = world.lookup("a.test")
        {
            queries += 1;
            world.complete(flight, found(&["192.0.2.1"], 0));
        }
    }
    assert!((10..=13).contains(&queries), "{queries}");
}

#[test]
fn stale_serves_at_once_with_one_refresh() {
    let mut world = World::new();
    world.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    world.wait(MINUTE);
    let Lookup::Stale(Served {
        refresh: Some(flight),
        ..
    }) = world.lookup("a.test")
    else {
        panic!()
    };
    world.expect("a.test", "stale 192.0.2.1");
    assert_eq!(world.cache.flying(), (0, 1, 0));
    world.complete(flight, found(&["192.0.2.2"], MINUTE));
    world.expect("a.test", "hit 192.0.2.2");
}

#[test]
fn failed_refreshes_back_off_and_keep_the_answer_until_stale_for_is_over() {
    let mut world = World::new();
    world.settings.stale_for = Duration::from_secs(10 * MINUTE);
    world.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    world.wait(MINUTE);
    let failures = [
        Failure::Timeout,
        Failure::ServFail,
        Failure::Refused,
        Failure::Rcode("NOTIMP"),
        Failure::Network("gone".into()),
        Failure::Timeout,
    ];
    for (failure, least) in failures.into_iter().zip([1, 2, 4, 8, 16, 30]) {
        let landed = world.refresh("a.test", failed(failure.clone(), None));
        assert_eq!(text(&landed.told.unwrap()), "192.0.2.1");
        let listed = &world.cache.list(&world.settings, world.now)[0];
        assert_eq!(
            (listed.state, listed.error.as_ref()),
            (State::Stale, Some(&failure))
        );
        world.now += Duration::from_millis(least * 1000 - 1);
        world.expect("a.test", "stale 192.0.2.1");
        // The back-off and its jitter.
        world.now += Duration::from_millis(1 + least * 250);
    }
    world.wait(7 * MINUTE);
    world.refresh("a.test", failed(Failure::Timeout, None));
    world.wait(2 * MINUTE);
    let landed = world.fetch("a.test", failed(Failure::Timeout, None));
    assert_eq!(landed.told, Err(Failure::Timeout));
    world.expect("a.test", "negative timeout");
    world.wait(1);
    world.expect("a.test", "start");
}

#[test]
fn a_good_refresh_resets_the_back_off() {
    let mut world = World::new();
    world.fetch("a.test", found(&["192.0.2.1"], 1));
    for _ in 0..3 {
        world.wait(40);
        world.refresh("a.test", failed(Failure::Timeout, None));
    }
    world.wait(40);
    world.refresh("a.test", found(&["192.0.2.1"], 1));
    world.wait(1);
    world.refresh("a.test", failed(Failure::Timeout, None));
    world.now += Duration::from_millis(1250);
    world.expect("a.test", "stale 192.0.2.1 refresh");
}

#[test]
fn a_negative_answer_ends_the_old_one() {
    for failure in [Failure::NxDomain, Failure::NoData] {
        let mut world = World::new();
        world.fetch("a.test", found(&["192.0.2.1"], MINUTE));
        world.wait(MINUTE);
        world.refresh("a.test", failed(failure.clone(), Some(10)));
        world.expect("a.test", &format!("negative {}", failure.label()));
        world.wait(10);
        world.expect("a.test", "start");
    }
}

#[test]
fn without_stale_for_expired_means_gone() {
    let mut world = World::new();
    world.settings.stale_for = Duration::ZERO;
    world.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    world.wait(MINUTE);
    let landed = world.fetch("a.test", failed(Failure::ServFail, None));
    assert_eq!(landed.told, Err(Failure::ServFail));
    world.expect("a.test", "negative servfail");
}

#[test]
fn negative_answers_are_remembered_as_the_soa_says_within_the_ceiling() {
    for (failure, soa, ceiling, seconds) in [
        (Failure::NxDomain, Some(10), 30, 10),
        (Failure::NxDomain, Some(HOUR), 30, 30),
        (Failure::NoData, Some(10), 30, 10),
        (Failure::NxDomain, None, 30, 1),
        (Failure::Timeout, None, 30, 1),
        (Failure::ServFail, Some(10), 30, 1),
        (Failure::Network("gone".into()), None, 30, 1),
    ] {
        let mut world = World::new();
        world.settings.negative_ttl = Duration::from_secs(ceiling);
        world.fetch("a.test", failed(failure.clone(), soa));
        world.now += Duration::from_millis(seconds * 1000 - 1);
        world.expect("a.test", &format!("negative {}", failure.label()));
        world.now += Duration::from_millis(1);
        world.expect("a.test", "start");
    }
}

#[test]
fn a_negative_ttl_of_zero_remembers_nothing() {
    let mut world = World::new();
    world.settings.negative_ttl = Duration::ZERO;
    world.fetch("a.test", failed(Failure::NxDomain, Some(10)));
    world.expect("a.test", "start");
}

#[test]
fn names_over_max_pending_are_refused_but_nothing_else_is() {
    let mut world = World::new();
    world.settings.max_pending = 2;
    world.fetch("hit.test", found(&["192.0.2.1"], HOUR));
    world.fetch("stale.test", found(&["192.0.2.2"], 1));
    world.fetch("no.test", failed(Failure::NxDomain, Some(MINUTE)));
    world.wait(1);
    let Lookup::Start(flight) = world.lookup("a.test") else {
        panic!()
    };
    world.expect("b.test", "start");
    world.expect("c.test", "overloaded");
    world.expect("a.test", "join");
    world.expect("hit.test", "hit 192.0.2.1");
    world.expect("stale.test", "stale 192.0.2.2 refresh");
    world.expect("no.test", "negative nxdomain");
    world.complete(flight, found(&["192.0.2.3"], HOUR));
    world.expect("c.test", "start");
}

#[test]
fn refreshes_are_bounded_apart() {
    let mut world = World::new();
    world.settings.max_pending = 1;
    for text in ["a.test", "b.test"] {
        world.fetch(text, found(&["192.0.2.1"], 1));
    }
    world.wait(1);
    let Lookup::Stale(Served {
        refresh: Some(flight),
        ..
    }) = world.lookup("a.test")
    else {
        panic!()
    };
    world.expect("b.test", "stale 192.0.2.1");
    world.expect("new.test", "start");
    world.complete(flight, found(&["192.0.2.1"], 1));
    world.expect("b.test", "stale 192.0.2.1 refresh");
}

#[test]
fn the_least_recently_used_leave_first() {
    let mut world = World::new();
    world.settings.max_hosts = 2;
    for text in ["a.test", "b.test"] {
        assert_eq!(world.fetch(text, found(&["192.0.2.1"], HOUR)).evicted, 0);
    }
    world.expect("a.test", "hit 192.0.2.1");
    assert_eq!(
        world.fetch("c.test", found(&["192.0.2.1"], HOUR)).evicted,
        1
    );
    assert_eq!(world.known(), ["c.test", "a.test"]);
    world.settings.max_hosts = 0;
    world.fetch("d.test", found(&["192.0.2.1"], HOUR));
    assert_eq!(world.known(), ["d.test"]);
}

#[test]
fn a_refresh_is_no_use_and_brings_no_evicted_name_back() {
    let mut world = World::new();
    world.settings.max_hosts = 2;
    for text in ["a.test", "b.test"] {
        world.fetch(text, found(&["192.0.2.1"], 1));
    }
    world.wait(1);
    let Lookup::Stale(Served {
        refresh: Some(flight),
        ..
    }) = world.lookup("a.test")
    else {
        panic!()
    };
    world.expect("b.test", "stale 192.0.2.1 refresh");
    world.complete(flight, found(&["192.0.2.1"], 1));
    assert_eq!(world.known(), ["b.test", "a.test"]);
    world.wait(1);
    let Lookup::Stale(Served {
        refresh: Some(flight),
        ..
    }) = world.lookup("a.test")
    else {
        panic!()
    };
    world.fetch("c.test", found(&["192.0.2.1"], HOUR));
    world.fetch("d.test", found(&["192.0.2.1"], HOUR));
    world.complete(flight, found(&["192.0.2.1"], HOUR));
    // b.test is still being asked for, and so it is listed; it is no entry.
    assert_eq!(world.known(), ["d.test", "c.test", "b.test"]);
    assert_eq!(world.cache.len(), 2);
}

#[test]
fn an_evicted_name_that_is_wanted_again_joins_its_refresh() {
    let mut world = World::new();
    world.fetch("a.test", found(&["192.0.2.1"], 1));
    world.wait(1);
    let Lookup::Stale(Served {
        refresh: Some(flight),
        ..
    }) = world.lookup("a.test")
    else {
        panic!()
    };
    assert!(world.cache.flush_one(&name("a.test")));
    world.expect("a.test", "join");
    world.complete(flight, found(&["192.0.2.2"], HOUR));
    world.expect("a.test", "hit 192.0.2.2");
    assert_eq!(world.cache.flying(), (0, 0, 0));
}

#[test]
fn idle_names_are_swept_in_steps() {
    let mut world = World::new();
    for text in ["a.test", "b.test", "c.test"] {
        world.fetch(text, found(&["192.0.2.1"], HOUR));
    }
    world.wait(4 * MINUTE);
    world.expect("a.test", "hit 192.0.2.1");
    let nothing = Swept {
        removed: 0,
        more: false,
    };
    assert_eq!(world.cache.sweep(&world.settings, world.now, 10), nothing);
    world.wait(MINUTE);
    let one = Swept {
        removed: 1,
        more: true,
    };
    assert_eq!(world.cache.sweep(&world.settings, world.now, 1), one);
    let one = Swept {
        removed: 1,
        more: false,
    };
    assert_eq!(world.cache.sweep(&world.settings, world.now, 10), one);
    assert_eq!(world.known(), ["a.test"]);
}

#[test]
fn a_smaller_max_hosts_is_swept_down_to() {
    let mut world = World::new();
    for text in ["a.test", "b.test", "c.test"] {
        world.fetch(text, found(&["192.0.2.1"], HOUR));
    }
    world.settings.max_hosts = 1;
    assert_eq!(world.cache.sweep(&world.settings, world.now, 10).removed, 2);
    assert_eq!(world.known(), ["c.test"]);
}

#[test]
fn flushing_forgets_answers_and_leaves_queries() {
    let mut world = World::new();
    world.fetch("a.test", found(&["192.0.2.1"], HOUR));
    world.fetch("b.test", failed(Failure::NxDomain, Some(MINUTE)));
    let Lookup::Start(flight) = world.lookup("c.test") else {
        panic!()
    };
    assert!(!world.cache.flush_one(&name("x.test")));
    assert_eq!(world.cache.flush(), 2);
    world.expect("a.test", "start");
    world.expect("c.test", "join");
    world.complete(flight, found(&["192.0.2.3"], HOUR));
    world.expect("c.test", "hit 192.0.2.3");
}

#[test]
fn settings_change_without_emptying_the_cache() {
    let mut world = World::new();
    world.fetch("a.test", found(&["192.0.2.1"], HOUR));
    world.wait(MINUTE);
    world.settings.max_ttl = Duration::from_secs(MINUTE);
    world.expect("a.test", "stale 192.0.2.1 refresh");
    world.settings.max_ttl = Duration::from_secs(HOUR);
    world.expect("a.test", "hit 192.0.2.1");
    world.settings.max_ttl = Duration::from_secs(MINUTE);
    world.settings.stale_for = Duration::ZERO;
    world.expect("a.test", "join");
    world.settings.stale_for = Duration::MAX;
    world.wait(1000 * HOUR);
    world.expect("a.test", "stale 192.0.2.1");
}

#[test]
fn a_change_of_family_serves_what_is_still_wanted_and_asks_for_the_rest() {
    use LookupFamily::{Auto, V4Only, V4Preferred, V6Only};
    let both = ["2001:db8::1", "192.0.2.1"];
    for (before, answer, after, expected) in [
        (Auto, &both[..], V4Preferred, "hit 192.0.2.1,2001:db8::1"),
        (Auto, &both[..], V4Only, "hit 192.0.2.1"),
        (Auto, &both[1..], V6Only, "start"),
        (V4Only, &both[1..], Auto, "stale 192.0.2.1 refresh"),
        (V4Only, &both[1..], V6Only, "start"),
    ] {
        let mut world = World::new();
        world.settings.family = before;
        world.fetch("a.test", found(answer, HOUR));
        world.wait(MINUTE);
        world.settings.family = after;
        world.expect("a.test", expected);
    }
    for (before, after, expected) in [(V4Only, Auto, "start"), (Auto, V4Only, "negative nodata")] {
        let mut world = World::new();
        world.settings.family = before;
        world.fetch("a.test", failed(Failure::NoData, Some(MINUTE)));
        world.settings.family = after;
        world.expect("a.test", expected);
    }
}

#[test]
fn an_answer_without_a_wanted_family_is_no_data() {
    let mut world = World::new();
    world.settings.family = LookupFamily::V6Only;
    let landed = world.fetch("a.test", found(&["192.0.2.1"], 5));
    assert_eq!(landed.told, Err(Failure::NoData));
    world.expect("a.test", "negative nodata");
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

#[test]
fn an_entry_is_small() {
    // With the name, the addresses, and the links of the list and the table around it.
    let name = 16 + 30;
    let addresses = 16 + 2 * size_of::<IpAddr>();
    let node = size_of::<(DnsName, Entry)>() + 2 * size_of::<usize>();
    let slot = 2 * (2 * size_of::<usize>() + 1);
    assert!(
        name + addresses + node + slot < 512,
        "{}",
        name + addresses + node + slot
    );
}
