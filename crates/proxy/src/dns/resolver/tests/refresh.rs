//! Names in use stay known, and what fails.

use super::*;

#[tokio::test(start_paused = true)]
async fn stale_serves_while_the_server_is_dead_and_ends_with_stale_for() {
    let world = World::new(ResolverSettings {
        stale_for: Duration::from_secs(4 * 3600),
        ..ResolverSettings::default()
    });
    world.fake.set("a.test", V4, Reply::Found(vec![A], 60));
    let start = clock::now();
    world.expect("a.test", &format!("miss {A}")).await;
    world.fake.set_both("a.test", &Reply::Silence);
    world.fake.taken();
    while clock::now() - start < Duration::from_secs(4 * 3600) {
        wait(60).await;
        world.expect_in("a.test", &format!("stale {A}"), 0).await;
    }
    // A refresh each minute at most, of two questions each.
    let asked = world.fake.taken();
    assert!((2..=2 * 4 * 60 + 2).contains(&asked), "{asked}");
    wait(60).await;
    world.expect_in("a.test", "miss timeout", 5000).await;
    world.expect_in("a.test", "negative timeout", 0).await;
    world
        .fake
        .set("a.test", V4, Reply::Found(vec!["192.0.2.2"], 60));
    world
        .fake
        .set("a.test", V6, Reply::Failed(Failure::NoData, None));
    wait(1).await;
    world.expect("a.test", "miss 192.0.2.2").await;
}

#[tokio::test(start_paused = true)]
async fn the_first_good_refresh_ends_staleness() {
    let world = World::new(ResolverSettings::default());
    world.fake.set("a.test", V4, Reply::Found(vec![A], 60));
    world.expect("a.test", &format!("miss {A}")).await;
    world
        .fake
        .set_both("a.test", &Reply::Failed(Failure::ServFail, None));
    wait(60).await;
    world.expect("a.test", &format!("stale {A}")).await;
    settle().await;
    let listed = world.resolver.list();
    assert_eq!(
        (listed[0].state, &listed[0].error),
        (State::Stale, &Some(Failure::ServFail))
    );
    world
        .fake
        .set("a.test", V4, Reply::Found(vec!["192.0.2.2"], 60));
    wait(2).await;
    world.expect("a.test", &format!("stale {A}")).await;
    settle().await;
    world.expect("a.test", "hit 192.0.2.2").await;
}

#[tokio::test(start_paused = true)]
async fn a_name_in_use_never_expires_and_nobody_waits_for_it() {
    let world = World::new(ResolverSettings {
        stale_for: Duration::ZERO,
        ..ResolverSettings::default()
    });
    let slowly = |address| Reply::After(1000, Box::new(Reply::Found(vec![address], 60)));
    world.fake.set("a.test", V4, slowly(A));
    world.expect("a.test", &format!("miss {A}")).await;
    world.fake.taken();
    for _ in 0..600 {
        wait(1).await;
        world.expect_in("a.test", &format!("hit {A}"), 0).await;
    }
    // Every 49 to 58 seconds, with two questions each.
    let asked = world.fake.taken();
    assert!((20..=24).contains(&asked), "{asked}");
    world.fake.set("a.test", V4, slowly("192.0.2.2"));
    for _ in 0..60 {
        wait(1).await;
        world.resolve("a.test").await.unwrap();
    }
    world.expect("a.test", "hit 192.0.2.2").await;
}

#[tokio::test(start_paused = true)]
async fn a_touch_keeps_a_name_without_a_lookup() {
    let world = World::new(ResolverSettings {
        hosts: [(name("static.test"), vec![A.parse().unwrap()])].into(),
        ..ResolverSettings::default()
    });
    world.fake.set("a.test", V4, Reply::Found(vec![A], 60));
    world.expect("a.test", &format!("miss {A}")).await;
    world
        .fake
        .set("a.test", V4, Reply::Found(vec!["192.0.2.2"], 60));
    world.fake.taken();
    for _ in 0..720 {
        wait(5).await;
        for text in ["a.test", "unknown.test", "static.test"] {
            world.resolver.touch(&name(text));
        }
    }
    // An hour of minutes that end early, with two questions each.
    let asked = world.fake.taken();
    assert!((2 * 60..=2 * 72).contains(&asked), "{asked}");
    assert_eq!(world.resolver.len(), 1);
    assert_eq!(world.resolver.list()[0].hits, 0);
    assert_eq!(world.stats.resolved[How::Hit.index()].get(), 0);
    world.expect("a.test", "hit 192.0.2.2").await;
}

#[tokio::test(start_paused = true)]
async fn preresolved_names_are_known_before_anybody_asks_and_stay_known() {
    let names = ["a.test", "b.test", "dead.test", "static.test"].map(name);
    let world = World::new(ResolverSettings {
        hosts: [(name("static.test"), vec![A.parse().unwrap()])].into(),
        preresolve: names.into(),
        max_pending: 1,
        ..ResolverSettings::default()
    });
    let found = |address| Reply::After(10, Box::new(Reply::Found(vec![address], 60)));
    world.fake.set("a.test", V4, found(A));
    world.fake.set("b.test", V4, found(A));
    world
        .fake
        .set_both("dead.test", &Reply::Failed(Failure::ServFail, None));
    // One at a time, as the bound of refreshes is one.
    wait(3).await;
    assert_eq!(world.resolver.len(), 3);
    for text in ["a.test", "b.test"] {
        world.expect_in(text, &format!("hit {A}"), 0).await;
    }
    world.fake.taken();
    wait(600).await;
    // Every 48 to 58 seconds, and what fails every 5 or 6; with two questions each.
    let asked = world.fake.taken();
    assert!((240..=300).contains(&asked), "{asked}");
    assert_eq!(world.stats.idled.get(), 0);
    world
        .fake
        .set("a.test", V4, Reply::Found(vec!["192.0.2.2"], 60));
    wait(60).await;
    world.expect_in("a.test", "hit 192.0.2.2", 0).await;
    world.resolver.flush(None);
    wait(3).await;
    assert_eq!(world.resolver.len(), 3);

    world.change(|settings| settings.preresolve = [name("new.test")].into());
    wait(1).await;
    world.expect_in("new.test", "negative nodata", 0).await;
    wait(400).await;
    // The others have gone idle.
    let known = world.resolver.list();
    assert_eq!(known.len(), 1, "{known:?}");
    assert_eq!(known[0].name, name("new.test"));
}

#[tokio::test(start_paused = true)]
async fn nxdomain_is_remembered_as_the_soa_says_and_ends_an_answer() {
    let world = World::new(ResolverSettings::default());
    world
        .fake
        .set_both("no.test", &Reply::Failed(Failure::NxDomain, Some(10)));
    world.expect("no.test", "miss nxdomain").await;
    wait(9).await;
    world.expect("no.test", "negative nxdomain").await;
    assert_eq!(world.fake.taken(), 2);
    wait(1).await;
    world.expect("no.test", "miss nxdomain").await;
    assert_eq!(
        world.stats.query_failures[Failure::NxDomain.kind()].get(),
        4
    );
    assert_eq!(world.stats.failed[How::Negative.index()].get(), 1);

    world.fake.set("a.test", V4, Reply::Found(vec![A], 60));
    world.expect("a.test", &format!("miss {A}")).await;
    world
        .fake
        .set_both("a.test", &Reply::Failed(Failure::NxDomain, Some(10)));
    wait(60).await;
    world.expect("a.test", &format!("stale {A}")).await;
    settle().await;
    world.expect("a.test", "negative nxdomain").await;
}
