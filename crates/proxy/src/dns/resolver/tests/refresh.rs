//! Tests that names in use stay resolved, and of refreshes that fail.

use super::*;

#[tokio::test(start_paused = true)]
async fn stale_serves_while_the_server_is_dead_and_ends_with_stale_for() {
    let test = TestResolver::new(ResolverSettings {
        stale_for: Duration::from_secs(4 * 3600),
        ..ResolverSettings::default()
    });
    test.fake
        .set("a.test", V4, ScriptedReply::Found(vec![A], 60));
    let start = clock::now();
    test.expect("a.test", &format!("miss {A}")).await;
    test.fake.set_both("a.test", &ScriptedReply::Silence);
    test.fake.take_queries();
    while clock::now() - start < Duration::from_secs(4 * 3600) {
        wait(60).await;
        test.expect_in("a.test", &format!("stale {A}"), 0).await;
    }
    // One refresh each minute at most, with two queries each.
    let queries = test.fake.take_queries();
    assert!((2..=2 * 4 * 60 + 2).contains(&queries), "{queries}");
    wait(60).await;
    test.expect_in("a.test", "miss timeout", 5000).await;
    test.expect_in("a.test", "negative timeout", 0).await;
    test.fake
        .set("a.test", V4, ScriptedReply::Found(vec!["192.0.2.2"], 60));
    test.fake.set(
        "a.test",
        V6,
        ScriptedReply::Failed(DnsFailure::NoData, None),
    );
    wait(1).await;
    test.expect("a.test", "miss 192.0.2.2").await;
}

#[tokio::test(start_paused = true)]
async fn the_first_good_refresh_ends_staleness() {
    let test = TestResolver::new(ResolverSettings::default());
    test.fake
        .set("a.test", V4, ScriptedReply::Found(vec![A], 60));
    test.expect("a.test", &format!("miss {A}")).await;
    test.fake
        .set_both("a.test", &ScriptedReply::Failed(DnsFailure::ServFail, None));
    wait(60).await;
    test.expect("a.test", &format!("stale {A}")).await;
    settle().await;
    let listed = test.resolver.list();
    assert_eq!(
        (listed[0].state, &listed[0].error),
        (EntryState::Stale, &Some(DnsFailure::ServFail))
    );
    test.fake
        .set("a.test", V4, ScriptedReply::Found(vec!["192.0.2.2"], 60));
    wait(2).await;
    test.expect("a.test", &format!("stale {A}")).await;
    settle().await;
    test.expect("a.test", "hit 192.0.2.2").await;
}

#[tokio::test(start_paused = true)]
async fn a_name_in_use_never_expires_and_nobody_waits_for_it() {
    let test = TestResolver::new(ResolverSettings {
        stale_for: Duration::ZERO,
        ..ResolverSettings::default()
    });
    let slowly =
        |address| ScriptedReply::After(1000, Box::new(ScriptedReply::Found(vec![address], 60)));
    test.fake.set("a.test", V4, slowly(A));
    test.expect("a.test", &format!("miss {A}")).await;
    test.fake.take_queries();
    for _ in 0..600 {
        wait(1).await;
        test.expect_in("a.test", &format!("hit {A}"), 0).await;
    }
    // One refresh every 49 to 58 seconds, with two queries each.
    let queries = test.fake.take_queries();
    assert!((20..=24).contains(&queries), "{queries}");
    test.fake.set("a.test", V4, slowly("192.0.2.2"));
    for _ in 0..60 {
        wait(1).await;
        test.resolve("a.test").await.unwrap();
    }
    test.expect("a.test", "hit 192.0.2.2").await;
}

