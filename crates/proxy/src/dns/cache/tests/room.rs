//! Bounds, and who leaves.

use super::*;

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
    let flight = world.lookup_stale("a.test");
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
    let flight = world.lookup_stale("a.test");
    world.expect("b.test", "stale 192.0.2.1 refresh");
    world.complete(flight, found(&["192.0.2.1"], 1));
    assert_eq!(world.known(), ["b.test", "a.test"]);
    world.wait(1);
    let flight = world.lookup_stale("a.test");
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
    let flight = world.lookup_stale("a.test");
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
