//! Names in use stay known.

use super::*;

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
