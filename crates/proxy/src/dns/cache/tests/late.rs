//! Tests of answers that come in two parts.

use super::*;

impl TestCache {
    fn merge(&mut self, late: LateQuery, brought: Option<(&str, u64)>) -> Option<String> {
        let addresses: Vec<IpAddr> = brought
            .iter()
            .filter(|(address, _)| !address.is_empty())
            .map(|(address, _)| address.parse().unwrap())
            .collect();
        let brought = brought.map(|(_, ttl)| (&*addresses, Duration::from_secs(ttl)));
        let merged = self.cache.merge_addresses(&late, brought);
        self.cache.finish(late);
        merged.map(|all| text(&all))
    }
}

#[test]
fn who_comes_while_a_part_is_late_is_told_so() {
    let mut test = TestCache::new();
    let completed = test.fetch("a.test", early(&["192.0.2.1"], 30));
    assert_eq!(text(&completed.result.unwrap()), "192.0.2.1");
    assert_eq!(test.cache.in_flight_counts(), (0, 0, 1));
    test.expect("a.test", "hit 192.0.2.1 more");
    let merged = test.merge(completed.late.unwrap(), Some(("2001:db8::1", MINUTE)));
    assert_eq!(merged.unwrap(), "2001:db8::1,192.0.2.1");
    assert_eq!(test.cache.in_flight_counts(), (0, 0, 0));
    // The TTL is that of the whole answer, counted from when the first part came.
    test.wait(47);
    test.expect("a.test", "hit 2001:db8::1,192.0.2.1");
    test.wait(13);
    test.expect("a.test", "stale 2001:db8::1,192.0.2.1 refresh");
}

#[test]
fn a_part_that_fails_leaves_the_answer_incomplete_and_an_empty_one_completes_it() {
    for (brought, expected) in [
        (None, "stale 192.0.2.1 refresh"),
        (Some(("", MINUTE)), "hit 192.0.2.1"),
    ] {
        let mut test = TestCache::new();
        let completed = test.fetch("a.test", early(&["192.0.2.1"], 30));
        test.merge(completed.late.unwrap(), brought);
        test.wait(30);
        test.expect("a.test", expected);
    }
}

#[test]
fn an_answer_that_expires_before_its_late_part_comes_is_asked_for_again() {
    let mut test = TestCache::new();
    let completed = test.fetch("a.test", early(&["192.0.2.1"], 1));
    let late = completed.late.unwrap();
    test.wait(1);
    let CacheLookup::Stale(ServedAnswer {
        refresh: Some(query),
        pending_family: Some(()),
        ..
    }) = test.lookup("a.test")
    else {
        panic!()
    };
    test.complete(query, found(&["192.0.2.2"], HOUR));
    test.expect("a.test", "hit 192.0.2.2");
    assert_eq!(test.merge(late, Some(("2001:db8::1", HOUR))), None);
    test.expect("a.test", "hit 192.0.2.2");
}

#[test]
fn late_addresses_join_no_answer_but_their_own() {
    let mut test = TestCache::new();
    let completed = test.fetch("a.test", early(&["192.0.2.1"], 30));
    let late = completed.late.unwrap();
    test.cache.flush();
    test.expect("a.test", "start");
    assert_eq!(test.merge(late, Some(("2001:db8::1", MINUTE))), None);
    test.expect("a.test", "join");
}

#[test]
fn no_more_are_late_than_may_be_pending() {
    let mut test = TestCache::new();
    test.settings.max_pending = 1;
    let first = test.fetch("a.test", early(&["192.0.2.1"], 30));
    let second = test.fetch("b.test", early(&["192.0.2.1"], 30));
    assert!(second.late.is_none());
    test.expect("b.test", "hit 192.0.2.1");
    test.merge(first.late.unwrap(), None);
    let third = test.fetch("c.test", early(&["192.0.2.1"], 30));
    assert!(third.late.is_some());
}