#[tokio::test(start_paused = true)]
async fn a_touch_keeps_a_name_without_a_lookup() {
    let test = TestResolver::new(ResolverSettings {
        hosts: [(name("static.test"), vec![A.parse().unwrap()])].into(),
        ..ResolverSettings::default()
    });
    test.fake
        .set("a.test", V4, ScriptedReply::Found(vec![A], 60));
    test.expect("a.test", &format!("miss {A}")).await;
    test.fake
        .set("a.test", V4, ScriptedReply::Found(vec!["192.0.2.2"], 60));
    test.fake.take_queries();
    for _ in 0..720 {
        wait(5).await;
        for text in ["a.test", "unknown.test", "static.test"] {
            test.resolver.touch(&name(text));
        }
    }
    // One refresh in less than a minute for an hour, with two queries each.
    let queries = test.fake.take_queries();
    assert!((2 * 60..=2 * 72).contains(&queries), "{queries}");
    assert_eq!(test.resolver.len(), 1);
    assert_eq!(test.resolver.list()[0].hits, 0);
    assert_eq!(test.stats.resolved.counter(AnswerSource::Hit).get(), 0);
    test.expect("a.test", "hit 192.0.2.2").await;
}

#[tokio::test(start_paused = true)]
async fn preresolved_names_are_known_before_anybody_asks_and_stay_known() {
    let names = ["a.test", "b.test", "dead.test", "static.test"].map(name);
    let test = TestResolver::new(ResolverSettings {
        hosts: [(name("static.test"), vec![A.parse().unwrap()])].into(),
        preresolve: names.into(),
        max_pending: 1,
        ..ResolverSettings::default()
    });
    let found =
        |address| ScriptedReply::After(10, Box::new(ScriptedReply::Found(vec![address], 60)));
    test.fake.set("a.test", V4, found(A));
    test.fake.set("b.test", V4, found(A));
    test.fake.set_both(
        "dead.test",
        &ScriptedReply::Failed(DnsFailure::ServFail, None),
    );
    // One name at a time, because one refresh is allowed at a time.
    wait(3).await;
    assert_eq!(test.resolver.len(), 3);
    for text in ["a.test", "b.test"] {
        test.expect_in(text, &format!("hit {A}"), 0).await;
    }
    test.fake.take_queries();
    wait(600).await;
    // One refresh every 48 to 58 seconds, and every 5 or 6 for the name that fails; with two queries each.
    let queries = test.fake.take_queries();
    assert!((240..=300).contains(&queries), "{queries}");
    assert_eq!(test.stats.idled.get(), 0);
    test.fake
        .set("a.test", V4, ScriptedReply::Found(vec!["192.0.2.2"], 60));
    wait(60).await;
    test.expect_in("a.test", "hit 192.0.2.2", 0).await;
    test.resolver.flush(None);
    wait(3).await;
    assert_eq!(test.resolver.len(), 3);

    test.change(|settings| settings.preresolve = [name("new.test")].into());
    wait(1).await;
    test.expect_in("new.test", "negative nodata", 0).await;
    wait(400).await;
    // The other names have gone idle.
    let known = test.resolver.list();
    assert_eq!(known.len(), 1, "{known:?}");
    assert_eq!(known[0].name, name("new.test"));
}

#[tokio::test(start_paused = true)]
async fn nxdomain_is_remembered_as_the_soa_says_and_ends_an_answer() {
    let test = TestResolver::new(ResolverSettings::default());
    test.fake.set_both(
        "no.test",
        &ScriptedReply::Failed(DnsFailure::NxDomain, Some(10)),
    );
    test.expect("no.test", "miss nxdomain").await;
    wait(9).await;
    test.expect("no.test", "negative nxdomain").await;
    assert_eq!(test.fake.take_queries(), 2);
    wait(1).await;
    test.expect("no.test", "miss nxdomain").await;
    assert_eq!(
        test.stats
            .query_failures
            .counter(DnsFailure::NxDomain.kind())
            .get(),
        4
    );
    assert_eq!(test.stats.failed.counter(AnswerSource::Negative).get(), 1);

    test.fake
        .set("a.test", V4, ScriptedReply::Found(vec![A], 60));
    test.expect("a.test", &format!("miss {A}")).await;
    test.fake.set_both(
        "a.test",
        &ScriptedReply::Failed(DnsFailure::NxDomain, Some(10)),
    );
    wait(60).await;
    test.expect("a.test", &format!("stale {A}")).await;
    settle().await;
    test.expect("a.test", "negative nxdomain").await;
}
