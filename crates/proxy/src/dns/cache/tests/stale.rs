//! Tests of failed queries, and of what is served meanwhile.

use super::*;

#[test]
fn stale_serves_at_once_with_one_refresh() {
    let mut test = TestCache::new();
    test.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    test.wait(MINUTE);
    let query = test.lookup_stale("a.test");
    test.expect("a.test", "stale 192.0.2.1");
    assert_eq!(test.cache.in_flight_counts(), (0, 1, 0));
    test.complete(query, found(&["192.0.2.2"], MINUTE));
    test.expect("a.test", "hit 192.0.2.2");
}

#[test]
fn failed_refreshes_back_off_and_keep_the_answer_until_stale_for_is_over() {
    let mut test = TestCache::new();
    test.settings.stale_for = Duration::from_secs(10 * MINUTE);
    test.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    test.wait(MINUTE);
    let failures = [
        DnsFailure::Timeout,
        DnsFailure::ServFail,
        DnsFailure::Refused,
        DnsFailure::Rcode("NOTIMP"),
        DnsFailure::Network("gone".into()),
        DnsFailure::Timeout,
    ];
    for (failure, least) in failures.into_iter().zip([1, 2, 4, 8, 16, 30]) {
        let completed = test.refresh("a.test", failed(failure.clone(), None));
        assert_eq!(text(&completed.result.unwrap()), "192.0.2.1");
        let listed = &test.cache.list(&test.settings, test.now)[0];
        assert_eq!(
            (listed.state, listed.error.as_ref()),
            (EntryState::Stale, Some(&failure))
        );
        test.now += Duration::from_millis(least * 1000 - 1);
        test.expect("a.test", "stale 192.0.2.1");
        // The back-off and its jitter.
        test.now += Duration::from_millis(1 + least * 250);
    }
    test.wait(7 * MINUTE);
    test.refresh("a.test", failed(DnsFailure::Timeout, None));
    test.wait(2 * MINUTE);
    let completed = test.fetch("a.test", failed(DnsFailure::Timeout, None));
    assert_eq!(completed.result, Err(DnsFailure::Timeout));
    test.expect("a.test", "negative timeout");
    test.wait(1);
    test.expect("a.test", "start");
}

#[test]
fn a_good_refresh_resets_the_back_off() {
    let mut test = TestCache::new();
    test.fetch("a.test", found(&["192.0.2.1"], 1));
    for _ in 0..3 {
        test.wait(40);
        test.refresh("a.test", failed(DnsFailure::Timeout, None));
    }
    test.wait(40);
    test.refresh("a.test", found(&["192.0.2.1"], 1));
    test.wait(1);
    test.refresh("a.test", failed(DnsFailure::Timeout, None));
    test.now += Duration::from_millis(1250);
    test.expect("a.test", "stale 192.0.2.1 refresh");
}

#[test]
fn a_negative_answer_ends_the_old_one() {
    for failure in [DnsFailure::NxDomain, DnsFailure::NoData] {
        let mut test = TestCache::new();
        test.fetch("a.test", found(&["192.0.2.1"], MINUTE));
        test.wait(MINUTE);
        test.refresh("a.test", failed(failure.clone(), Some(10)));
        test.expect("a.test", &format!("negative {}", failure.label()));
        test.wait(10);
        test.expect("a.test", "start");
    }
}

#[test]
fn without_stale_for_expired_means_gone() {
    let mut test = TestCache::new();
    test.settings.stale_for = Duration::ZERO;
    test.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    test.wait(MINUTE);
    let completed = test.fetch("a.test", failed(DnsFailure::ServFail, None));
    assert_eq!(completed.result, Err(DnsFailure::ServFail));
    test.expect("a.test", "negative servfail");
}

#[test]
fn negative_answers_are_remembered_as_the_soa_says_within_the_ceiling() {
    for (failure, soa, ceiling, seconds) in [
        (DnsFailure::NxDomain, Some(10), 30, 10),
        (DnsFailure::NxDomain, Some(HOUR), 30, 30),
        (DnsFailure::NoData, Some(10), 30, 10),
        (DnsFailure::NxDomain, None, 30, 1),
        (DnsFailure::Timeout, None, 30, 1),
        (DnsFailure::ServFail, Some(10), 30, 1),
        (DnsFailure::Network("gone".into()), None, 30, 1),
    ] {
        let mut test = TestCache::new();
        test.settings.negative_ttl = Duration::from_secs(ceiling);
        test.fetch("a.test", failed(failure.clone(), soa));
        test.now += Duration::from_millis(seconds * 1000 - 1);
        test.expect("a.test", &format!("negative {}", failure.label()));
        test.now += Duration::from_millis(1);
        test.expect("a.test", "start");
    }
}

#[test]
fn a_negative_ttl_of_zero_remembers_nothing() {
    let mut test = TestCache::new();
    test.settings.negative_ttl = Duration::ZERO;
    test.fetch("a.test", failed(DnsFailure::NxDomain, Some(10)));
    test.expect("a.test", "start");
}

#[test]
fn it_is_over_when_nothing_may_be_served_and_not_when_nothing_is_known() {
    let mut test = TestCache::new();
    test.settings.stale_for = Duration::from_secs(MINUTE);
    let over = |test: &TestCache| {
        let name = name("a.test");
        test.cache.has_no_answer(&name, &test.settings, test.now)
    };
    assert!(!over(&test));
    test.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    test.wait(2 * MINUTE - 1);
    assert!(!over(&test));
    test.wait(1);
    assert!(over(&test));
    // That does not change when the next query fails too, whoever wanted it.
    test.fetch("a.test", failed(DnsFailure::Timeout, None));
    assert!(over(&test));
    test.wait(MINUTE);
    test.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    assert!(!over(&test));
    test.wait(MINUTE);
    test.refresh("a.test", failed(DnsFailure::NxDomain, Some(1)));
    assert!(over(&test));
}
