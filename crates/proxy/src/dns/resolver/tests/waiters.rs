//! Tests of lookups that wait for one query.

use super::*;

#[tokio::test(start_paused = true)]
async fn many_first_lookups_make_one_query_per_family() {
    let test = TestResolver::new(ResolverSettings::default());
    test.fake.set(
        "a.test",
        V4,
        ScriptedReply::After(20, Box::new(ScriptedReply::Found(vec![A], 60))),
    );
    test.fake.set(
        "a.test",
        V6,
        ScriptedReply::After(20, Box::new(ScriptedReply::Found(vec![AAAA], 60))),
    );
    let mut lookups = JoinSet::new();
    for spelling in ["a.test", "A.TEST", "a.test.", "A.test."]
        .iter()
        .cycle()
        .take(50)
    {
        let resolver = Arc::clone(&test.resolver);
        let name = name(spelling);
        lookups.spawn(async move { text(&resolver.resolve(&name, Scheme::Http).await) });
    }
    let mut results = lookups.join_all().await;
    results.sort();
    assert_eq!(results.pop().unwrap(), format!("miss {AAAA},{A}"));
    assert!(
        results
            .iter()
            .all(|text| *text == format!("coalesced {AAAA},{A}"))
    );
    assert_eq!(results.len(), 49);
    assert_eq!(test.fake.take_queries(), 2);
    test.expect_in("a.test", &format!("hit {AAAA},{A}"), 0)
        .await;
    assert_eq!(test.fake.take_queries(), 0);
    assert_eq!(test.stats.queries.get(), 2);
    assert_eq!(
        test.stats.resolved.counter(AnswerSource::Coalesced).get(),
        49
    );
    assert_eq!(test.stats.resolved.counter(AnswerSource::Miss).get(), 1);
    assert_eq!(test.stats.resolved.counter(AnswerSource::Hit).get(), 1);
    assert_eq!(test.stats.query_duration.snapshot().count(), 2);
}

#[tokio::test(start_paused = true)]
async fn names_over_max_pending_are_refused_at_once() {
    let test = TestResolver::new(ResolverSettings {
        max_pending: 2,
        ..ResolverSettings::default()
    });
    test.fake
        .set("hit.test", V4, ScriptedReply::Found(vec![A], 60));
    test.expect("hit.test", &format!("miss {A}")).await;
    for text in ["a.test", "b.test"] {
        test.fake.set_both(text, &ScriptedReply::Silence);
    }
    let lookups = [
        test.start("a.test").await,
        test.start("b.test").await,
        test.start("a.test").await,
    ];
    assert_eq!(test.resolver.pending(), 2);
    test.expect_in("c.test", "overloaded", 0).await;
    test.expect_in("hit.test", &format!("hit {A}"), 0).await;
    assert_eq!(test.stats.overloaded.get(), 1);
    for (lookup, expected) in
        lookups
            .into_iter()
            .zip(["miss timeout", "miss timeout", "coalesced timeout"])
    {
        assert_eq!(lookup.await.unwrap(), expected);
    }
    assert_eq!(test.resolver.pending(), 0);
    test.expect("c.test", "miss nodata").await;
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_ends_nothing() {
    let test = TestResolver::new(ResolverSettings::default());
    test.fake.set(
        "a.test",
        V4,
        ScriptedReply::After(1000, Box::new(ScriptedReply::Found(vec![A], 60))),
    );
    let first = test.start("a.test").await;
    let second = test.start("a.test").await;
    first.abort();
    assert_eq!(second.await.unwrap(), format!("coalesced {A}"));
    let alone = test.start("b.test").await;
    alone.abort();
    settle().await;
    test.expect("b.test", "negative nodata").await;
    assert_eq!(test.fake.take_queries(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_panic_strands_nobody_and_blocks_no_name() {
    let test = TestResolver::new(ResolverSettings::default());
    test.fake.set_both(
        "a.test",
        &ScriptedReply::After(10, Box::new(ScriptedReply::Panic)),
    );
    let lookups = [test.start("a.test").await, test.start("a.test").await];
    for (lookup, expected) in lookups
        .into_iter()
        .zip(["miss network", "coalesced network"])
    {
        assert_eq!(lookup.await.unwrap(), expected);
    }
    test.fake
        .set("a.test", V4, ScriptedReply::Found(vec![A], 60));
    test.fake.set(
        "a.test",
        V6,
        ScriptedReply::Failed(DnsFailure::NoData, None),
    );
    wait(1).await;
    test.expect("a.test", &format!("miss {A}")).await;
}

#[test]
fn a_runtime_that_stops_strands_nobody() {
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let fake = Arc::new(FakeDnsClient::default());
    fake.set_both("a.test", &ScriptedReply::Silence);
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
    let results = worker.block_on(async {
        let waiting = Arc::clone(&resolver);
        let lookup = Handle::current()
            .spawn(async move { waiting.resolve(&name("a.test"), Scheme::Http).await });
        settle().await;
        control.shutdown_background();
        lookup.await.unwrap()
    });
    assert_eq!(text(&results), "miss network");
    let results = worker.block_on(resolver.resolve(&name("b.test"), Scheme::Http));
    assert_eq!(text(&results), "miss network");
}

#[test]
fn lookups_run_on_many_threads() {
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let fake = Arc::new(FakeDnsClient::default());
    fake.set(
        "a.test",
        V4,
        ScriptedReply::After(20, Box::new(ScriptedReply::Found(vec![A], 60))),
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
    assert_eq!(fake.take_queries(), 2);
}

#[tokio::test]
async fn a_lookup_is_small_and_a_hit_does_not_wait() {
    let test = TestResolver::new(ResolverSettings::default());
    let a = name("a.test");
    let lookup = test.resolver.resolve(&a, Scheme::Http);
    assert!(size_of_val(&lookup) < 320, "{}", size_of_val(&lookup));
    lookup.await.unwrap_err();
    let mut lookup = std::pin::pin!(test.resolver.resolve(&a, Scheme::Http));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(lookup.as_mut().poll(&mut context).is_ready());
}
