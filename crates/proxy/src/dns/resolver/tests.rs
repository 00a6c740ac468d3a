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
mod given;
mod https;
mod outage;
mod refresh;
mod search;
mod waiters;

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
