//! The resolver in simulated time, with scripted answers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::dns::fake::{FakeQuery, Reply};
use crate::dns::family::Family::{V4, V6};
use crate::dns::listing::State;
use egret_config::snapshot::LookupFamily;
use tokio::task::JoinSet;

mod dual;
mod https;
mod outage;
mod search;

const A: &str = "192.0.2.1";
const AAAA: &str = "2001:db8::1";

struct World {
    fake: Arc<FakeQuery>,
    resolver: Arc<Resolver>,
    stats: Arc<DnsStats>,
}

/// What a name resolves to, in words.
fn text(resolved: &Result<Resolved, ResolveError>) -> String {
    match resolved {
        Ok(resolved) => {
            let addresses: Vec<_> = resolved.addresses.iter().map(ToString::to_string).collect();
            format!("{} {}", resolved.how.as_str(), addresses.join(","))
        }
        Err(ResolveError::Failed { failure, how }) => {
            format!("{} {}", how.as_str(), failure.label())
        }
        Err(ResolveError::Overloaded) => "overloaded".to_owned(),
    }
}

fn name(text: &str) -> DnsName {
    text.parse().unwrap()
}

async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

impl World {
    fn new(settings: ResolverSettings) -> Self {
        Self::with_hosts_file(settings, &HostsFile::open(None))
    }

    fn with_hosts_file(settings: ResolverSettings, file: &Arc<HostsFile>) -> Self {
        let fake = Arc::new(FakeQuery::default());
        let stats = Arc::<DnsStats>::default();
        let resolver = Resolver::new(
            Arc::new(settings),
            fake.factory(),
            Arc::clone(file),
            Handle::current(),
            Arc::clone(&stats),
        );
        Self {
            fake,
            resolver: Arc::new(resolver),
            stats,
        }
    }

    fn change(&self, change: impl FnOnce(&mut ResolverSettings)) {
        let mut settings = (*self.resolver.settings()).clone();
        change(&mut settings);
        self.resolver.update_settings(Arc::new(settings));
    }

    async fn resolve(&self, text: &str) -> Result<Resolved, ResolveError> {
        self.resolver.resolve(&name(text), Scheme::Http).await
    }

    async fn expect(&self, question: &str, expected: &str) {
        assert_eq!(text(&self.resolve(question).await), expected, "{question}");
    }

    /// The same, and how many milliseconds it took.
    async fn expect_in(&self, question: &str, expected: &str, millis: u128) {
        let start = clock::now();
        self.expect(question, expected).await;
        assert_eq!((clock::now() - start).as_millis(), millis, "{question}");
    }

    /// Starts a lookup and lets it get as far as it can.
    async fn start(&self, question: &'static str) -> tokio::task::JoinHandle<String> {
        let resolver = Arc::clone(&self.resolver);
        let task = Handle::current()
            .spawn(async move { text(&resolver.resolve(&name(question), Scheme::Http).await) });
        settle().await;
        task
    }
}

/// Lets every task run that can without time passing.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

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
    assert_eq!(world.stats.query_duration.spread().count(), 2);
}

#[tokio::test(start_paused = true)]
async fn stale_serves_while_the_server_is_dead_and_ends_with_stale_for() {
    let world = World::new(ResolverSettings {
        stale_for: Duration::from_secs(4 * 3600),
        ..ResolverSettings::default()
    });
    world.fake.set("a.test", V4, Reply::Found(vec![A], 60));
    let start = clock::now();
    world.expect("a.test", &format!("miss {A}")).await;
    world.fake.set_both("a.test", &Reply::Silence);
    world.fake.taken();
    while clock::now() - start < Duration::from_secs(4 * 3600) {
        wait(60).await;
        world.expect_in("a.test", &format!("stale {A}"), 0).await;
    }
    // A refresh each minute at most, of two questions each.
    let asked = world.fake.taken();
    assert!((2..=2 * 4 * 60 + 2).contains(&asked), "{asked}");
    wait(60).await;
    world.expect_in("a.test", "miss timeout", 5000).await;
    world.expect_in("a.test", "negative timeout", 0).await;
    world
        .fake
        .set("a.test", V4, Reply::Found(vec!["192.0.2.2"], 60));
    world
        .fake
        .set("a.test", V6, Reply::Failed(Failure::NoData, None));
    wait(1).await;
    world.expect("a.test", "miss 192.0.2.2").await;
}

