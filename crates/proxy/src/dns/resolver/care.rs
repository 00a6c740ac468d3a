//! What a resolver does without being asked: it forgets what nobody uses, and keeps known what the settings name.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Setup, Shared};
use crate::clock;

/// How many names leave the cache under one hold of the lock.
const SWEEP_STEP: usize = 1024;
/// How often the cache is swept.
const SWEEP_INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How often names that are known whether or not anybody asks are looked after.
const KEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Sweeps the cache until its resolver is gone.
pub(super) async fn keep_swept(shared: Weak<Shared>) {
    while let Some(interval) = shared.upgrade().map(|shared| {
        let idle = shared.setup.load().settings.idle_ttl;
        (idle / 4).clamp(SWEEP_INTERVAL.0, SWEEP_INTERVAL.1)
    }) {
        tokio::time::sleep(interval).await;
        if let Some(shared) = shared.upgrade() {
            shared.sweep();
        }
    }
}

/// Keeps the names of the settings and of the hosts file known until the resolver is gone.
pub(super) async fn keep_known(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(KEEP_INTERVAL).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        shared.follow_hosts_file();
        shared.keep_names();
    }
}

impl Shared {
    /// Takes over what the hosts file holds by now, if it has changed.
    fn follow_hosts_file(&self) {
        let names = self.hosts_file.names();
        if Arc::ptr_eq(&names, &self.setup.load().names) {
            return;
        }
        // Not stored outright: the settings may be changing too.
        self.setup.rcu(|setup| {
            let (settings, query) = (Arc::clone(&setup.settings), Arc::clone(&setup.query));
            Setup::new(settings, query, Arc::clone(&names))
        });
    }

    /// Uses the names that are kept known, and asks for those that have to be.
    pub(super) fn keep_names(self: &Arc<Self>) {
        let setup = self.setup.load();
        let names = setup.settings.preresolve.iter();
        for name in names.filter(|name| setup.without_dns(name).is_none()) {
            let flight = self.cache().keep(name, &setup.settings, clock::now());
            self.refresh(&setup, flight);
        }
    }

    fn sweep(&self) {
        let settings = Arc::clone(&self.setup.load().settings);
        loop {
            let swept = self.cache().sweep(&settings, clock::now(), SWEEP_STEP);
            self.stats.idled.add(swept.removed as u64);
            if !swept.more {
                return;
            }
        }
    }
}
