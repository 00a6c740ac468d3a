//! Tests of HTTPS records beside the addresses (RFC 9460).

use std::net::IpAddr;

use super::*;
use crate::dns::query::HttpsRecord;

fn record(alpn: &str) -> HttpsRecord {
    HttpsRecord {
        alpn: vec![alpn.as_bytes().into()],
        port: None,
        hints: Vec::new(),
        other_target: false,
    }
}

impl TestResolver {
    /// A resolver with a name whose address comes after 10 ms and whose HTTPS records come after `millis`.
    fn with_https(millis: u64, reply: Result<(Vec<HttpsRecord>, u64), DnsFailure>) -> Self {
        let test = Self::new(ResolverSettings::default());
        let found = ScriptedReply::Found(vec![A], 300);
        test.fake
            .set("a.test", V4, ScriptedReply::After(10, Box::new(found)));
        test.fake.set_https("a.test", millis, reply);
        test
    }

    async fn over_tls(&self, text: &str) -> Result<ResolvedName, ResolveError> {
        self.resolver.resolve(&name(text), Scheme::Https).await
    }

    /// The source of the answer, the first protocol, and how many milliseconds the lookup took.
    async fn https(&self) -> (AnswerSource, Option<String>, u128) {
        let start = clock::now();
        let resolved = self.resolver.resolve(&name("a.test"), Scheme::Https).await;
        let resolved = resolved.unwrap();
        assert_eq!(&*resolved.addresses, [A.parse::<IpAddr>().unwrap()]);
        assert_eq!(resolved.pending_family, None);
        let alpn = resolved.https_record.map(|record| {
            let first = record.alpn.first().unwrap();
            String::from_utf8(first.to_vec()).unwrap()
        });
        (resolved.source, alpn, (clock::now() - start).as_millis())
    }
}