#[tokio::test(start_paused = true)]
async fn the_first_good_refresh_ends_staleness() {
    let world = World::new(ResolverSettings::default());
    world.fake.set("a.test", V4, Reply::Found(vec![A], 60));
    world.expect("a.test", &format!("miss {A}")).await;
    world
        .fake
        .set_both("a.test", &Reply::Failed(Failure::ServFail, None));
    wait(60).await;
    world.expect("a.test", &format!("stale {A}")).await;
    settle().await;
    let listed = world.resolver.list();
    assert_eq!(
        (listed[0].state, &listed[0].error),
        (State::Stale, &Some(Failure::ServFail))
    );
    world
        .fake
        .set("a.test", V4, Reply::Found(vec!["192.0.2.2"], 60));
    wait(2).await;
    world.expect("a.test", &format!("stale {A}")).await;
    settle().await;
    world.expect("a.test", "hit 192.0.2.2").await;
}

#[tokio::test(start_paused = true)]
async fn a_name_in_use_never_expires_and_nobody_waits_for_it() {
    let world = World::new(ResolverSettings {
        stale_for: Duration::ZERO,
        ..ResolverSettings::default()
    });
    let slowly = |address| Reply::After(1000, Box::new(Reply::Found(vec![address], 60)));
    world.fake.set("a.test", V4, slowly(A));
    world.expect("a.test", &format!("miss {A}")).await;
    world.fake.taken();
    for _ in 0..600 {
        wait(1).await;
        world.expect_in("a.test", &format!("hit {A}"), 0).await;
    }
    // Every 49 to 58 seconds, with two questions each.
    let asked = world.fake.taken();
    assert!((20..=24).contains(&asked), "{asked}");
    world.fake.set("a.test", V4, slowly("192.0.2.2"));
    for _ in 0..60 {
        wait(1).await;
        world.resolve("a.test").await.unwrap();
    }
    world.expect("a.test", "hit 192.0.2.2").await;
}

#[tokio::test(start_paused = true)]
async fn a_touch_keeps_a_name_without_a_lookup() {
    let world = World::new(ResolverSettings {
        hosts: [(name("static.test"), vec![A.parse().unwrap()])].into(),
        ..ResolverSettings::default()
    });
    world.fake.set("a.test", V4, Reply::Found(vec![A], 60));
    world.expect("a.test", &format!("miss {A}")).await;
    world
        .fake
        .set("a.test", V4, Reply::Found(vec!["192.0.2.2"], 60));
    world.fake.taken();
    for _ in 0..720 {
        wait(5).await;
        for text in ["a.test", "unknown.test", "static.test"] {
            world.resolver.touch(&name(text));
        }
    }
    // An hour of minutes that end early, with two questions each.
    let asked = world.fake.taken();
    assert!((2 * 60..=2 * 72).contains(&asked), "{asked}");
    assert_eq!(world.resolver.len(), 1);
    assert_eq!(world.resolver.list()[0].hits, 0);
    assert_eq!(world.stats.resolved[How::Hit.index()].get(), 0);
    world.expect("a.test", "hit 192.0.2.2").await;
}

#[tokio::test(start_paused = true)]
async fn preresolved_names_are_known_before_anybody_asks_and_stay_known() {
    let names = ["a.test", "b.test", "dead.test", "static.test"].map(name);
    let world = World::new(ResolverSettings {
        hosts: [(name("static.test"), vec![A.parse().unwrap()])].into(),
        preresolve: names.into(),
        max_pending: 1,
        ..ResolverSettings::default()
    });
    let found = |address| Reply::After(10, Box::new(Reply::Found(vec![address], 60)));
    world.fake.set("a.test", V4, found(A));
    world.fake.set("b.test", V4, found(A));
    world
        .fake
        .set_both("dead.test", &Reply::Failed(Failure::ServFail, None));
    // One at a time, as the bound of refreshes is one.
    wait(3).await;
    assert_eq!(world.resolver.len(), 3);
    for text in ["a.test", "b.test"] {
        world.expect_in(text, &format!("hit {A}"), 0).await;
    }
    world.fake.taken();
    wait(600).await;
    // Every 48 to 58 seconds, and what fails every 5 or 6; with two questions each.
    let asked = world.fake.taken();
    assert!((240..=300).contains(&asked), "{asked}");
    assert_eq!(world.stats.idled.get(), 0);
    world
        .fake
        .set("a.test", V4, Reply::Found(vec!["192.0.2.2"], 60));
    wait(60).await;
    world.expect_in("a.test", "hit 192.0.2.2", 0).await;
    world.resolver.flush(None);
    wait(3).await;
    assert_eq!(world.resolver.len(), 3);

    world.change(|settings| settings.preresolve = [name("new.test")].into());
    wait(1).await;
    world.expect_in("new.test", "negative nodata", 0).await;
    wait(400).await;
    // The others have gone idle.
    let known = world.resolver.list();
    assert_eq!(known.len(), 1, "{known:?}");
    assert_eq!(known[0].name, name("new.test"));
}

