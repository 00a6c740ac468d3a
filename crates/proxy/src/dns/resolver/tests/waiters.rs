//! Those who wait.

use super::*;

#[tokio::test(start_paused = true)]
async fn many_first_lookups_make_one_query_per_family() {
    let world = World::new(ResolverSettings::default());
    world.fake.set(
        "a.test",
        V4,
        Reply::After(20, Box::new(Reply::Found(vec![A], 60))),
    );
    world.fake.set(
        "a.test",
        V6,
        Reply::After(20, Box::new(Reply::Found(vec![AAAA], 60))),
    );
    let mut lookups = JoinSet::new();
    for spelling in ["a.test", "A.TEST", "a.test.", "A.test."]
        .iter()
        .cycle()
        .take(50)
    {
        let resolver = Arc::clone(&world.resolver);
        let name = name(spelling);
        lookups.spawn(async move { text(&resolver.resolve(&name, Scheme::Http).await) });
    }
    let mut told = lookups.join_all().await;
    told.sort();
    assert_eq!(told.pop().unwrap(), format!("miss {AAAA},{A}"));
    assert!(
        told.iter()
            .all(|text| *text == format!("coalesced {AAAA},{A}"))
    );
    assert_eq!(told.len(), 49);
    assert_eq!(world.fake.taken(), 2);
    world
        .expect_in("a.test", &format!("hit {AAAA},{A}"), 0)
        .await;
    assert_eq!(world.fake.taken(), 0);
    assert_eq!(world.stats.queries.get(), 2);
    assert_eq!(world.stats.resolved[How::Coalesced.index()].get(), 49);
    assert_eq!(world.stats.resolved[How::Miss.index()].get(), 1);
    assert_eq!(world.stats.resolved[How::Hit.index()].get(), 1);
    assert_eq!(world.stats.query_duration.snapshot().count(), 2);
}

#[tokio::test(start_paused = true)]
async fn names_over_max_pending_are_refused_at_once() {
    let world = World::new(ResolverSettings {
        max_pending: 2,
        ..ResolverSettings::default()
    });
    world.fake.set("hit.test", V4, Reply::Found(vec![A], 60));
    world.expect("hit.test", &format!("miss {A}")).await;
    for text in ["a.test", "b.test"] {
        world.fake.set_both(text, &Reply::Silence);
    }
    let lookups = [
        world.start("a.test").await,
        world.start("b.test").await,
        world.start("a.test").await,
    ];
    assert_eq!(world.resolver.pending(), 2);
    world.expect_in("c.test", "overloaded", 0).await;
    world.expect_in("hit.test", &format!("hit {A}"), 0).await;
    assert_eq!(world.stats.overloaded.get(), 1);
    for (lookup, expected) in
        lookups
            .into_iter()
            .zip(["miss timeout", "miss timeout", "coalesced timeout"])
    {
        assert_eq!(lookup.await.unwrap(), expected);
    }
    assert_eq!(world.resolver.pending(), 0);
    world.expect("c.test", "miss nodata").await;
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_ends_nothing() {
    let world = World::new(ResolverSettings::default());
    world.fake.set(
        "a.test",
        V4,
        Reply::After(1000, Box::new(Reply::Found(vec![A], 60))),
    );
    let first = world.start("a.test").await;
    let second = world.start("a.test").await;
    first.abort();
    assert_eq!(second.await.unwrap(), format!("coalesced {A}"));
    let alone = world.start("b.test").await;
    alone.abort();
    settle().await;
    world.expect("b.test", "negative nodata").await;
    assert_eq!(world.fake.taken(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_panic_strands_nobody_and_blocks_no_name() {
    let world = World::new(ResolverSettings::default());
    world
        .fake
        .set_both("a.test", &Reply::After(10, Box::new(Reply::Panic)));
    let lookups = [world.start("a.test").await, world.start("a.test").await];
    for (lookup, expected) in lookups
        .into_iter()
        .zip(["miss network", "coalesced network"])
    {
        assert_eq!(lookup.await.unwrap(), expected);
    }
    world.fake.set("a.test", V4, Reply::Found(vec![A], 60));
    world
        .fake
        .set("a.test", V6, Reply::Failed(Failure::NoData, None));
    wait(1).await;
    world.expect("a.test", &format!("miss {A}")).await;
}

#[test]
fn a_runtime_that_stops_strands_nobody() {
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let fake = Arc::new(FakeQuery::default());
    fake.set_both("a.test", &Reply::Silence);
    let resolver = Arc::new(Resolver::new(
        Arc::default(),
        fake.factory(),
        HostsFile::open(None),
        control.handle().clone(),
        Arc::default(),
    ));
    let worker = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let told = worker.block_on(async {
        let waiting = Arc::clone(&resolver);
        let lookup = Handle::current()
            .spawn(async move { waiting.resolve(&name("a.test"), Scheme::Http).await });
        settle().await;
        control.shutdown_background();
        lookup.await.unwrap()
    });
    assert_eq!(text(&told), "miss network");
    let told = worker.block_on(resolver.resolve(&name("b.test"), Scheme::Http));
    assert_eq!(text(&told), "miss network");
}

#[test]
fn lookups_run_on_many_threads() {
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let fake = Arc::new(FakeQuery::default());
    fake.set(
        "a.test",
        V4,
        Reply::After(20, Box::new(Reply::Found(vec![A], 60))),
    );
    let resolver = Arc::new(Resolver::new(
        Arc::default(),
        fake.factory(),
        HostsFile::open(None),
        control.handle().clone(),
        Arc::default(),
    ));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let worker = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                let resolved = worker
                    .block_on(resolver.resolve(&name("a.test"), Scheme::Http))
                    .unwrap();
                assert_eq!(resolved.addresses.len(), 1);
            });
        }
    });
    assert_eq!(fake.taken(), 2);
}

#[tokio::test]
async fn a_lookup_is_small_and_a_hit_does_not_wait() {
    let world = World::new(ResolverSettings::default());
    let a = name("a.test");
    let lookup = world.resolver.resolve(&a, Scheme::Http);
    assert!(size_of_val(&lookup) < 320, "{}", size_of_val(&lookup));
    lookup.await.unwrap_err();
    let mut lookup = std::pin::pin!(world.resolver.resolve(&a, Scheme::Http));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(lookup.as_mut().poll(&mut context).is_ready());
}
