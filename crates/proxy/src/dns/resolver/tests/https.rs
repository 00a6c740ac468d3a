//! HTTPS records beside the addresses (RFC 9460).

use std::net::IpAddr;

use super::*;
use crate::dns::query::Service;

fn service(alpn: &str) -> Service {
    Service {
        alpn: vec![alpn.as_bytes().into()],
        port: None,
        hints: Vec::new(),
        elsewhere: false,
    }
}

impl World {
    /// A name with an address after 10 ms and these records after so many.
    fn with_services(millis: u64, reply: Result<(Vec<Service>, u64), Failure>) -> Self {
        let world = Self::new(ResolverSettings::default());
        let found = Reply::Found(vec![A], 300);
        world
            .fake
            .set("a.test", V4, Reply::After(10, Box::new(found)));
        world.fake.set_services("a.test", millis, reply);
        world
    }

    async fn over_tls(&self, text: &str) -> Result<Resolved, ResolveError> {
        self.resolver.resolve(&name(text), Scheme::Https).await
    }

    /// How it was resolved, the first protocol, and how many milliseconds it took.
    async fn https(&self) -> (How, Option<String>, u128) {
        let start = clock::now();
        let resolved = self.resolver.resolve(&name("a.test"), Scheme::Https).await;
        let resolved = resolved.unwrap();
        assert_eq!(&*resolved.addresses, [A.parse::<IpAddr>().unwrap()]);
        assert_eq!(resolved.more, None);
        let alpn = resolved.service.map(|service| {
            let first = service.alpn.first().unwrap();
            String::from_utf8(first.to_vec()).unwrap()
        });
        (resolved.how, alpn, (clock::now() - start).as_millis())
    }
}

#[tokio::test(start_paused = true)]
async fn they_are_asked_for_when_the_destination_is_reached_over_tls() {
    let world = World::with_services(0, Ok((vec![service("h2"), service("http/1.1")], 300)));
    world.expect("a.test", &format!("miss {A}")).await;
    assert_eq!(world.fake.taken_services(), 0);
    world.resolver.flush(None);
    assert_eq!(world.https().await, (How::Miss, Some("h2".to_owned()), 10));
    assert_eq!(world.https().await, (How::Hit, Some("h2".to_owned()), 0));
    assert_eq!(world.fake.taken_services(), 1);
    assert!(world.resolve("a.test").await.unwrap().service.is_none());
    assert_eq!(
        world.resolver.list()[0].service.as_ref().unwrap().alpn[0],
        b"h2"[..].into()
    );
    world.change(|settings| settings.https_records = false);
    assert_eq!(world.https().await, (How::Hit, None, 0));
    world.resolver.flush(None);
    assert_eq!(world.https().await, (How::Miss, None, 10));
    assert_eq!(world.fake.taken_services(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_them_longer_than_a_moment() {
    let good = || Ok((vec![service("h2")], 300));
    let known = Some("h2".to_owned());
    for (millis, reply, first, second) in [
        (59, good(), (known.clone(), 59), known.clone()),
        (500, good(), (None, 60), known.clone()),
        (20, Err(Failure::NoData), (None, 20), None),
        (20, Err(Failure::ServFail), (None, 20), None),
        (9000, good(), (None, 60), None),
    ] {
        let world = World::with_services(millis, reply);
        let (first, took) = first;
        assert_eq!(world.https().await, (How::Miss, first, took), "{millis}");
        wait(6).await;
        assert_eq!(world.https().await, (How::Hit, second, 0), "{millis}");
        // A failure is not made good before the addresses are asked for again.
        assert_eq!(world.fake.taken_services(), 1);
        assert_eq!(world.fake.taken(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn they_are_neither_waited_for_nor_wanted_without_addresses() {
    let world = World::with_services(500, Ok((vec![service("h2")], 300)));
    let none = Reply::Failed(Failure::NxDomain, Some(10));
    world
        .fake
        .set_both("a.test", &Reply::After(10, Box::new(none)));
    let start = clock::now();
    world
        .resolver
        .resolve(&name("a.test"), Scheme::Https)
        .await
        .unwrap_err();
    assert_eq!((clock::now() - start).as_millis(), 10);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_them_serves_and_is_renewed_with_them_once() {
    let world = World::with_services(10, Ok((vec![service("h2")], 300)));
    world.expect("a.test", &format!("miss {A}")).await;
    world.fake.taken();
    for _ in 0..3 {
        assert_eq!(world.https().await, (How::Hit, None, 0));
    }
    settle().await;
    wait(1).await;
    assert_eq!(world.https().await, (How::Hit, Some("h2".to_owned()), 0));
    assert_eq!((world.fake.taken(), world.fake.taken_services()), (2, 1));
    // From here on with every refresh, whoever causes it.
    for _ in 0..60 {
        wait(5).await;
        world.expect("a.test", &format!("hit {A}")).await;
    }
    assert_eq!((world.fake.taken(), world.fake.taken_services()), (2, 1));
    assert_eq!(world.https().await.1, Some("h2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn the_least_ttl_rules() {
    for millis in [0, 500] {
        let world = World::with_services(millis, Ok((vec![service("h2")], 30)));
        world.https().await;
        wait(1).await;
        let listed = &world.resolver.list()[0];
        assert_eq!((listed.age + listed.ttl_left).as_secs(), 30);
    }
}

#[tokio::test(start_paused = true)]
async fn those_that_are_late_are_bounded() {
    let world = World::with_services(500, Ok((vec![service("h2")], 300)));
    world.change(|settings| settings.max_pending = 0);
    assert_eq!(
        world.over_tls("a.test").await,
        Err(ResolveError::Overloaded)
    );
    world.change(|settings| settings.max_pending = 1);
    for text in ["b.test", "c.test"] {
        world.fake.set(text, V4, Reply::Found(vec![A], 300));
        world
            .fake
            .set_services(text, 500, Ok((vec![service("h2")], 300)));
        assert!(world.over_tls(text).await.unwrap().service.is_none());
    }
    wait(1).await;
    let listed = world.resolver.list();
    let known = listed
        .iter()
        .map(|listed| (listed.name.as_str(), listed.service.is_some()));
    assert_eq!(
        known.collect::<Vec<_>>(),
        [("c.test", false), ("b.test", true)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_family_and_late_records_come_in_any_order() {
    for (v4, records) in [(300, 500), (500, 300)] {
        let world = World::with_services(records, Ok((vec![service("h2")], 100)));
        let found = |address| Box::new(Reply::Found(vec![address], 300));
        world.fake.set("a.test", V6, Reply::After(10, found(AAAA)));
        world.fake.set("a.test", V4, Reply::After(v4, found(A)));
        let resolved = world.over_tls("a.test").await.unwrap();
        assert_eq!((resolved.addresses.len(), resolved.service), (1, None));
        assert_eq!(resolved.more.unwrap().all().await.unwrap().len(), 2);
        wait(1).await;
        let listed = &world.resolver.list()[0];
        assert_eq!(listed.addresses.as_ref().unwrap().len(), 2);
        assert!(listed.service.is_some());
        assert_eq!((listed.age + listed.ttl_left).as_secs(), 100);
        assert_eq!(world.resolver.flush(None), 1);
    }
}
