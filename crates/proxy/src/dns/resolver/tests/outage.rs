//! Servers that are slow or dead.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_hundred_who_come_together_wait_once_for_a_slow_server() {
    let world = World::new(ResolverSettings::default());
    for (family, address) in [(V4, A), (V6, AAAA)] {
        let found = Reply::Found(vec![address], 60);
        let reply = Reply::After(200, Box::new(found));
        world.fake.set("a.test", family, reply);
    }
    let start = clock::now();
    let mut lookups = JoinSet::new();
    for _ in 0..100 {
        let resolver = Arc::clone(&world.resolver);
        lookups.spawn(async move {
            let resolved = resolver.resolve(&name("a.test"), Scheme::Http).await;
            (resolved.unwrap().addresses.len(), clock::now() - start)
        });
    }
    let told = lookups.join_all().await;
    assert_eq!(told, vec![(2, Duration::from_millis(200)); 100]);
    assert_eq!(world.fake.families(), [V6, V4]);
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_is_dead_for_an_hour() {
    let names = ["a.test", "b.test", "c.test"];
    let world = World::new(ResolverSettings {
        stale_for: Duration::from_secs(30 * 60),
        ..ResolverSettings::default()
    });
    for text in names {
        world.fake.set(text, V4, Reply::Found(vec![A], 60));
        world.expect(text, &format!("miss {A}")).await;
        world.fake.set_both(text, &Reply::Silence);
    }
    world.fake.set_both("new.test", &Reply::Silence);
    let death = clock::now();
    // Past its TTL a name in use serves on, and nobody waits.
    while clock::now() - death < Duration::from_secs(31 * 60) {
        for text in names {
            let start = clock::now();
            let resolved = world.resolve(text).await.unwrap();
            assert_eq!(
                (resolved.addresses.len(), clock::now() - start),
                (1, Duration::ZERO)
            );
        }
        wait(30).await;
    }
    // Then it fails as what is unknown does, each request after one wait at most.
    while clock::now() - death < Duration::from_secs(60 * 60) {
        for text in names.into_iter().chain(["new.test"]) {
            let failure = world.resolve(text).await.unwrap_err();
            assert!(
                matches!(&failure, ResolveError::Failed { failure, .. } if failure.is_timeout()),
                "{failure}"
            );
        }
        wait(30).await;
    }
    assert_eq!(world.resolver.pending(), 0);
    // The first answer ends it.
    for text in names {
        world
            .fake
            .set(text, V4, Reply::Found(vec!["192.0.2.2"], 60));
        world
            .fake
            .set(text, V6, Reply::Failed(Failure::NoData, None));
        world.expect_in(text, "miss 192.0.2.2", 0).await;
        world.expect_in(text, "hit 192.0.2.2", 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_is_noticed_while_the_old_answer_serves() {
    let world = World::new(ResolverSettings::default());
    world.fake.set("a.test", V4, Reply::Found(vec![A], 60));
    world.expect("a.test", &format!("miss {A}")).await;
    world.fake.set_both("a.test", &Reply::Silence);
    for _ in 0..1800 {
        wait(1).await;
        world.resolve("a.test").await.unwrap();
    }
    world
        .fake
        .set("a.test", V4, Reply::Found(vec!["192.0.2.2"], 60));
    world
        .fake
        .set("a.test", V6, Reply::Failed(Failure::NoData, None));
    // The longest back-off and a query that is running.
    for _ in 0..43 {
        wait(1).await;
        world.resolve("a.test").await.unwrap();
    }
    world.expect("a.test", "hit 192.0.2.2").await;
}
