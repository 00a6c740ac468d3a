//! Tests of the resolver in simulated time, with scripted answers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::dns::fake::{FakeDnsClient, ScriptedReply};
use crate::dns::family::AddressFamily::{V4, V6};
use crate::dns::listing::EntryState;
use crate::dns::query::DnsClient;
use crate::meter::LabelValue as _;
use egret_config::snapshot::LookupFamily;
use tokio::task::JoinSet;

mod dual;
mod https;
mod outage;
mod refresh;
mod search;
mod static_hosts;
mod waiters;

const A: &str = "192.0.2.1";
const AAAA: &str = "2001:db8::1";

struct TestResolver {
    fake: Arc<FakeDnsClient>,
    resolver: Arc<Resolver>,
    stats: Arc<DnsStats>,
}

/// The result of a lookup as text.
fn text(resolved: &Result<ResolvedName, ResolveError>) -> String {
    match resolved {
        Ok(resolved) => {
            let addresses: Vec<_> = resolved.addresses.iter().map(ToString::to_string).collect();
            format!("{} {}", resolved.source.as_str(), addresses.join(","))
        }
        Err(ResolveError::Failed {
            failure,
            answer_source: source,
        }) => {
            format!("{} {}", source.as_str(), failure.label())
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

impl TestResolver {
    fn new(settings: ResolverSettings) -> Self {
        Self::with_hosts_file(settings, &HostsFile::open(None))
    }

    fn with_hosts_file(settings: ResolverSettings, file: &Arc<HostsFile>) -> Self {
        let fake = Arc::new(FakeDnsClient::default());
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

    async fn resolve(&self, text: &str) -> Result<ResolvedName, ResolveError> {
        self.resolver.resolve(&name(text), Scheme::Http).await
    }

    async fn expect(&self, question: &str, expected: &str) {
        assert_eq!(text(&self.resolve(question).await), expected, "{question}");
    }

    /// Expects a lookup to give this result after this many milliseconds.
    async fn expect_in(&self, question: &str, expected: &str, millis: u128) {
        let start = clock::now();
        self.expect(question, expected).await;
        assert_eq!((clock::now() - start).as_millis(), millis, "{question}");
    }

    /// Starts a lookup and lets it run until it waits.
    async fn start(&self, question: &'static str) -> tokio::task::JoinHandle<String> {
        let resolver = Arc::clone(&self.resolver);
        let task = Handle::current()
            .spawn(async move { text(&resolver.resolve(&name(question), Scheme::Http).await) });
        settle().await;
        task
    }
}

/// Lets every task run until it waits for time to pass.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn new_settings_keep_the_cache_and_ask_new_servers() {
    let made = Arc::new(AtomicUsize::new(0));
    let fake = Arc::new(FakeDnsClient::default());
    fake.set("a.test", V4, ScriptedReply::Found(vec![A], 60));
    let factory: DnsClientFactory = {
        let (made, fake) = (Arc::clone(&made), Arc::clone(&fake));
        Arc::new(move |_, _| {
            made.fetch_add(1, Ordering::Relaxed);
            Arc::clone(&fake) as Arc<dyn DnsClient>
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
    fake.take_queries();
    resolver
        .resolve(&name("b.test"), Scheme::Http)
        .await
        .unwrap_err();
    assert_eq!(fake.take_families(), [V4]);
}

#[tokio::test(start_paused = true)]
async fn unused_names_leave_and_used_ones_stay() {
    let test = TestResolver::new(ResolverSettings::default());
    for text in ["a.test", "b.test"] {
        test.fake.set(text, V4, ScriptedReply::Found(vec![A], 3600));
        test.expect(text, &format!("miss {A}")).await;
    }
    for _ in 0..7 {
        wait(60).await;
        test.expect("a.test", &format!("hit {A}")).await;
    }
    let known: Vec<_> = test
        .resolver
        .list()
        .into_iter()
        .map(|listed| listed.name)
        .collect();
    assert_eq!(known, [name("a.test")]);
    assert_eq!(test.stats.idled.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_full_cache_evicts_and_never_refuses() {
    let test = TestResolver::new(ResolverSettings {
        max_hosts: 3,
        ..ResolverSettings::default()
    });
    for index in 0..100 {
        test.expect(&format!("n{index}.test"), "miss nodata").await;
        assert!(test.resolver.len() <= 3);
    }
    assert_eq!(test.stats.evicted.get(), 97);
}

#[tokio::test(start_paused = true)]
async fn people_can_refresh_and_flush() {
    let test = TestResolver::new(ResolverSettings::default());
    test.fake
        .set("a.test", V4, ScriptedReply::Found(vec![A], 3600));
    assert!(!test.resolver.refresh(&name("a.test")));
    test.expect("a.test", &format!("miss {A}")).await;
    test.fake.set(
        "a.test",
        V4,
        ScriptedReply::After(10, Box::new(ScriptedReply::Found(vec!["192.0.2.2"], 3600))),
    );
    assert!(test.resolver.refresh(&name("a.test")));
    assert!(!test.resolver.refresh(&name("a.test")));
    settle().await;
    assert!(test.resolver.list()[0].resolving);
    test.expect_in("a.test", &format!("hit {A}"), 0).await;
    wait(1).await;
    test.expect("a.test", "hit 192.0.2.2").await;
    assert_eq!(test.resolver.flush(Some(&name("b.test"))), 0);
    assert_eq!(test.resolver.flush(Some(&name("a.test"))), 1);
    test.expect("a.test", "miss 192.0.2.2").await;
    assert_eq!(test.resolver.flush(None), 1);
    assert!(test.resolver.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_resolver_is_swept_no_more() {
    let test = TestResolver::new(ResolverSettings::default());
    let state = Arc::downgrade(&test.resolver.state);
    drop(test);
    wait(120).await;
    assert!(state.upgrade().is_none());
    let metrics = Handle::current().metrics();
    assert_eq!(metrics.num_alive_tasks(), 0);
}