#[tokio::test(start_paused = true)]
async fn they_are_asked_for_when_the_destination_is_reached_over_tls() {
    let test = TestResolver::with_https(0, Ok((vec![record("h2"), record("http/1.1")], 300)));
    test.expect("a.test", &format!("miss {A}")).await;
    assert_eq!(test.fake.take_https_queries(), 0);
    test.resolver.flush(None);
    assert_eq!(
        test.https().await,
        (AnswerSource::Miss, Some("h2".to_owned()), 10)
    );
    assert_eq!(
        test.https().await,
        (AnswerSource::Hit, Some("h2".to_owned()), 0)
    );
    assert_eq!(test.fake.take_https_queries(), 1);
    assert!(test.resolve("a.test").await.unwrap().https_record.is_none());
    assert_eq!(
        test.resolver.list()[0].https_record.as_ref().unwrap().alpn[0],
        b"h2"[..].into()
    );
    test.change(|settings| settings.https_records = false);
    assert_eq!(test.https().await, (AnswerSource::Hit, None, 0));
    test.resolver.flush(None);
    assert_eq!(test.https().await, (AnswerSource::Miss, None, 10));
    assert_eq!(test.fake.take_https_queries(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_them_longer_than_a_moment() {
    let good = || Ok((vec![record("h2")], 300));
    let known = Some("h2".to_owned());
    for (millis, reply, first, second) in [
        (59, good(), (known.clone(), 59), known.clone()),
        (500, good(), (None, 60), known.clone()),
        (20, Err(DnsFailure::NoData), (None, 20), None),
        (20, Err(DnsFailure::ServFail), (None, 20), None),
        (9000, good(), (None, 60), None),
    ] {
        let test = TestResolver::with_https(millis, reply);
        let (first, took) = first;
        assert_eq!(
            test.https().await,
            (AnswerSource::Miss, first, took),
            "{millis}"
        );
        wait(6).await;
        assert_eq!(
            test.https().await,
            (AnswerSource::Hit, second, 0),
            "{millis}"
        );
        // After a failure, the records are not queried before the addresses are.
        assert_eq!(test.fake.take_https_queries(), 1);
        assert_eq!(test.fake.take_queries(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn they_are_neither_waited_for_nor_wanted_without_addresses() {
    let test = TestResolver::with_https(500, Ok((vec![record("h2")], 300)));
    let none = ScriptedReply::Failed(DnsFailure::NxDomain, Some(10));
    test.fake
        .set_both("a.test", &ScriptedReply::After(10, Box::new(none)));
    let start = clock::now();
    test.resolver
        .resolve(&name("a.test"), Scheme::Https)
        .await
        .unwrap_err();
    assert_eq!((clock::now() - start).as_millis(), 10);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_them_serves_and_is_renewed_with_them_once() {
    let test = TestResolver::with_https(10, Ok((vec![record("h2")], 300)));
    test.expect("a.test", &format!("miss {A}")).await;
    test.fake.take_queries();
    for _ in 0..3 {
        assert_eq!(test.https().await, (AnswerSource::Hit, None, 0));
    }
    settle().await;
    wait(1).await;
    assert_eq!(
        test.https().await,
        (AnswerSource::Hit, Some("h2".to_owned()), 0)
    );
    assert_eq!(
        (test.fake.take_queries(), test.fake.take_https_queries()),
        (2, 1)
    );
    // From here on the records are queried with every refresh, whoever causes it.
    for _ in 0..60 {
        wait(5).await;
        test.expect("a.test", &format!("hit {A}")).await;
    }
    assert_eq!(
        (test.fake.take_queries(), test.fake.take_https_queries()),
        (2, 1)
    );
    assert_eq!(test.https().await.1, Some("h2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn the_least_ttl_rules() {
    for millis in [0, 500] {
        let test = TestResolver::with_https(millis, Ok((vec![record("h2")], 30)));
        test.https().await;
        wait(1).await;
        let listed = &test.resolver.list()[0];
        assert_eq!((listed.age + listed.ttl_left).as_secs(), 30);
    }
}

#[tokio::test(start_paused = true)]
async fn those_that_are_late_are_bounded() {
    let test = TestResolver::with_https(500, Ok((vec![record("h2")], 300)));
    test.change(|settings| settings.max_pending = 0);
    assert_eq!(test.over_tls("a.test").await, Err(ResolveError::Overloaded));
    test.change(|settings| settings.max_pending = 1);
    for text in ["b.test", "c.test"] {
        test.fake.set(text, V4, ScriptedReply::Found(vec![A], 300));
        test.fake
            .set_https(text, 500, Ok((vec![record("h2")], 300)));
        assert!(test.over_tls(text).await.unwrap().https_record.is_none());
    }
    wait(1).await;
    let listed = test.resolver.list();
    let known = listed
        .iter()
        .map(|listed| (listed.name.as_str(), listed.https_record.is_some()));
    assert_eq!(
        known.collect::<Vec<_>>(),
        [("c.test", false), ("b.test", true)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_family_and_late_records_come_in_any_order() {
    for (v4, records) in [(300, 500), (500, 300)] {
        let test = TestResolver::with_https(records, Ok((vec![record("h2")], 100)));
        let found = |address| Box::new(ScriptedReply::Found(vec![address], 300));
        test.fake
            .set("a.test", V6, ScriptedReply::After(10, found(AAAA)));
        test.fake
            .set("a.test", V4, ScriptedReply::After(v4, found(A)));
        let resolved = test.over_tls("a.test").await.unwrap();
        assert_eq!((resolved.addresses.len(), resolved.https_record), (1, None));
        assert_eq!(
            resolved
                .pending_family
                .unwrap()
                .all_addresses()
                .await
                .unwrap()
                .len(),
            2
        );
        wait(1).await;
        let listed = &test.resolver.list()[0];
        assert_eq!(listed.addresses.as_ref().unwrap().len(), 2);
        assert!(listed.https_record.is_some());
        assert_eq!((listed.age + listed.ttl_left).as_secs(), 100);
        assert_eq!(test.resolver.flush(None), 1);
    }
}
