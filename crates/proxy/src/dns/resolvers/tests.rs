//! Tests of resolvers that come and go with the configuration, and keep their caches.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::dns::failure::DnsFailure;
use crate::dns::fake::{FakeDnsClient, ScriptedReply};
use crate::dns::family::AddressFamily;
use crate::meter::LabelValue as _;
use egret_config::name::DnsName;
use egret_config::resources::{Kind, ObjectRef};
use egret_config::snapshot::{DnsProtocol, LookupFamily, NameServer, Scheme};

fn snapshot(ids: &[&ResolverId], settings: &ResolverSettings) -> Snapshot {
    let settings = Arc::new(settings.clone());
    let resolvers = ids
        .iter()
        .map(|&id| (id.clone(), Arc::clone(&settings)))
        .collect();
    Snapshot {
        resolvers,
        ..Snapshot::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_makes_updates_and_drops() {
    let fake = Arc::new(FakeDnsClient::default());
    let resolvers = ResolverSet::new(fake.factory(), None, Handle::current());
    let system = ResolverId::System;
    let policy = ResolverId::Policy(ObjectRef::new(Kind::Gateway, "ns", "dns"));
    assert!(resolvers.get(&system).is_none());

    let mut settings = ResolverSettings::default();
    resolvers.apply(&snapshot(&[&system, &policy], &settings));
    let resolver = resolvers.get(&system).unwrap();
    let name: DnsName = "a.test".parse().unwrap();
    resolver.resolve(&name, Scheme::Http).await.unwrap_err();

    settings.max_hosts = 7;
    resolvers.apply(&snapshot(&[&system], &settings));
    assert!(resolvers.get(&policy).is_none());
    let again = resolvers.get(&system).unwrap();
    assert!(Arc::ptr_eq(&resolver, &again));
    assert_eq!((again.settings().max_hosts, again.len()), (7, 1));
    assert_eq!(resolvers.all().len(), 1);
    assert_eq!(resolvers.stats().queries.get(), 2);
}

/// Resolvers that save their caches in this folder.
fn resolvers_in(folder: &Path, fake: &Arc<FakeDnsClient>, wall: SystemTime) -> ResolverSet {
    let store = CacheStore::open(folder.to_owned(), wall).unwrap();
    ResolverSet::new(fake.factory(), None, Handle::current()).with_store(store, wall)
}

/// The result of a lookup as text.
async fn ask(resolvers: &ResolverSet, id: &ResolverId, name: &str) -> String {
    let resolver = resolvers.get(id).unwrap();
    match resolver.resolve(&name.parse().unwrap(), Scheme::Http).await {
        Ok(resolved) => format!("{} {}", resolved.source.as_str(), resolved.addresses[0]),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(start_paused = true)]
async fn names_are_known_to_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Arc::new(FakeDnsClient::default());
    let policy = |name| ResolverId::Policy(ObjectRef::new(Kind::ResolverPolicy, "ns", name));
    let (system, one, two) = (ResolverId::System, policy("one"), policy("two"));
    let settings = ResolverSettings {
        family: LookupFamily::V4Only,
        ..ResolverSettings::default()
    };
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let first = resolvers_in(folder.path(), &fake, wall);
    first.apply(&snapshot(&[&system, &one, &two], &settings));
    for (id, address) in [
        (&system, "192.0.2.1"),
        (&one, "192.0.2.2"),
        (&two, "192.0.2.3"),
    ] {
        fake.set(
            "a.test",
            AddressFamily::V4,
            ScriptedReply::Found(vec![address], 60),
        );
        ask(&first, id, "a.test").await;
    }
    first.save_if_changed(wall);
    assert_eq!(first.save_failures(), 0);

    fake.set("a.test", AddressFamily::V4, ScriptedReply::Silence);
    let mut others = snapshot(&[&system, &one], &settings);
    let mut servers = settings.clone();
    servers.servers.push(NameServer {
        address: "192.0.2.53:53".parse().unwrap(),
        protocol: DnsProtocol::Udp,
    });
    others.resolvers.insert(two.clone(), Arc::new(servers));
    for (seconds, expected) in [(10, "hit"), (70, "stale"), (3600, "stale"), (3660, "")] {
        let later = resolvers_in(folder.path(), &fake, wall + Duration::from_secs(seconds));
        later.apply(&others);
        let timeout = DnsFailure::Timeout.to_string();
        let expect = |address| match expected {
            "" => timeout.clone(),
            source => format!("{source} {address}"),
        };
        assert_eq!(ask(&later, &system, "a.test").await, expect("192.0.2.1"));
        assert_eq!(ask(&later, &one, "a.test").await, expect("192.0.2.2"));
        // Other servers may know other addresses.
        assert_eq!(ask(&later, &two, "a.test").await, timeout);
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_written_when_it_has_changed_and_a_failure_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Arc::new(FakeDnsClient::default());
    fake.set(
        "a.test",
        AddressFamily::V4,
        ScriptedReply::Found(vec!["192.0.2.1"], 60),
    );
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let resolvers = resolvers_in(folder.path(), &fake, wall);
    let system = ResolverId::System;
    resolvers.apply(&snapshot(&[&system], &ResolverSettings::default()));
    ask(&resolvers, &system, "a.test").await;
    resolvers.save_if_changed(wall);
    let file = folder.path().join("dns");
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 2);

    std::fs::remove_file(&file).unwrap();
    ask(&resolvers, &system, "a.test").await;
    resolvers.save_if_changed(wall);
    assert!(!file.exists());
    resolvers.save(wall);
    assert!(file.exists());

    drop(folder);
    resolvers.save(wall);
    assert_eq!(resolvers.save_failures(), 1);
    assert_eq!(ask(&resolvers, &system, "a.test").await, "hit 192.0.2.1");
}
