//! Tests of settings that change while names are cached.

use super::*;

#[test]
fn settings_change_without_emptying_the_cache() {
    let mut test = TestCache::new();
    test.fetch("a.test", found(&["192.0.2.1"], HOUR));
    test.wait(MINUTE);
    test.settings.max_ttl = Duration::from_secs(MINUTE);
    test.expect("a.test", "stale 192.0.2.1 refresh");
    test.settings.max_ttl = Duration::from_secs(HOUR);
    test.expect("a.test", "hit 192.0.2.1");
    test.settings.max_ttl = Duration::from_secs(MINUTE);
    test.settings.stale_for = Duration::ZERO;
    test.expect("a.test", "join");
    test.settings.stale_for = Duration::MAX;
    test.wait(1000 * HOUR);
    test.expect("a.test", "stale 192.0.2.1");
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
        let mut test = TestCache::new();
        test.settings.family = before;
        test.fetch("a.test", found(answer, HOUR));
        test.wait(MINUTE);
        test.settings.family = after;
        test.expect("a.test", expected);
    }
    for (before, after, expected) in [(V4Only, Auto, "start"), (Auto, V4Only, "negative nodata")] {
        let mut test = TestCache::new();
        test.settings.family = before;
        test.fetch("a.test", failed(DnsFailure::NoData, Some(MINUTE)));
        test.settings.family = after;
        test.expect("a.test", expected);
    }
}

#[test]
fn an_answer_without_a_wanted_family_is_no_data() {
    let mut test = TestCache::new();
    test.settings.family = LookupFamily::V6Only;
    let completed = test.fetch("a.test", found(&["192.0.2.1"], 5));
    assert_eq!(completed.result, Err(DnsFailure::NoData));
    test.expect("a.test", "negative nodata");
}
