//! Names that outlive the process.

use super::*;

impl World {
    /// What is kept of all names in use, the last used first.
    fn kept(&self) -> Vec<Kept> {
        let mut names = Vec::with_capacity(100);
        self.cache.in_use(&self.settings, self.now, &mut names);
        let kept = names
            .iter()
            .filter_map(|name| self.cache.kept(name, &self.settings, self.now));
        kept.collect()
    }

    /// The next process, so many seconds later; how many names it knows.
    fn restart(&mut self, seconds: u64) -> usize {
        let mut kept = self.kept();
        kept.reverse();
        self.cache = Cache::new(2);
        for name in &mut kept {
            name.age += Duration::from_secs(seconds);
        }
        self.cache.restore(kept, &self.settings, self.now)
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
        let mut world = World::new();
        world.fetch("a.test", found(&["192.0.2.1"], MINUTE));
        world.wait(age);
        assert_eq!(world.restart(away), usize::from(expected != "start"));
        world.expect("a.test", expected);
    }
}

#[test]
fn what_has_no_addresses_or_no_use_is_not_kept() {
    let mut world = World::new();
    world.fetch("no.test", failed(Failure::NxDomain, Some(HOUR)));
    world.fetch("old.test", found(&["192.0.2.1"], 1));
    world.fetch("idle.test", found(&["192.0.2.1"], HOUR));
    world.settings.stale_for = Duration::from_secs(MINUTE);
    world.wait(5 * MINUTE);
    world.fetch("b.test", found(&["192.0.2.1"], HOUR));
    world.fetch("a.test", early(&["192.0.2.1"], 30));
    let names = |world: &World| -> Vec<_> {
        let kept = world.kept();
        kept.iter().map(|kept| kept.name.to_string()).collect()
    };
    assert_eq!(names(&world), ["a.test", "b.test"]);
    assert_eq!(world.restart(0), 2);
    assert_eq!(world.known(), ["a.test", "b.test"]);
    world.settings.stale_for = Duration::from_secs(HOUR);
    // The time that no process ran is not disuse, but what was disuse before goes on.
    world.wait(4 * MINUTE);
    world.expect("b.test", "hit 192.0.2.1");
    assert_eq!(world.restart(20), 2);
    world.wait(MINUTE);
    world.cache.sweep(&world.settings, world.now, 10);
    assert_eq!(world.known(), ["b.test"]);
    world.settings.max_hosts = 0;
    assert_eq!(names(&world), Vec::<String>::new());
}

#[test]
fn the_names_used_last_are_restored_when_there_is_room_for_few() {
    let mut world = World::new();
    for text in ["a.test", "b.test", "c.test"] {
        world.fetch(text, found(&["192.0.2.1"], HOUR));
    }
    let mut kept = world.kept();
    kept.reverse();
    world.cache = Cache::new(2);
    world.settings.max_hosts = 2;
    world.cache.restore(kept, &world.settings, world.now);
    assert_eq!(world.known(), ["c.test", "b.test"]);
}

#[test]
fn what_is_known_by_now_stays() {
    let mut world = World::new();
    world.fetch("a.test", found(&["192.0.2.1"], HOUR));
    let kept = world.kept();
    world.cache = Cache::new(2);
    world.fetch("a.test", found(&["192.0.2.2"], HOUR));
    assert_eq!(world.cache.restore(kept, &world.settings, world.now), 0);
    world.expect("a.test", "hit 192.0.2.2");
}

#[test]
fn a_family_that_is_wanted_no_more_is_not_served() {
    use LookupFamily::{Auto, V4Only, V6Only};
    for (before, after, expected) in [
        (Auto, V4Only, "hit 192.0.2.1"),
        (V4Only, Auto, "stale 192.0.2.1 refresh"),
        (V4Only, V6Only, "start"),
    ] {
        let mut world = World::new();
        world.settings.family = before;
        world.fetch("a.test", found(&["192.0.2.1"], HOUR));
        world.settings.family = after;
        world.restart(MINUTE);
        world.expect("a.test", expected);
    }
}

#[test]
fn answers_count_as_changes_and_hits_do_not() {
    let mut world = World::new();
    let mut last = world.cache.changes();
    let mut changed = |world: &World| std::mem::replace(&mut last, world.cache.changes()) != last;
    world.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    assert!(changed(&world));
    world.expect("a.test", "hit 192.0.2.1");
    assert!(!changed(&world));
    world.wait(MINUTE);
    world.refresh("a.test", found(&["192.0.2.1"], MINUTE));
    assert!(changed(&world));
    world.cache.flush();
    assert!(changed(&world));
}

#[test]
fn a_shorter_idle_ttl_holds_for_what_is_restored() {
    for (idle_ttl, expected) in [(MINUTE + 1, 1), (MINUTE, 0)] {
        let mut world = World::new();
        world.fetch("a.test", found(&["192.0.2.1"], HOUR));
        world.wait(MINUTE);
        let kept = world.kept();
        world.cache = Cache::new(2);
        world.settings.idle_ttl = Duration::from_secs(idle_ttl);
        assert_eq!(
            world.cache.restore(kept, &world.settings, world.now),
            expected
        );
    }
}
