//! Tests of the bounds of the cache, and of which names are evicted.

use super::*;

#[test]
fn names_over_max_pending_are_refused_but_nothing_else_is() {
    let mut test = TestCache::new();
    test.settings.max_pending = 2;
    test.fetch("hit.test", found(&["192.0.2.1"], HOUR));
    test.fetch("stale.test", found(&["192.0.2.2"], 1));
    test.fetch("no.test", failed(DnsFailure::NxDomain, Some(MINUTE)));
    test.wait(1);
    let CacheLookup::Start(query) = test.lookup("a.test") else {
        panic!()
    };
    test.expect("b.test", "start");
    test.expect("c.test", "overloaded");
    test.expect("a.test", "join");
    test.expect("hit.test", "hit 192.0.2.1");
    test.expect("stale.test", "stale 192.0.2.2 refresh");
    test.expect("no.test", "negative nxdomain");
    test.complete(query, found(&["192.0.2.3"], HOUR));
    test.expect("c.test", "start");
}

#[test]
fn refreshes_are_bounded_apart() {
    let mut test = TestCache::new();
    test.settings.max_pending = 1;
    for text in ["a.test", "b.test"] {
        test.fetch(text, found(&["192.0.2.1"], 1));
    }
    test.wait(1);
    let query = test.lookup_stale("a.test");
    test.expect("b.test", "stale 192.0.2.1");
    test.expect("new.test", "start");
    test.complete(query, found(&["192.0.2.1"], 1));
    test.expect("b.test", "stale 192.0.2.1 refresh");
}

#[test]
fn the_least_recently_used_leave_first() {
    let mut test = TestCache::new();
    test.settings.max_hosts = 2;
    for text in ["a.test", "b.test"] {
        assert_eq!(test.fetch(text, found(&["192.0.2.1"], HOUR)).evicted, 0);
    }
    test.expect("a.test", "hit 192.0.2.1");
    assert_eq!(test.fetch("c.test", found(&["192.0.2.1"], HOUR)).evicted, 1);
    assert_eq!(test.known(), ["c.test", "a.test"]);
    test.settings.max_hosts = 0;
    test.fetch("d.test", found(&["192.0.2.1"], HOUR));
    assert_eq!(test.known(), ["d.test"]);
}

#[test]
fn a_refresh_is_no_use_and_brings_no_evicted_name_back() {
    let mut test = TestCache::new();
    test.settings.max_hosts = 2;
    for text in ["a.test", "b.test"] {
        test.fetch(text, found(&["192.0.2.1"], 1));
    }
    test.wait(1);
    let query = test.lookup_stale("a.test");
    test.expect("b.test", "stale 192.0.2.1 refresh");
    test.complete(query, found(&["192.0.2.1"], 1));
    assert_eq!(test.known(), ["b.test", "a.test"]);
    test.wait(1);
    let query = test.lookup_stale("a.test");
    test.fetch("c.test", found(&["192.0.2.1"], HOUR));
    test.fetch("d.test", found(&["192.0.2.1"], HOUR));
    test.complete(query, found(&["192.0.2.1"], HOUR));
    // The query for b.test is still in flight, so the name is listed; it has no entry.
    assert_eq!(test.known(), ["d.test", "c.test", "b.test"]);
    assert_eq!(test.cache.len(), 2);
}

#[test]
fn an_evicted_name_that_is_wanted_again_joins_its_refresh() {
    let mut test = TestCache::new();
    test.fetch("a.test", found(&["192.0.2.1"], 1));
    test.wait(1);
    let query = test.lookup_stale("a.test");
    assert!(test.cache.flush_one(&name("a.test")));
    test.expect("a.test", "join");
    test.complete(query, found(&["192.0.2.2"], HOUR));
    test.expect("a.test", "hit 192.0.2.2");
    assert_eq!(test.cache.in_flight_counts(), (0, 0, 0));
}

#[test]
fn idle_names_are_swept_in_steps() {
    let mut test = TestCache::new();
    for text in ["a.test", "b.test", "c.test"] {
        test.fetch(text, found(&["192.0.2.1"], HOUR));
    }
    test.wait(4 * MINUTE);
    test.expect("a.test", "hit 192.0.2.1");
    let none = SweepProgress {
        removed: 0,
        more: false,
    };
    assert_eq!(test.cache.sweep(&test.settings, test.now, 10), none);
    test.wait(MINUTE);
    let one = SweepProgress {
        removed: 1,
        more: true,
    };
    assert_eq!(test.cache.sweep(&test.settings, test.now, 1), one);
    let one = SweepProgress {
        removed: 1,
        more: false,
    };
    assert_eq!(test.cache.sweep(&test.settings, test.now, 10), one);
    assert_eq!(test.known(), ["a.test"]);
}

#[test]
fn a_smaller_max_hosts_is_swept_down_to() {
    let mut test = TestCache::new();
    for text in ["a.test", "b.test", "c.test"] {
        test.fetch(text, found(&["192.0.2.1"], HOUR));
    }
    test.settings.max_hosts = 1;
    assert_eq!(test.cache.sweep(&test.settings, test.now, 10).removed, 2);
    assert_eq!(test.known(), ["c.test"]);
}

#[test]
fn flushing_forgets_answers_and_leaves_queries() {
    let mut test = TestCache::new();
    test.fetch("a.test", found(&["192.0.2.1"], HOUR));
    test.fetch("b.test", failed(DnsFailure::NxDomain, Some(MINUTE)));
    let CacheLookup::Start(query) = test.lookup("c.test") else {
        panic!()
    };
    assert!(!test.cache.flush_one(&name("x.test")));
    assert_eq!(test.cache.flush(), 2);
    test.expect("a.test", "start");
    test.expect("c.test", "join");
    test.complete(query, found(&["192.0.2.3"], HOUR));
    test.expect("c.test", "hit 192.0.2.3");
}

#[test]
fn an_entry_is_small() {
    // The entry with its name and addresses, and the links of the list and the table around it.
    let name = 16 + 30;
    let addresses = 16 + 2 * size_of::<IpAddr>();
    let node = size_of::<(DnsName, CacheEntry)>() + 2 * size_of::<usize>();
    let slot = 2 * (2 * size_of::<usize>() + 1);
    assert!(
        name + addresses + node + slot < 512,
        "{}",
        name + addresses + node + slot
    );
}
