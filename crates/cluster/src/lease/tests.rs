//! Candidates over a store in memory, in simulated time.

use std::sync::{Arc, Mutex};

use super::*;

/// A store that refuses a write of another version than the one it has, as the API server does.
#[derive(Clone, Default)]
struct MemoryLeases(Arc<Mutex<MemoryState>>);

#[derive(Default)]
struct MemoryState {
    lease: Option<Lease>,
    version: u64,
    is_away: bool,
    is_silent: bool,
}

impl MemoryLeases {
    fn set(&self, change: impl FnOnce(&mut MemoryState)) {
        change(&mut self.0.lock().unwrap());
    }

    fn holder(&self) -> Option<String> {
        let state = self.0.lock().unwrap();
        state.lease.as_ref()?.spec.as_ref()?.holder_identity.clone()
    }

    async fn reached(&self) -> Result<(), LeaseFault> {
        let (is_away, is_silent) = {
            let state = self.0.lock().unwrap();
            (state.is_away, state.is_silent)
        };
        if is_silent {
            std::future::pending::<()>().await;
        }
        match is_away {
            true => Err(LeaseFault::Unavailable("away".to_owned())),
            false => Ok(()),
        }
    }
}

impl LeaseStore for MemoryLeases {
    async fn read(&self, _: &str) -> Result<Option<Lease>, LeaseFault> {
        self.reached().await?;
        Ok(self.0.lock().unwrap().lease.clone())
    }

    async fn write(&self, lease: &Lease) -> Result<Lease, LeaseFault> {
        self.reached().await?;
        let mut state = self.0.lock().unwrap();
        let known = state.lease.as_ref();
        let known = known.and_then(|lease| lease.metadata.resource_version.clone());
        if known != lease.metadata.resource_version {
            return Err(LeaseFault::Stale);
        }
        state.version += 1;
        let mut lease = lease.clone();
        lease.metadata.resource_version = Some(state.version.to_string());
        state.lease = Some(lease.clone());
        Ok(lease)
    }
}

fn candidate(store: &MemoryLeases, name: &str) -> LeaderLease<MemoryLeases> {
    LeaderLease::of(
        store.clone(),
        "egret",
        name.to_owned(),
        LeaseTimes::default(),
    )
}

async fn seconds<T>(action: impl Future<Output = T>) -> u64 {
    let began = clock::now();
    action.await;
    clock::now().duration_since(began).as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_leader_renews_until_the_api_server_is_away() {
    for is_silent in [false, true] {
        let store = MemoryLeases::default();
        let mut one = candidate(&store, "one");
        assert_eq!(seconds(one.acquired()).await, 0);
        let an_hour = timeout(Duration::from_secs(3600), one.lost()).await;
        assert!(an_hour.is_err(), "it was lost");
        store.set(|state| {
            state.is_away = true;
            state.is_silent = is_silent;
        });
        // It stops leading when its last renewal is ten seconds old, before the lease is another's.
        let after = seconds(one.lost()).await;
        assert!((7..=10).contains(&after), "{after}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_takes_over_from_one_that_died_and_at_once_from_one_that_stopped() {
    let store = MemoryLeases::default();
    let mut one = candidate(&store, "one");
    let mut two = candidate(&store, "two");
    one.acquired().await;
    // The first is gone, without a word.
    let after = seconds(two.acquired()).await;
    assert!((14..=18).contains(&after), "{after}");
    assert_eq!(store.holder().as_deref(), Some("two"));
    // It comes back, and knows that it leads no more.
    assert_eq!(seconds(one.lost()).await, 0);
    one.release().await;
    assert_eq!(store.holder().as_deref(), Some("two"));
    two.release().await;
    assert_eq!(store.holder(), None);
    assert_eq!(seconds(one.acquired()).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_has_taken_is_lost_at_the_next_renewal() {
    let store = MemoryLeases::default();
    let mut one = candidate(&store, "one");
    one.acquired().await;
    store.set(|state| {
        state.version += 1;
        let lease = state.lease.as_mut().unwrap();
        lease.metadata.resource_version = Some(state.version.to_string());
        lease.spec.as_mut().unwrap().holder_identity = Some("two".to_owned());
    });
    let after = seconds(one.lost()).await;
    assert!(after <= 4, "{after}");
    assert_eq!(store.holder().as_deref(), Some("two"));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_deleted_is_made_again() {
    let store = MemoryLeases::default();
    let mut one = candidate(&store, "one");
    one.acquired().await;
    store.set(|state| state.lease = None);
    let kept = timeout(Duration::from_secs(60), one.lost()).await;
    // It may lose it for a moment, and takes it again.
    if kept.is_ok() {
        one.acquired().await;
    }
    assert_eq!(store.holder().as_deref(), Some("one"));
}
