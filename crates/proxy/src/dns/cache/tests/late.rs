//! Answers that come in two parts.

use super::*;

impl World {
    fn merge(&mut self, late: Late, brought: Option<(&str, u64)>) -> Option<String> {
        let addresses: Vec<IpAddr> = brought
            .iter()
            .filter(|(address, _)| !address.is_empty())
            .map(|(address, _)| address.parse().unwrap())
            .collect();
        let brought = brought.map(|(_, ttl)| (&*addresses, Duration::from_secs(ttl)));
        let merged = self.cache.merge(&late, brought);
        self.cache.end(late);
        merged.map(|all| text(&all))
    }
}

#[test]
fn who_comes_while_a_part_is_late_is_told_so() {
    let mut world = World::new();
    let landed = world.fetch("a.test", early(&["192.0.2.1"], 30));
    assert_eq!(text(&landed.told.unwrap()), "192.0.2.1");
    assert_eq!(world.cache.flying(), (0, 0, 1));
    world.expect("a.test", "hit 192.0.2.1 more");
    let merged = world.merge(landed.late.unwrap(), Some(("2001:db8::1", MINUTE)));
    assert_eq!(merged.unwrap(), "2001:db8::1,192.0.2.1");
    assert_eq!(world.cache.flying(), (0, 0, 0));
    // The TTL is that of the whole, from when the first part came.
    world.wait(47);
    world.expect("a.test", "hit 2001:db8::1,192.0.2.1");
    world.wait(13);
    world.expect("a.test", "stale 2001:db8::1,192.0.2.1 refresh");
}

#[test]
fn a_part_that_fails_leaves_the_answer_incomplete_and_an_empty_one_completes_it() {
    for (brought, expected) in [
        (None, "stale 192.0.2.1 refresh"),
        (Some(("", MINUTE)), "hit 192.0.2.1"),
    ] {
        let mut world = World::new();
        let landed = world.fetch("a.test", early(&["192.0.2.1"], 30));
        world.merge(landed.late.unwrap(), brought);
        world.wait(30);
        world.expect("a.test", expected);
    }
}

#[test]
fn an_answer_that_expires_before_its_late_part_comes_is_asked_for_again() {
    let mut world = World::new();
    let landed = world.fetch("a.test", early(&["192.0.2.1"], 1));
    let late = landed.late.unwrap();
    world.wait(1);
    let Lookup::Stale(Served {
        refresh: Some(flight),
        more: Some(()),
        ..
    }) = world.lookup("a.test")
    else {
        panic!()
    };
    world.complete(flight, found(&["192.0.2.2"], HOUR));
    world.expect("a.test", "hit 192.0.2.2");
    assert_eq!(world.merge(late, Some(("2001:db8::1", HOUR))), None);
    world.expect("a.test", "hit 192.0.2.2");
}

#[test]
fn late_addresses_join_no_answer_but_their_own() {
    let mut world = World::new();
    let landed = world.fetch("a.test", early(&["192.0.2.1"], 30));
    let late = landed.late.unwrap();
    world.cache.flush();
    world.expect("a.test", "start");
    assert_eq!(world.merge(late, Some(("2001:db8::1", MINUTE))), None);
    world.expect("a.test", "join");
}

#[test]
fn no_more_are_late_than_may_be_pending() {
    let mut world = World::new();
    world.settings.max_pending = 1;
    let first = world.fetch("a.test", early(&["192.0.2.1"], 30));
    let second = world.fetch("b.test", early(&["192.0.2.1"], 30));
    assert!(second.late.is_none());
    world.expect("b.test", "hit 192.0.2.1");
    world.merge(first.late.unwrap(), None);
    let third = world.fetch("c.test", early(&["192.0.2.1"], 30));
    assert!(third.late.is_some());
}
