//! The background tasks of a resolver, which forget names that nobody uses, and keep those of the settings resolved.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::setup::ResolverSetup;
use super::state::ResolverState;
use crate::clock;

/// How many names are forgotten under one hold of the lock.
const SWEEP_STEP: usize = 1024;
/// The bounds of how often the cache is swept.
const SWEEP_INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How often names that are kept resolved are checked.
const KEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Sweeps the cache until its resolver is dropped.
pub(super) async fn keep_swept(state: Weak<ResolverState>) {
    while let Some(interval) = state.upgrade().map(|state| {
        let idle = state.setup.load().settings().idle_ttl;
        (idle / 4).clamp(SWEEP_INTERVAL.0, SWEEP_INTERVAL.1)
    }) {
        tokio::time::sleep(interval).await;
        if let Some(state) = state.upgrade() {
            state.sweep();
        }
    }
}

/// Keeps the names of `preresolve` resolved, and follows the hosts file, until the resolver is dropped.
pub(super) async fn keep_resolved(state: Weak<ResolverState>) {
    loop {
        tokio::time::sleep(KEEP_INTERVAL).await;
        let Some(state) = state.upgrade() else {
            return;
        };
        state.follow_hosts_file();
        state.keep_names();
    }
}

impl ResolverState {
    /// Takes over the content of the hosts file, if it has changed.
    fn follow_hosts_file(&self) {
        let names = self.hosts_file.names();
        if Arc::ptr_eq(&names, &self.setup.load().names) {
            return;
        }
        // Not stored outright, because the settings may be changing too.
        self.setup
            .rcu(|setup| ResolverSetup::new(setup.using.clone(), Arc::clone(&names)));
    }

    /// Marks the names of `preresolve` as used, and queries those that need it.
    pub(super) fn keep_names(&self) {
        let setup = self.setup.load();
        let names = setup.settings().preresolve.iter();
        for name in names.filter(|name| setup.without_dns(name).is_none()) {
            let now = clock::now();
            let query = self.cache.lock().preresolve(name, setup.settings(), now);
            self.refresh(&setup, query);
        }
    }

    fn sweep(&self) {
        let settings = Arc::clone(self.setup.load().settings());
        loop {
            let swept = self.cache.lock().sweep(&settings, clock::now(), SWEEP_STEP);
            self.cache.stats.idled.add(swept.removed as u64);
            if !swept.more {
                return;
            }
        }
    }
}