#[tokio::test(start_paused = true)]
async fn nxdomain_is_remembered_as_the_soa_says_and_ends_an_answer() {
    let world = World::new(ResolverSettings::default());
    world
        .fake
        .set_both("no.test", &Reply::Failed(Failure::NxDomain, Some(10)));
    world.expect("no.test", "miss nxdomain").await;
    wait(9).await;
    world.expect("no.test", "negative nxdomain").await;
    assert_eq!(world.fake.taken(), 2);
    wait(1).await;
    world.expect("no.test", "miss nxdomain").await;
    assert_eq!(
        world.stats.query_failures[Failure::NxDomain.kind()].get(),
        4
    );
    assert_eq!(world.stats.failed[How::Negative.index()].get(), 1);

    world.fake.set("a.test", V4, Reply::Found(vec![A], 60));
    world.expect("a.test", &format!("miss {A}")).await;
    world
        .fake
        .set_both("a.test", &Reply::Failed(Failure::NxDomain, Some(10)));
    wait(60).await;
    world.expect("a.test", &format!("stale {A}")).await;
    settle().await;
    world.expect("a.test", "negative nxdomain").await;
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

#[tokio::test(start_paused = true)]
async fn new_settings_keep_the_cache_and_ask_new_servers() {
    let made = Arc::new(AtomicUsize::new(0));
    let fake = Arc::new(FakeQuery::default());
    fake.set("a.test", V4, Reply::Found(vec![A], 60));
    let factory: QueryFactory = {
        let (made, fake) = (Arc::clone(&made), Arc::clone(&fake));
        Arc::new(move |_, _| {
            made.fetch_add(1, Ordering::Relaxed);
            Arc::clone(&fake) as Arc<dyn Query>
        })
    };
    let resolver = Resolver::new(
        Arc::default(),
        factory,
        HostsFile::open(None),
        Handle::current(),
        Arc::default(),
    );
    resolver
        .resolve(&name("a.test"), Scheme::Http)
        .await
        .unwrap();
    let with = |change: fn(&mut ResolverSettings)| {
        let mut settings = (*resolver.settings()).clone();
        change(&mut settings);
        resolver.update_settings(Arc::new(settings));
        made.load(Ordering::Relaxed)
    };
    assert_eq!(with(|_| {}), 1);
    assert_eq!(with(|settings| settings.stale_for = Duration::ZERO), 1);
    let server = |settings: &mut ResolverSettings| {
        settings.servers.push(egret_config::snapshot::NameServer {
            address: "192.0.2.53:53".parse().unwrap(),
            protocol: egret_config::snapshot::DnsProtocol::Udp,
        });
    };
    assert_eq!(with(server), 2);
    assert_eq!(
        text(&resolver.resolve(&name("a.test"), Scheme::Http).await),
        format!("hit {A}")
    );
    assert_eq!(with(|settings| settings.family = LookupFamily::V4Only), 2);
    fake.taken();
    resolver
        .resolve(&name("b.test"), Scheme::Http)
        .await
        .unwrap_err();
    assert_eq!(fake.families(), [V4]);
}

#[tokio::test(start_paused = true)]
async fn given_hosts_and_localhost_are_never_asked_for() {
    let hosts = [
        ("both.test", vec![A, AAAA]),
        ("four.test", vec![A]),
        ("localhost", vec!["192.0.2.9"]),
    ];
    let hosts = hosts.map(|(text, addresses)| {
        (
            name(text),
            addresses.iter().map(|text| text.parse().unwrap()).collect(),
        )
    });
    let world = World::new(ResolverSettings {
        hosts: hosts.into(),
        ..ResolverSettings::default()
    });
    world
        .expect("Both.Test.", &format!("static {AAAA},{A}"))
        .await;
    world.expect("localhost", "static 192.0.2.9").await;
    world.expect("a.localhost", "localhost 127.0.0.1,::1").await;
    world.expect("notlocalhost", "miss nodata").await;
    assert_eq!(world.fake.taken(), 2);
    world.change(|settings| settings.family = LookupFamily::V6Only);
    world.expect("both.test", &format!("static {AAAA}")).await;
    world.expect("four.test", "static nodata").await;
    world.expect("a.localhost", "localhost ::1").await;
    world.change(|settings| settings.family = LookupFamily::V6Preferred);
    world.expect("a.localhost", "localhost ::1,127.0.0.1").await;
    world.change(|settings| settings.hosts.clear());
    world.expect("localhost", "localhost ::1,127.0.0.1").await;
    assert_eq!(world.fake.taken(), 0);
    assert_eq!(world.resolver.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_hosts_file_answers_for_the_systems_servers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts");
    std::fs::write(
        &path,
        format!("{A} a.test given.test\n{AAAA} a.test six.test\n192.0.2.9 localhost\n"),
    )
    .unwrap();
    let file = HostsFile::open(Some(path.clone()));
    let world = World::with_hosts_file(
        ResolverSettings {
            hosts: [(name("given.test"), vec!["192.0.2.3".parse().unwrap()])].into(),
            family: LookupFamily::V4Preferred,
            ..ResolverSettings::default()
        },
        &file,
    );
    world.expect("A.test.", &format!("static {A},{AAAA}")).await;
    world.expect("given.test", "static 192.0.2.3").await;
    world.expect("localhost", "localhost 127.0.0.1,::1").await;
    world.expect("six.test", &format!("static {AAAA}")).await;
    assert_eq!(world.fake.taken(), 0);
    // DNS may know what the file does not.
    world.change(|settings| settings.family = LookupFamily::V4Only);
    world.expect("six.test", "miss nodata").await;
    world.expect("a.test", &format!("static {A}")).await;

    std::fs::write(&path, "192.0.2.33 a.test\n").unwrap();
    file.check();
    world.expect("a.test", &format!("static {A}")).await;
    wait(2).await;
    world.expect("a.test", "static 192.0.2.33").await;
    assert_eq!(world.resolver.settings().family, LookupFamily::V4Only);
    world.change(|settings| {
        settings.servers.push(egret_config::snapshot::NameServer {
            address: "192.0.2.53:53".parse().unwrap(),
            protocol: egret_config::snapshot::DnsProtocol::Udp,
        });
    });
    world.expect("a.test", "miss nodata").await;
    world.expect("given.test", "static 192.0.2.3").await;
}

#[tokio::test(start_paused = true)]
async fn unused_names_leave_and_used_ones_stay() {
    let world = World::new(ResolverSettings::default());
    for text in ["a.test", "b.test"] {
        world.fake.set(text, V4, Reply::Found(vec![A], 3600));
        world.expect(text, &format!("miss {A}")).await;
    }
    for _ in 0..7 {
        wait(60).await;
        world.expect("a.test", &format!("hit {A}")).await;
    }
    let known: Vec<_> = world
        .resolver
        .list()
        .into_iter()
        .map(|listed| listed.name)
        .collect();
    assert_eq!(known, [name("a.test")]);
    assert_eq!(world.stats.idled.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_full_cache_evicts_and_never_refuses() {
    let world = World::new(ResolverSettings {
        max_hosts: 3,
        ..ResolverSettings::default()
    });
    for index in 0..100 {
        world.expect(&format!("n{index}.test"), "miss nodata").await;
        assert!(world.resolver.len() <= 3);
    }
    assert_eq!(world.stats.evicted.get(), 97);
}

#[tokio::test(start_paused = true)]
async fn people_can_refresh_and_flush() {
    let world = World::new(ResolverSettings::default());
    world.fake.set("a.test", V4, Reply::Found(vec![A], 3600));
    assert!(!world.resolver.refresh(&name("a.test")));
    world.expect("a.test", &format!("miss {A}")).await;
    world.fake.set(
        "a.test",
        V4,
        Reply::After(10, Box::new(Reply::Found(vec!["192.0.2.2"], 3600))),
    );
    assert!(world.resolver.refresh(&name("a.test")));
    assert!(!world.resolver.refresh(&name("a.test")));
    settle().await;
    assert!(world.resolver.list()[0].resolving);
    world.expect_in("a.test", &format!("hit {A}"), 0).await;
    wait(1).await;
    world.expect("a.test", "hit 192.0.2.2").await;
    assert_eq!(world.resolver.flush(Some(&name("b.test"))), 0);
    assert_eq!(world.resolver.flush(Some(&name("a.test"))), 1);
    world.expect("a.test", "miss 192.0.2.2").await;
    assert_eq!(world.resolver.flush(None), 1);
    assert!(world.resolver.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_resolver_is_swept_no_more() {
    let world = World::new(ResolverSettings::default());
    let shared = Arc::downgrade(&world.resolver.shared);
    drop(world);
    wait(120).await;
    assert!(shared.upgrade().is_none());
    let metrics = Handle::current().metrics();
    assert_eq!(metrics.num_alive_tasks(), 0);
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
