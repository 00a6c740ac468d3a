//! Tests of names that outlive the process.

use super::*;

impl TestCache {
    /// The saved entries of all names in use, the last used first.
    fn saved(&self) -> Vec<SavedEntry> {
        let mut names = Vec::with_capacity(100);
        self.cache
            .names_in_use(&self.settings, self.now, &mut names);
        let saved = names
            .iter()
            .filter_map(|name| self.cache.saved_entry(name, &self.settings, self.now));
        saved.collect()
    }

    /// Restarts with the saved names after this many seconds; returns how many names were restored.
    fn restart(&mut self, seconds: u64) -> usize {
        let mut saved = self.saved();
        saved.reverse();
        self.cache = DnsCache::new(2);
        for name in &mut saved {
            name.age += Duration::from_secs(seconds);
        }
        self.cache.restore(saved, &self.settings, self.now)
    }
}

#[test]
fn ages_go_on() {
    for (age, away, expected) in [
        (10, 10, "hit 192.0.2.1"),
        (50, 8, "hit 192.0.2.1 refresh"),
        (50, 10, "stale 192.0.2.1 refresh"),
        (70, 10, "stale 192.0.2.1 refresh"),
        (10, HOUR + 49, "stale 192.0.2.1 refresh"),
        (10, HOUR + 50, "start"),
    ] {
        let mut test = TestCache::new();
        test.fetch("a.test", found(&["192.0.2.1"], MINUTE));
        test.wait(age);
        assert_eq!(test.restart(away), usize::from(expected != "start"));
        test.expect("a.test", expected);
    }
}

#[test]
fn what_has_no_addresses_or_no_use_is_not_kept() {
    let mut test = TestCache::new();
    test.fetch("no.test", failed(DnsFailure::NxDomain, Some(HOUR)));
    test.fetch("old.test", found(&["192.0.2.1"], 1));
    test.fetch("idle.test", found(&["192.0.2.1"], HOUR));
    test.settings.stale_for = Duration::from_secs(MINUTE);
    test.wait(5 * MINUTE);
    test.fetch("b.test", found(&["192.0.2.1"], HOUR));
    test.fetch("a.test", early(&["192.0.2.1"], 30));
    let names = |test: &TestCache| -> Vec<_> {
        let saved = test.saved();
        saved.iter().map(|saved| saved.name.to_string()).collect()
    };
    assert_eq!(names(&test), ["a.test", "b.test"]);
    assert_eq!(test.restart(0), 2);
    assert_eq!(test.known(), ["a.test", "b.test"]);
    test.settings.stale_for = Duration::from_secs(HOUR);
    // The time in which no process ran does not count as idle; the idle time before it does.
    test.wait(4 * MINUTE);
    test.expect("b.test", "hit 192.0.2.1");
    assert_eq!(test.restart(20), 2);
    test.wait(MINUTE);
    test.cache.sweep(&test.settings, test.now, 10);
    assert_eq!(test.known(), ["b.test"]);
    test.settings.max_hosts = 0;
    assert_eq!(names(&test), Vec::<String>::new());
}

#[test]
fn the_names_used_last_are_restored_when_there_is_room_for_few() {
    let mut test = TestCache::new();
    for text in ["a.test", "b.test", "c.test"] {
        test.fetch(text, found(&["192.0.2.1"], HOUR));
    }
    let mut saved = test.saved();
    saved.reverse();
    test.cache = DnsCache::new(2);
    test.settings.max_hosts = 2;
    test.cache.restore(saved, &test.settings, test.now);
    assert_eq!(test.known(), ["c.test", "b.test"]);
}

#[test]
fn what_is_known_by_now_stays() {
    let mut test = TestCache::new();
    test.fetch("a.test", found(&["192.0.2.1"], HOUR));
    let saved = test.saved();
    test.cache = DnsCache::new(2);
    test.fetch("a.test", found(&["192.0.2.2"], HOUR));
    assert_eq!(test.cache.restore(saved, &test.settings, test.now), 0);
    test.expect("a.test", "hit 192.0.2.2");
}

#[test]
fn a_family_that_is_wanted_no_more_is_not_served() {
    use LookupFamily::{Auto, V4Only, V6Only};
    for (before, after, expected) in [
        (Auto, V4Only, "hit 192.0.2.1"),
        (V4Only, Auto, "stale 192.0.2.1 refresh"),
        (V4Only, V6Only, "start"),
    ] {
        let mut test = TestCache::new();
        test.settings.family = before;
        test.fetch("a.test", found(&["192.0.2.1"], HOUR));
        test.settings.family = after;
        test.restart(MINUTE);
        test.expect("a.test", expected);
    }
}

#[test]
fn answers_count_as_changes_and_hits_do_not() {
    let mut test = TestCache::new();
    let mut last = test.cache.revision();
    let mut changed =
        |test: &TestCache| std::mem::replace(&mut last, test.cache.revision()) != last;
    test.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    assert!(changed(&test));
    test.expect("a.test", "hit 192.0.2.1");
    assert!(!changed(&test));
    test.wait(MINUTE);
    test.refresh("a.test", found(&["192.0.2.1"], MINUTE));
    assert!(changed(&test));
    test.cache.flush();
    assert!(changed(&test));
}

#[test]
fn a_shorter_idle_ttl_holds_for_what_is_restored() {
    for (idle_ttl, expected) in [(MINUTE + 1, 1), (MINUTE, 0)] {
        let mut test = TestCache::new();
        test.fetch("a.test", found(&["192.0.2.1"], HOUR));
        test.wait(MINUTE);
        let saved = test.saved();
        test.cache = DnsCache::new(2);
        test.settings.idle_ttl = Duration::from_secs(idle_ttl);
        assert_eq!(
            test.cache.restore(saved, &test.settings, test.now),
            expected
        );
    }
}
