//! What fails, and what serves meanwhile.

use super::*;

#[test]
fn stale_serves_at_once_with_one_refresh() {
    let mut world = World::new();
    world.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    world.wait(MINUTE);
    let flight = world.lookup_stale("a.test");
    world.expect("a.test", "stale 192.0.2.1");
    assert_eq!(world.cache.flying(), (0, 1, 0));
    world.complete(flight, found(&["192.0.2.2"], MINUTE));
    world.expect("a.test", "hit 192.0.2.2");
}

#[test]
fn failed_refreshes_back_off_and_keep_the_answer_until_stale_for_is_over() {
    let mut world = World::new();
    world.settings.stale_for = Duration::from_secs(10 * MINUTE);
    world.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    world.wait(MINUTE);
    let failures = [
        Failure::Timeout,
        Failure::ServFail,
        Failure::Refused,
        Failure::Rcode("NOTIMP"),
        Failure::Network("gone".into()),
        Failure::Timeout,
    ];
    for (failure, least) in failures.into_iter().zip([1, 2, 4, 8, 16, 30]) {
        let landed = world.refresh("a.test", failed(failure.clone(), None));
        assert_eq!(text(&landed.told.unwrap()), "192.0.2.1");
        let listed = &world.cache.list(&world.settings, world.now)[0];
        assert_eq!(
            (listed.state, listed.error.as_ref()),
            (State::Stale, Some(&failure))
        );
        world.now += Duration::from_millis(least * 1000 - 1);
        world.expect("a.test", "stale 192.0.2.1");
        // The back-off and its jitter.
        world.now += Duration::from_millis(1 + least * 250);
    }
    world.wait(7 * MINUTE);
    world.refresh("a.test", failed(Failure::Timeout, None));
    world.wait(2 * MINUTE);
    let landed = world.fetch("a.test", failed(Failure::Timeout, None));
    assert_eq!(landed.told, Err(Failure::Timeout));
    world.expect("a.test", "negative timeout");
    world.wait(1);
    world.expect("a.test", "start");
}

#[test]
fn a_good_refresh_resets_the_back_off() {
    let mut world = World::new();
    world.fetch("a.test", found(&["192.0.2.1"], 1));
    for _ in 0..3 {
        world.wait(40);
        world.refresh("a.test", failed(Failure::Timeout, None));
    }
    world.wait(40);
    world.refresh("a.test", found(&["192.0.2.1"], 1));
    world.wait(1);
    world.refresh("a.test", failed(Failure::Timeout, None));
    world.now += Duration::from_millis(1250);
    world.expect("a.test", "stale 192.0.2.1 refresh");
}

#[test]
fn a_negative_answer_ends_the_old_one() {
    for failure in [Failure::NxDomain, Failure::NoData] {
        let mut world = World::new();
        world.fetch("a.test", found(&["192.0.2.1"], MINUTE));
        world.wait(MINUTE);
        world.refresh("a.test", failed(failure.clone(), Some(10)));
        world.expect("a.test", &format!("negative {}", failure.label()));
        world.wait(10);
        world.expect("a.test", "start");
    }
}

#[test]
fn without_stale_for_expired_means_gone() {
    let mut world = World::new();
    world.settings.stale_for = Duration::ZERO;
    world.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    world.wait(MINUTE);
    let landed = world.fetch("a.test", failed(Failure::ServFail, None));
    assert_eq!(landed.told, Err(Failure::ServFail));
    world.expect("a.test", "negative servfail");
}

#[test]
fn negative_answers_are_remembered_as_the_soa_says_within_the_ceiling() {
    for (failure, soa, ceiling, seconds) in [
        (Failure::NxDomain, Some(10), 30, 10),
        (Failure::NxDomain, Some(HOUR), 30, 30),
        (Failure::NoData, Some(10), 30, 10),
        (Failure::NxDomain, None, 30, 1),
        (Failure::Timeout, None, 30, 1),
        (Failure::ServFail, Some(10), 30, 1),
        (Failure::Network("gone".into()), None, 30, 1),
    ] {
        let mut world = World::new();
        world.settings.negative_ttl = Duration::from_secs(ceiling);
        world.fetch("a.test", failed(failure.clone(), soa));
        world.now += Duration::from_millis(seconds * 1000 - 1);
        world.expect("a.test", &format!("negative {}", failure.label()));
        world.now += Duration::from_millis(1);
        world.expect("a.test", "start");
    }
}

#[test]
fn a_negative_ttl_of_zero_remembers_nothing() {
    let mut world = World::new();
    world.settings.negative_ttl = Duration::ZERO;
    world.fetch("a.test", failed(Failure::NxDomain, Some(10)));
    world.expect("a.test", "start");
}

#[test]
fn it_is_over_when_nothing_may_be_served_and_not_when_nothing_is_known() {
    let mut world = World::new();
    world.settings.stale_for = Duration::from_secs(MINUTE);
    let over = |world: &World| {
        let name = name("a.test");
        world.cache.is_over(&name, &world.settings, world.now)
    };
    assert!(!over(&world));
    world.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    world.wait(2 * MINUTE - 1);
    assert!(!over(&world));
    world.wait(1);
    assert!(over(&world));
    // It stays so when the next query fails too, whoever wanted it.
    world.fetch("a.test", failed(Failure::Timeout, None));
    assert!(over(&world));
    world.wait(MINUTE);
    world.fetch("a.test", found(&["192.0.2.1"], MINUTE));
    assert!(!over(&world));
    world.wait(MINUTE);
    world.refresh("a.test", failed(Failure::NxDomain, Some(1)));
    assert!(over(&world));
}
