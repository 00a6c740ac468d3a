//! Two families that do not answer alike (RFC 8305 3).

use super::*;

fn after(millis: u64, address: &'static str, ttl: u64) -> Reply {
    Reply::After(millis, Box::new(Reply::Found(vec![address], ttl)))
}

impl World {
    /// Of a name with these two answers; the milliseconds are when they come.
    fn dual(family: LookupFamily, (v4, v6): (u64, u64)) -> Self {
        let world = Self::new(ResolverSettings {
            family,
            ..ResolverSettings::default()
        });
        world.fake.set("a.test", V4, after(v4, A, 600));
        world.fake.set("a.test", V6, after(v6, AAAA, 300));
        world
    }

    /// Expects a lookup to give this and the rest later, after so many milliseconds each.
    async fn expect_parts(&self, first: (&str, u128), rest: (Option<&str>, u128)) {
        let start = clock::now();
        let resolved = self.resolve("a.test").await;
        let took = (clock::now() - start).as_millis();
        assert_eq!((text(&resolved).as_str(), took), first);
        let all = resolved.unwrap().more.unwrap().all().await;
        let all = all.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        let took = (clock::now() - start).as_millis();
        let rest = (
            rest.0
                .map(|rest| rest.split(',').map(str::to_owned).collect()),
            rest.1,
        );
        assert_eq!((all, took), rest);
    }
}

