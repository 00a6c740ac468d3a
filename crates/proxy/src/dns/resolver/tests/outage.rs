//! Tests of servers that are slow or dead.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_hundred_who_come_together_wait_once_for_a_slow_server() {
    let test = TestResolver::new(ResolverSettings::default());
    for (family, address) in [(V4, A), (V6, AAAA)] {
        let found = ScriptedReply::Found(vec![address], 60);
        let reply = ScriptedReply::After(200, Box::new(found));
        test.fake.set("a.test", family, reply);
    }
    let start = clock::now();
    let mut lookups = JoinSet::new();
    for _ in 0..100 {
        let resolver = Arc::clone(&test.resolver);
        lookups.spawn(async move {
            let resolved = resolver.resolve(&name("a.test"), Scheme::Http).await;
            (resolved.unwrap().addresses.len(), clock::now() - start)
        });
    }
    let results = lookups.join_all().await;
    assert_eq!(results, vec![(2, Duration::from_millis(200)); 100]);
    assert_eq!(test.fake.take_families(), [V6, V4]);
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_is_dead_for_an_hour() {
    let names = ["a.test", "b.test", "c.test"];
    let test = TestResolver::new(ResolverSettings {
        stale_for: Duration::from_secs(30 * 60),
        ..ResolverSettings::default()
    });
    for text in names {
        test.fake.set(text, V4, ScriptedReply::Found(vec![A], 60));
        test.expect(text, &format!("miss {A}")).await;
        test.fake.set_both(text, &ScriptedReply::Silence);
    }
    test.fake.set_both("new.test", &ScriptedReply::Silence);
    let death = clock::now();
    // Past its TTL the answer is served on, and nobody waits.
    while clock::now() - death < Duration::from_secs(31 * 60) {
        for text in names {
            let start = clock::now();
            let resolved = test.resolve(text).await.unwrap();
            assert_eq!(
                (resolved.addresses.len(), clock::now() - start),
                (1, Duration::ZERO)
            );
        }
        wait(30).await;
    }
    // Then lookups fail as those of unknown names do, each after one wait at most.
    while clock::now() - death < Duration::from_secs(60 * 60) {
        for text in names.into_iter().chain(["new.test"]) {
            let failure = test.resolve(text).await.unwrap_err();
            assert!(
                matches!(&failure, ResolveError::Failed { failure, .. } if failure.is_timeout()),
                "{failure}"
            );
        }
        wait(30).await;
    }
    assert_eq!(test.resolver.pending(), 0);
    // The first answer ends the outage.
    for text in names {
        test.fake
            .set(text, V4, ScriptedReply::Found(vec!["192.0.2.2"], 60));
        test.fake
            .set(text, V6, ScriptedReply::Failed(DnsFailure::NoData, None));
        test.expect_in(text, "miss 192.0.2.2", 0).await;
        test.expect_in(text, "hit 192.0.2.2", 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_back_is_noticed_while_the_old_answer_serves() {
    let test = TestResolver::new(ResolverSettings::default());
    test.fake
        .set("a.test", V4, ScriptedReply::Found(vec![A], 60));
    test.expect("a.test", &format!("miss {A}")).await;
    test.fake.set_both("a.test", &ScriptedReply::Silence);
    for _ in 0..1800 {
        wait(1).await;
        test.resolve("a.test").await.unwrap();
    }
    test.fake
        .set("a.test", V4, ScriptedReply::Found(vec!["192.0.2.2"], 60));
    test.fake.set(
        "a.test",
        V6,
        ScriptedReply::Failed(DnsFailure::NoData, None),
    );
    // The longest back-off, and a query that is in flight.
    for _ in 0..43 {
        wait(1).await;
        test.resolve("a.test").await.unwrap();
    }
    test.expect("a.test", "hit 192.0.2.2").await;
}
