//! Settings that change under what is known.

use super::*;

#[test]
fn settings_change_without_emptying_the_cache() {
    let mut world = World::new();
    world.fetch("a.test", found(&["192.0.2.1"], HOUR));
    world.wait(MINUTE);
    world.settings.max_ttl = Duration::from_secs(MINUTE);
    world.expect("a.test", "stale 192.0.2.1 refresh");
    world.settings.max_ttl = Duration::from_secs(HOUR);
    world.expect("a.test", "hit 192.0.2.1");
    world.settings.max_ttl = Duration::from_secs(MINUTE);
    world.settings.stale_for = Duration::ZERO;
    world.expect("a.test", "join");
    world.settings.stale_for = Duration::MAX;
    world.wait(1000 * HOUR);
    world.expect("a.test", "stale 192.0.2.1");
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
        let mut world = World::new();
        world.settings.family = before;
        world.fetch("a.test", found(answer, HOUR));
        world.wait(MINUTE);
        world.settings.family = after;
        world.expect("a.test", expected);
    }
    for (before, after, expected) in [(V4Only, Auto, "start"), (Auto, V4Only, "negative nodata")] {
        let mut world = World::new();
        world.settings.family = before;
        world.fetch("a.test", failed(Failure::NoData, Some(MINUTE)));
        world.settings.family = after;
        world.expect("a.test", expected);
    }
}

#[test]
fn an_answer_without_a_wanted_family_is_no_data() {
    let mut world = World::new();
    world.settings.family = LookupFamily::V6Only;
    let landed = world.fetch("a.test", found(&["192.0.2.1"], 5));
    assert_eq!(landed.told, Err(Failure::NoData));
    world.expect("a.test", "negative nodata");
}
