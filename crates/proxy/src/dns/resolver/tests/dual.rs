//! Tests of address families that answer at different times or differently (RFC 8305 3).

use super::*;

fn after(millis: u64, address: &'static str, ttl: u64) -> ScriptedReply {
    ScriptedReply::After(millis, Box::new(ScriptedReply::Found(vec![address], ttl)))
}

impl TestResolver {
    /// A resolver with a name of both families, whose answers come after these milliseconds.
    fn dual(family: LookupFamily, (v4, v6): (u64, u64)) -> Self {
        let test = Self::new(ResolverSettings {
            family,
            ..ResolverSettings::default()
        });
        test.fake.set("a.test", V4, after(v4, A, 600));
        test.fake.set("a.test", V6, after(v6, AAAA, 300));
        test
    }

    /// Expects a lookup to give the first addresses and all addresses, each after this many milliseconds.
    async fn expect_parts(&self, first: (&str, u128), rest: (Option<&str>, u128)) {
        let start = clock::now();
        let resolved = self.resolve("a.test").await;
        let took = (clock::now() - start).as_millis();
        assert_eq!((text(&resolved).as_str(), took), first);
        let all = resolved
            .unwrap()
            .pending_family
            .unwrap()
            .all_addresses()
            .await;
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
        let test = TestResolver::dual(family, millis);
        let late = u128::from(millis.0.max(millis.1));
        let first = format!("miss {first}");
        test.expect_parts((&first, 10), (Some(&all.join(",")), late))
            .await;
        test.expect_in("a.test", &format!("hit {}", all.join(",")), 0)
            .await;
        assert_eq!(test.fake.take_queries(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn the_preferred_family_has_fifty_milliseconds_to_come() {
    for (family, millis, all) in [
        (LookupFamily::Auto, (10, 59), [AAAA, A]),
        (LookupFamily::V4Preferred, (59, 10), [A, AAAA]),
    ] {
        let test = TestResolver::dual(family, millis);
        test.expect_in("a.test", &format!("miss {}", all.join(",")), 59)
            .await;
        assert!(
            test.resolve("a.test")
                .await
                .unwrap()
                .pending_family
                .is_none()
        );
    }
    let test = TestResolver::dual(LookupFamily::Auto, (10, 500));
    let all = [AAAA, A].join(",");
    test.expect_parts((&format!("miss {A}"), 60), (Some(&all), 500))
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_between_gets_the_rest_as_well() {
    let test = TestResolver::dual(LookupFamily::Auto, (500, 10));
    test.expect("a.test", &format!("miss {AAAA}")).await;
    let all = [AAAA, A].join(",");
    test.expect_parts((&format!("hit {AAAA}"), 0), (Some(&all), 490))
        .await;
    // Flushing the name does not take the answer from those who wait.
    test.resolver.flush(None);
    test.expect("a.test", &format!("miss {AAAA}")).await;
    let more = test
        .resolve("a.test")
        .await
        .unwrap()
        .pending_family
        .unwrap();
    test.resolver.flush(None);
    assert_eq!(more.all_addresses().await.unwrap().len(), 2);
    assert!(test.resolver.is_empty());
    assert_eq!(test.stats.late_answers.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_family_without_addresses_ends_the_wait_with_nothing() {
    let nodata = ScriptedReply::Failed(DnsFailure::NoData, None);
    for (reply, millis, ttl) in [
        (ScriptedReply::After(500, Box::new(nodata)), 500, 300),
        (
            ScriptedReply::After(500, Box::new(ScriptedReply::Panic)),
            500,
            30,
        ),
        (ScriptedReply::Silence, 5000, 30),
    ] {
        let test = TestResolver::dual(LookupFamily::Auto, (0, 10));
        test.fake.set("a.test", V4, reply);
        let first = format!("miss {AAAA}");
        test.expect_parts((&first, 10), (None, millis)).await;
        let listed = &test.resolver.list()[0];
        assert_eq!((listed.age + listed.ttl_left).as_secs(), ttl);
        let again = test.resolve("a.test").await.unwrap();
        assert_eq!(
            (again.source, again.pending_family),
            (AnswerSource::Hit, None)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_wanted_family_is_asked_for() {
    for (family, queried, expected) in [
        (LookupFamily::V4Only, V4, format!("miss {A}")),
        (LookupFamily::V6Only, V6, format!("miss {AAAA}")),
    ] {
        let test = TestResolver::new(ResolverSettings {
            family,
            ..ResolverSettings::default()
        });
        test.fake.set("a.test", V4, after(10, A, 60));
        test.fake.set("a.test", V6, after(10, AAAA, 60));
        test.expect_in("a.test", &expected, 10).await;
        assert_eq!(test.fake.take_families(), [queried]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_slow_family_is_waited_for_fifty_milliseconds_and_merged_when_it_comes() {
    let test = TestResolver::new(ResolverSettings::default());
    test.fake.set("a.test", V4, after(10, A, 600));
    test.fake.set("a.test", V6, after(500, AAAA, 300));
    test.expect_in("a.test", &format!("miss {A}"), 60).await;
    test.expect_in("a.test", &format!("hit {A}"), 0).await;
    assert_eq!(test.resolver.pending(), 0);
    wait(1).await;
    test.expect("a.test", &format!("hit {AAAA},{A}")).await;
    assert_eq!(test.fake.take_queries(), 2);
    assert_eq!(test.stats.late_answers.get(), 1);
    // The TTL is that of the complete answer.
    wait(230).await;
    test.expect("a.test", &format!("hit {AAAA},{A}")).await;
    wait(70).await;
    test.expect("a.test", &format!("stale {AAAA},{A}")).await;
}

#[tokio::test(start_paused = true)]
async fn a_refresh_waits_for_both_while_the_old_answer_serves() {
    let test = TestResolver::new(ResolverSettings {
        stale_for: Duration::from_secs(12),
        query_timeout: Duration::from_secs(30),
        ..ResolverSettings::default()
    });
    test.fake.set("a.test", V4, after(0, A, 60));
    test.fake.set("a.test", V6, after(0, AAAA, 60));
    test.expect("a.test", &format!("miss {AAAA},{A}")).await;
    test.fake.set("a.test", V4, after(0, "192.0.2.2", 60));
    test.fake.set("a.test", V6, after(1000, AAAA, 60));
    wait(60).await;
    for millis in [0, 100, 500] {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        test.expect_in("a.test", &format!("stale {AAAA},{A}"), 0)
            .await;
    }
    wait(1).await;
    test.expect("a.test", &format!("hit {AAAA},192.0.2.2"))
        .await;
    // Once the old answer may not be served any more, a lookup waits.
    test.fake.set("a.test", V6, ScriptedReply::Silence);
    wait(60).await;
    test.expect("a.test", &format!("stale {AAAA},192.0.2.2"))
        .await;
    wait(12).await;
    let start = clock::now();
    test.expect("a.test", "coalesced 192.0.2.2").await;
    assert!((clock::now() - start).as_millis() <= 50);
}

#[tokio::test(start_paused = true)]
async fn a_late_negative_answer_completes_too() {
    let test = TestResolver::new(ResolverSettings {
        idle_ttl: Duration::from_secs(3600),
        ..ResolverSettings::default()
    });
    test.fake.set("a.test", V4, after(0, A, 600));
    let nodata = ScriptedReply::Failed(DnsFailure::NoData, Some(5));
    test.fake
        .set("a.test", V6, ScriptedReply::After(500, Box::new(nodata)));
    test.expect_in("a.test", &format!("miss {A}"), 50).await;
    wait(599).await;
    test.expect("a.test", &format!("hit {A}")).await;
}

#[tokio::test(start_paused = true)]
async fn a_family_that_fails_costs_neither_the_name_nor_much_time() {
    let failed = |failure| ScriptedReply::Failed(failure, None);
    for reply in [
        failed(DnsFailure::ServFail),
        failed(DnsFailure::Refused),
        failed(DnsFailure::NxDomain),
        failed(DnsFailure::NoData),
        failed(DnsFailure::Network("gone".into())),
        ScriptedReply::Silence,
    ] {
        for (good, bad, address) in [(V4, V6, A), (V6, V4, AAAA)] {
            let test = TestResolver::new(ResolverSettings::default());
            test.fake.set("a.test", good, after(10, address, 600));
            test.fake.set("a.test", bad, reply.clone());
            let missed = matches!(reply, ScriptedReply::Silence) && good == V4;
            let millis = if missed { 60 } else { 10 };
            test.expect_in("a.test", &format!("miss {address}"), millis)
                .await;
            wait(20).await;
            test.expect_in("a.test", &format!("hit {address}"), 0).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_answer_is_asked_for_again_soon() {
    let test = TestResolver::new(ResolverSettings::default());
    test.fake.set("a.test", V4, after(0, A, 600));
    test.fake.set(
        "a.test",
        V6,
        ScriptedReply::Failed(DnsFailure::ServFail, None),
    );
    test.expect("a.test", &format!("miss {A}")).await;
    test.fake.set("a.test", V6, after(0, AAAA, 600));
    wait(30).await;
    test.expect("a.test", &format!("stale {A}")).await;
    wait(1).await;
    test.expect("a.test", &format!("hit {AAAA},{A}")).await;
}

#[tokio::test(start_paused = true)]
async fn late_queries_are_bounded() {
    let test = TestResolver::new(ResolverSettings {
        max_pending: 2,
        ..ResolverSettings::default()
    });
    let names = ["a.test", "b.test", "c.test"];
    for text in names {
        test.fake.set(text, V4, after(0, A, 600));
        test.fake.set(text, V6, after(1000, AAAA, 600));
        test.expect_in(text, &format!("miss {A}"), 50).await;
    }
    wait(2).await;
    for (text, expected) in names.into_iter().zip([
        format!("hit {AAAA},{A}"),
        format!("hit {AAAA},{A}"),
        format!("hit {A}"),
    ]) {
        test.expect(text, &expected).await;
    }
    // There is room again.
    test.resolver.flush(None);
    test.expect("a.test", &format!("miss {A}")).await;
    wait(2).await;
    test.expect("a.test", &format!("hit {AAAA},{A}")).await;
}

#[tokio::test(start_paused = true)]
async fn both_fail_as_the_one_that_a_server_stated() {
    let test = TestResolver::new(ResolverSettings::default());
    test.fake.set(
        "a.test",
        V4,
        ScriptedReply::Failed(DnsFailure::ServFail, None),
    );
    test.fake.set("a.test", V6, ScriptedReply::Silence);
    test.expect_in("a.test", "miss servfail", 5000).await;
    test.fake.set_both("b.test", &ScriptedReply::Silence);
    test.change(|settings| settings.query_timeout = Duration::from_secs(1));
    test.expect_in("b.test", "miss timeout", 1000).await;
}
