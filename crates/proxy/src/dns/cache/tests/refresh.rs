//! Tests that names in use are refreshed.

use super::*;

#[test]
fn a_name_in_use_is_refreshed_before_it_expires() {
    for ttl in [1, 10, MINUTE, HOUR] {
        let mut test = TestCache::new();
        test.fetch("a.test", found(&["192.0.2.1"], ttl));
        let ttl = Duration::from_secs(ttl);
        test.now += ttl * 4 / 5 - Duration::from_millis(1);
        test.expect("a.test", "hit 192.0.2.1");
        test.now += ttl * 3 / 20 + Duration::from_millis(1);
        let CacheLookup::Hit(ServedAnswer {
            refresh: Some(query),
            ..
        }) = test.lookup("a.test")
        else {
            panic!("{ttl:?}")
        };
        test.expect("a.test", "hit 192.0.2.1");
        assert_eq!(test.cache.in_flight_counts(), (0, 1, 0));
        test.complete(query, found(&["192.0.2.2"], ttl.as_secs()));
        test.now += ttl * 4 / 5 - Duration::from_millis(1);
        test.expect("a.test", "hit 192.0.2.2");
    }
}

#[test]
fn a_name_that_nobody_uses_is_not_refreshed_and_expires() {
    let mut test = TestCache::new();
    test.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    test.wait(MINUTE - 1);
    assert_eq!(test.cache.in_flight_counts(), (0, 0, 0));
    test.wait(1);
    assert_eq!(test.state("a.test"), EntryState::Stale);
}

#[test]
fn names_answered_together_are_not_refreshed_together() {
    let mut test = TestCache::new();
    let names: Vec<_> = (0..100).map(|index| format!("n{index}.test")).collect();
    for name in &names {
        test.fetch(name, found(&["192.0.2.1"], 100));
    }
    test.wait(79);
    let mut due = Vec::new();
    for _ in 0..17 {
        test.wait(1);
        let before = test.cache.in_flight_counts().1;
        for name in &names {
            drop(test.lookup(name));
        }
        due.push(test.cache.in_flight_counts().1 - before);
    }
    assert_eq!(due.iter().sum::<usize>(), 100);
    // 100 names are spread over 15 seconds, about evenly.
    assert!(due.iter().all(|&count| count < 20), "{due:?}");
}

#[test]
fn a_refresh_ahead_that_failed_backs_off_and_keeps_the_answer() {
    let mut test = TestCache::new();
    test.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    test.wait(MINUTE - 3);
    test.refresh("a.test", failed(DnsFailure::Timeout, None));
    assert_eq!(test.state("a.test"), EntryState::Fresh);
    test.now += Duration::from_millis(999);
    test.expect("a.test", "hit 192.0.2.1");
    test.now += Duration::from_millis(251);
    test.refresh("a.test", failed(DnsFailure::ServFail, None));
    test.now += Duration::from_millis(1999);
    // The answer has expired meanwhile; the back-off goes on.
    test.expect("a.test", "stale 192.0.2.1");
    test.now += Duration::from_millis(501);
    test.refresh("a.test", found(&["192.0.2.2"], MINUTE));
    test.expect("a.test", "hit 192.0.2.2");
}

#[test]
fn a_touched_name_stays_and_is_refreshed_when_that_is_due() {
    let mut test = TestCache::new();
    assert!(!test.touch("a.test"));
    assert_eq!(test.cache.len(), 0);
    test.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    test.wait(MINUTE / 2);
    assert!(!test.touch("a.test"));
    test.wait(MINUTE / 2 - 1);
    assert!(test.touch("a.test"));
    // Its query is in flight.
    assert!(!test.touch("a.test"));
    assert_eq!(test.cache.list(&test.settings, test.now)[0].hits, 0);
    test.wait(5 * MINUTE - 1);
    assert_eq!(test.cache.sweep(&test.settings, test.now, 10).removed, 0);
    test.wait(1);
    assert_eq!(test.cache.sweep(&test.settings, test.now, 10).removed, 1);
}

#[test]
fn what_a_touch_starts_depends_on_what_is_known() {
    let silent = || failed(DnsFailure::Timeout, None);
    let answered = |ttl| failed(DnsFailure::NxDomain, Some(ttl));
    for (outcome, stale_for, age, expected) in [
        (found(&["192.0.2.1"], 10), 0, 7, false),
        (found(&["192.0.2.1"], 10), 10, 10, true),
        (found(&["192.0.2.1"], 10), 0, 10, true),
        // A failure is not queried again for a while, because nobody waits.
        (silent(), 0, 4, false),
        (silent(), 0, 5, true),
        (answered(2), 0, 4, false),
        (answered(2), 0, 5, true),
        (answered(20), 0, 19, false),
        (answered(20), 0, 20, true),
    ] {
        let mut test = TestCache::new();
        test.settings.stale_for = Duration::from_secs(stale_for);
        let case = format!("{outcome:?} {stale_for} {age}");
        test.fetch("a.test", outcome);
        test.wait(age);
        assert_eq!(test.touch("a.test"), expected, "{case}");
    }
}

#[test]
fn a_kept_name_is_asked_for_and_remembered() {
    let mut test = TestCache::new();
    let preresolved = name("a.test");
    let query = test
        .cache
        .preresolve(&preresolved, &test.settings, test.now)
        .unwrap();
    assert_eq!(test.cache.in_flight_counts(), (0, 1, 0));
    assert!(
        test.cache
            .preresolve(&preresolved, &test.settings, test.now)
            .is_none()
    );
    test.expect("a.test", "join");
    test.complete(query, found(&["192.0.2.1"], MINUTE));
    test.expect("a.test", "hit 192.0.2.1");
    test.wait(MINUTE - 1);
    let query = test
        .cache
        .preresolve(&preresolved, &test.settings, test.now)
        .unwrap();
    // The name is forgotten while its query is in flight, and still wanted.
    test.cache.flush();
    assert!(
        test.cache
            .preresolve(&preresolved, &test.settings, test.now)
            .is_none()
    );
    test.complete(query, found(&["192.0.2.2"], MINUTE));
    test.expect("a.test", "hit 192.0.2.2");
}

#[test]
fn the_shortest_ttl_does_not_cause_a_query_for_each_request() {
    let mut test = TestCache::new();
    test.fetch("a.test", found(&["192.0.2.1"], 0));
    let mut queries = 0;
    for _ in 0..10_000 {
        test.now += Duration::from_millis(1);
        if let CacheLookup::Hit(ServedAnswer {
            refresh: Some(query),
            ..
        }) = test.lookup("a.test")
        {
            queries += 1;
            test.complete(query, found(&["192.0.2.1"], 0));
        }
    }
    assert!((10..=13).contains(&queries), "{queries}");
}
