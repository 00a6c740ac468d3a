//! Tests of search domains.

use super::*;

fn settings(search: &[&str]) -> ResolverSettings {
    ResolverSettings {
        search: search.iter().map(|text| name(text)).collect(),
        hosts: [(name("given"), vec![A.parse().unwrap()])].into(),
        ..ResolverSettings::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_name_with_addresses_is_taken_and_an_outage_ends_the_search() {
    let nx = || ScriptedReply::Failed(DnsFailure::NxDomain, Some(10));
    let down = || ScriptedReply::Failed(DnsFailure::ServFail, None);
    let found = || ScriptedReply::Found(vec![A], 60);
    let hit = format!("miss {A}");
    for (question, replies, queried, expected) in [
        ("a", vec![("a.x.test", found())], vec!["a.x.test"], &*hit),
        (
            "a",
            vec![("a.y.test", found())],
            vec!["a.x.test", "a.y.test"],
            &hit,
        ),
        (
            "a",
            vec![("a.x.test", nx()), ("a", found())],
            vec!["a.x.test", "a.y.test", "a"],
            &hit,
        ),
        (
            "a.b",
            vec![("a.b", found()), ("a.b.x.test", found())],
            vec!["a.b"],
            &hit,
        ),
        (
            "a.b",
            vec![("a.b", nx()), ("a.b.x.test", found())],
            vec!["a.b", "a.b.x.test"],
            &hit,
        ),
        ("a.b", vec![("a.b", down())], vec!["a.b"], "miss servfail"),
        (
            "a",
            vec![("a.x.test", nx()), ("a.y.test", down()), ("a", found())],
            vec!["a.x.test", "a.y.test"],
            "miss servfail",
        ),
        (
            "a",
            vec![("a.x.test", nx()), ("a.y.test", nx()), ("a", nx())],
            vec!["a.x.test", "a.y.test", "a"],
            "miss nxdomain",
        ),
        (
            "a",
            vec![("a.x.test", nx()), ("a", nx())],
            vec!["a.x.test", "a.y.test", "a"],
            "miss nodata",
        ),
        (
            "given",
            vec![("given.x.test", found())],
            vec![],
            &format!("static {A}"),
        ),
        ("localhost", vec![], vec![], "localhost 127.0.0.1,::1"),
    ] {
        let test = TestResolver::new(settings(&["x.test", "y.test"]));
        for (name, reply) in replies {
            test.fake.set_both(name, &reply);
        }
        test.expect(question, expected).await;
        assert_eq!(test.fake.take_names(), queried, "{question}");
    }
}

#[tokio::test(start_paused = true)]
async fn both_families_come_from_one_name() {
    let test = TestResolver::new(settings(&["x.test"]));
    test.fake
        .set("a.x.test", V4, ScriptedReply::Found(vec![A], 60));
    test.fake.set(
        "a.x.test",
        V6,
        ScriptedReply::Failed(DnsFailure::NoData, None),
    );
    test.fake.set("a", V6, ScriptedReply::Found(vec![AAAA], 60));
    test.expect("a", &format!("miss {A}")).await;
    let known: Vec<_> = test
        .resolver
        .list()
        .into_iter()
        .map(|listed| listed.name)
        .collect();
    assert_eq!(known, [name("a")]);
    test.expect("a", &format!("hit {A}")).await;
}

#[tokio::test(start_paused = true)]
async fn one_family_alone_is_searched_too() {
    let test = TestResolver::new(ResolverSettings {
        family: LookupFamily::V4Only,
        ..settings(&["x.test"])
    });
    test.fake.set("a", V4, ScriptedReply::Found(vec![A], 60));
    test.expect("a", &format!("miss {A}")).await;
    assert_eq!(test.fake.take_names(), ["a.x.test", "a"]);
}

#[tokio::test(start_paused = true)]
async fn that_there_is_nothing_is_remembered_for_the_least_of_the_times() {
    let test = TestResolver::new(settings(&["x.test", "y.test"]));
    for (name, ttl) in [("a.x.test", 20), ("a.y.test", 7), ("a", 15)] {
        test.fake.set_both(
            name,
            &ScriptedReply::Failed(DnsFailure::NxDomain, Some(ttl)),
        );
    }
    test.expect("a", "miss nxdomain").await;
    wait(6).await;
    test.expect("a", "negative nxdomain").await;
    wait(1).await;
    test.expect("a", "miss nxdomain").await;
}

#[tokio::test(start_paused = true)]
async fn a_search_takes_twice_as_long_as_a_query_at_most() {
    let domains: Vec<_> = (0..32).map(|index| format!("d{index}.test")).collect();
    let test = TestResolver::new(settings(
        &domains.iter().map(String::as_str).collect::<Vec<_>>(),
    ));
    for domain in &domains {
        let nx = ScriptedReply::Failed(DnsFailure::NxDomain, Some(60));
        test.fake.set_both(
            &format!("a.{domain}"),
            &ScriptedReply::After(3000, Box::new(nx)),
        );
    }
    test.expect_in("a", "miss timeout", 10_000).await;
    assert_eq!(test.fake.take_names().len(), 4);
    // Each query by itself is bounded by its own timeout.
    test.fake.set_both("b.d0.test", &ScriptedReply::Silence);
    test.expect_in("b", "miss timeout", 5000).await;
}