#[tokio::test(start_paused = true)]
async fn the_preferred_family_is_told_at_once_and_the_other_when_it_comes() {
    for (family, millis, first, all) in [
        (LookupFamily::Auto, (59, 10), AAAA, [AAAA, A]),
        (LookupFamily::V6Preferred, (500, 10), AAAA, [AAAA, A]),
        (LookupFamily::V4Preferred, (10, 59), A, [A, AAAA]),
    ] {
        let world = World::dual(family, millis);
        let late = u128::from(millis.0.max(millis.1));
        let first = format!("miss {first}");
        world
            .expect_parts((&first, 10), (Some(&all.join(",")), late))
            .await;
        world
            .expect_in("a.test", &format!("hit {}", all.join(",")), 0)
            .await;
        assert_eq!(world.fake.taken(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn the_preferred_family_has_fifty_milliseconds_to_come() {
    for (family, millis, all) in [
        (LookupFamily::Auto, (10, 59), [AAAA, A]),
        (LookupFamily::V4Preferred, (59, 10), [A, AAAA]),
    ] {
        let world = World::dual(family, millis);
        world
            .expect_in("a.test", &format!("miss {}", all.join(",")), 59)
            .await;
        assert!(world.resolve("a.test").await.unwrap().more.is_none());
    }
    let world = World::dual(LookupFamily::Auto, (10, 500));
    let all = [AAAA, A].join(",");
    world
        .expect_parts((&format!("miss {A}"), 60), (Some(&all), 500))
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_between_gets_the_rest_as_well() {
    let world = World::dual(LookupFamily::Auto, (500, 10));
    world.expect("a.test", &format!("miss {AAAA}")).await;
    let all = [AAAA, A].join(",");
    world
        .expect_parts((&format!("hit {AAAA}"), 0), (Some(&all), 490))
        .await;
    // Who forgets the name does not take it from those who wait.
    world.resolver.flush(None);
    world.expect("a.test", &format!("miss {AAAA}")).await;
    let more = world.resolve("a.test").await.unwrap().more.unwrap();
    world.resolver.flush(None);
    assert_eq!(more.all().await.unwrap().len(), 2);
    assert!(world.resolver.is_empty());
    assert_eq!(world.stats.late_answers.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_family_without_addresses_ends_the_wait_with_nothing() {
    let nodata = Reply::Failed(Failure::NoData, None);
    for (reply, millis, ttl) in [
        (Reply::After(500, Box::new(nodata)), 500, 300),
        (Reply::After(500, Box::new(Reply::Panic)), 500, 30),
        (Reply::Silence, 5000, 30),
    ] {
        let world = World::dual(LookupFamily::Auto, (0, 10));
        world.fake.set("a.test", V4, reply);
        let first = format!("miss {AAAA}");
        world.expect_parts((&first, 10), (None, millis)).await;
        let listed = &world.resolver.list()[0];
        assert_eq!((listed.age + listed.ttl_left).as_secs(), ttl);
        let again = world.resolve("a.test").await.unwrap();
        assert_eq!((again.how, again.more), (How::Hit, None));
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_wanted_family_is_asked_for() {
    for (family, asked, expected) in [
        (LookupFamily::V4Only, V4, format!("miss {A}")),
        (LookupFamily::V6Only, V6, format!("miss {AAAA}")),
    ] {
        let world = World::new(ResolverSettings {
            family,
            ..ResolverSettings::default()
        });
        world.fake.set("a.test", V4, after(10, A, 60));
        world.fake.set("a.test", V6, after(10, AAAA, 60));
        world.expect_in("a.test", &expected, 10).await;
        assert_eq!(world.fake.families(), [asked]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_slow_family_is_waited_for_fifty_milliseconds_and_merged_when_it_comes() {
    let world = World::new(ResolverSettings::default());
    world.fake.set("a.test", V4, after(10, A, 600));
    world.fake.set("a.test", V6, after(500, AAAA, 300));
    world.expect_in("a.test", &format!("miss {A}"), 60).await;
    world.expect_in("a.test", &format!("hit {A}"), 0).await;
    assert_eq!(world.resolver.pending(), 0);
    wait(1).await;
    world.expect("a.test", &format!("hit {AAAA},{A}")).await;
    assert_eq!(world.fake.taken(), 2);
    assert_eq!(world.stats.late_answers.get(), 1);
    // The TTL is that of both again, not that of an incomplete answer.
    wait(230).await;
    world.expect("a.test", &format!("hit {AAAA},{A}")).await;
    wait(70).await;
    world.expect("a.test", &format!("stale {AAAA},{A}")).await;
}

#[tokio::test(start_paused = true)]
async fn a_refresh_waits_for_both_while_the_old_answer_serves() {
    let world = World::new(ResolverSettings {
        stale_for: Duration::from_secs(12),
        query_timeout: Duration::from_secs(30),
        ..ResolverSettings::default()
    });
    world.fake.set("a.test", V4, after(0, A, 60));
    world.fake.set("a.test", V6, after(0, AAAA, 60));
    world.expect("a.test", &format!("miss {AAAA},{A}")).await;
    world.fake.set("a.test", V4, after(0, "192.0.2.2", 60));
    world.fake.set("a.test", V6, after(1000, AAAA, 60));
    wait(60).await;
    for millis in [0, 100, 500] {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        world
            .expect_in("a.test", &format!("stale {AAAA},{A}"), 0)
            .await;
    }
    wait(1).await;
    world
        .expect("a.test", &format!("hit {AAAA},192.0.2.2"))
        .await;
    // Once the old answer may serve no more, there is somebody who waits.
    world.fake.set("a.test", V6, Reply::Silence);
    wait(60).await;
    world
        .expect("a.test", &format!("stale {AAAA},192.0.2.2"))
        .await;
    wait(12).await;
    let start = clock::now();
    world.expect("a.test", "coalesced 192.0.2.2").await;
    assert!((clock::now() - start).as_millis() <= 50);
}

#[tokio::test(start_paused = true)]
async fn a_late_negative_answer_completes_too() {
    let world = World::new(ResolverSettings {
        idle_ttl: Duration::from_secs(3600),
        ..ResolverSettings::default()
    });
    world.fake.set("a.test", V4, after(0, A, 600));
    let nodata = Reply::Failed(Failure::NoData, Some(5));
    world
        .fake
        .set("a.test", V6, Reply::After(500, Box::new(nodata)));
    world.expect_in("a.test", &format!("miss {A}"), 50).await;
    wait(599).await;
    world.expect("a.test", &format!("hit {A}")).await;
}

#[tokio::test(start_paused = true)]
async fn a_family_that_fails_costs_neither_the_name_nor_much_time() {
    let failed = |failure| Reply::Failed(failure, None);
    for reply in [
        failed(Failure::ServFail),
        failed(Failure::Refused),
        failed(Failure::NxDomain),
        failed(Failure::NoData),
        failed(Failure::Network("gone".into())),
        Reply::Silence,
    ] {
        for (good, bad, address) in [(V4, V6, A), (V6, V4, AAAA)] {
            let world = World::new(ResolverSettings::default());
            world.fake.set("a.test", good, after(10, address, 600));
            world.fake.set("a.test", bad, reply.clone());
            let missed = matches!(reply, Reply::Silence) && good == V4;
            let millis = if missed { 60 } else { 10 };
            world
                .expect_in("a.test", &format!("miss {address}"), millis)
                .await;
            wait(20).await;
            world
                .expect_in("a.test", &format!("hit {address}"), 0)
                .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_answer_is_asked_for_again_soon() {
    let world = World::new(ResolverSettings::default());
    world.fake.set("a.test", V4, after(0, A, 600));
    world
        .fake
        .set("a.test", V6, Reply::Failed(Failure::ServFail, None));
    world.expect("a.test", &format!("miss {A}")).await;
    world.fake.set("a.test", V6, after(0, AAAA, 600));
    wait(30).await;
    world.expect("a.test", &format!("stale {A}")).await;
    wait(1).await;
    world.expect("a.test", &format!("hit {AAAA},{A}")).await;
}

#[tokio::test(start_paused = true)]
async fn late_queries_are_bounded() {
    let world = World::new(ResolverSettings {
        max_pending: 2,
        ..ResolverSettings::default()
    });
    let names = ["a.test", "b.test", "c.test"];
    for text in names {
        world.fake.set(text, V4, after(0, A, 600));
        world.fake.set(text, V6, after(1000, AAAA, 600));
        world.expect_in(text, &format!("miss {A}"), 50).await;
    }
    wait(2).await;
    for (text, expected) in names.into_iter().zip([
        format!("hit {AAAA},{A}"),
        format!("hit {AAAA},{A}"),
        format!("hit {A}"),
    ]) {
        world.expect(text, &expected).await;
    }
    // The room is there again.
    world.resolver.flush(None);
    world.expect("a.test", &format!("miss {A}")).await;
    wait(2).await;
    world.expect("a.test", &format!("hit {AAAA},{A}")).await;
}

#[tokio::test(start_paused = true)]
async fn both_fail_as_the_one_that_a_server_stated() {
    let world = World::new(ResolverSettings::default());
    world
        .fake
        .set("a.test", V4, Reply::Failed(Failure::ServFail, None));
    world.fake.set("a.test", V6, Reply::Silence);
    world.expect_in("a.test", "miss servfail", 5000).await;
    world.fake.set_both("b.test", &Reply::Silence);
    world.change(|settings| settings.query_timeout = Duration::from_secs(1));
    world.expect_in("b.test", "miss timeout", 1000).await;
}
