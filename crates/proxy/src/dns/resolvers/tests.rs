//! Resolvers come and go with the configuration, and keep their caches.

use super::*;
use crate::dns::fake::FakeQuery;
use egret_config::name::DnsName;
use egret_config::resources::{Kind, ObjectRef};
use egret_config::snapshot::{ResolverSettings, Scheme};

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
    let fake = Arc::new(FakeQuery::default());
    let resolvers = Resolvers::new(fake.factory(), None, Handle::current());
    let system = ResolverId::System;
    let policy = ResolverId::Policy(ObjectRef::new(Kind::Gateway, "ns", "dns"));
    assert!(resolvers.get(&system).is_none());

    let mut settings = ResolverSettings::default();
    resolvers.apply(&snapshot(&[&system, &policy], &settings));
    let kept = resolvers.get(&system).unwrap();
    let name: DnsName = "a.test".parse().unwrap();
    kept.resolve(&name, Scheme::Http).await.unwrap_err();

    settings.max_hosts = 7;
    resolvers.apply(&snapshot(&[&system], &settings));
    assert!(resolvers.get(&policy).is_none());
    let again = resolvers.get(&system).unwrap();
    assert!(Arc::ptr_eq(&kept, &again));
    assert_eq!((again.settings().max_hosts, again.len()), (7, 1));
    assert_eq!(resolvers.all().len(), 1);
    assert_eq!(resolvers.stats().queries.get(), 2);
}
