//! Keys that are fetched. They outlive changes of the configuration, and all workers share them: whoever looks for keys takes
//! no lock, and of all who want them anew one fetches them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use egret_config::policy::jwt_auth::{KeySet, RemoteKeys};
use egret_config::policy::service::ServiceId;
use tokio::sync::watch;

use crate::clock;

/// How long keys are used after they were to be fetched again, while that fails.
const GRACE: Duration = Duration::from_secs(3600);
/// How often tokens of unknown keys can have the keys fetched, in the long run, and how many times at once.
const ASK_INTERVAL: Duration = Duration::from_secs(10);
const ASKS_AT_ONCE: u32 = 3;

/// Keys that are fetched, by the reference to the server that has them.
#[derive(Default)]
pub(crate) struct KeyStore {
    slots: ArcSwap<HashMap<ServiceId, Arc<KeySlot>>>,
}

/// The keys of one server.
pub(crate) struct KeySlot {
    url: String,
    fetched: ArcSwapOption<FetchedKeys>,
    state: Mutex<FetchState>,
    /// Changes when a fetch has ended.
    ended: watch::Sender<()>,
}

struct FetchedKeys {
    keys: Arc<KeySet>,
    at: Instant,
}

#[derive(Default)]
struct FetchState {
    is_running: bool,
    /// When the last fetch ended, and whether it failed.
    last: Option<(Instant, bool)>,
    /// When as many fetches as were asked for would be due at the interval.
    asked_until: Option<Instant>,
}

/// The turn of one task to fetch keys. If it is dropped, the fetch has failed.
pub(crate) struct FetchTurn {
    slot: Arc<KeySlot>,
    keys: Option<KeySet>,
}

impl KeyStore {
    /// The keys, if they are there and not too old.
    pub(super) fn get(&self, remote: &RemoteKeys, now: Instant) -> Option<Arc<KeySet>> {
        let slots = self.slots.load();
        let slot = slots.get(&remote.service)?;
        let fetched = slot.fetched.load();
        let fetched = fetched.as_ref().filter(|_| slot.url == remote.url)?;
        let age = now.saturating_duration_since(fetched.at);
        let limit = remote.cache_duration.saturating_add(GRACE);
        (age <= limit).then(|| Arc::clone(&fetched.keys))
    }

    /// The place of the keys. That of another URL is replaced.
    pub(crate) fn slot(&self, remote: &RemoteKeys) -> Arc<KeySlot> {
        let known = |slots: &HashMap<ServiceId, Arc<KeySlot>>| {
            let slot = slots.get(&remote.service);
            slot.filter(|slot| slot.url == remote.url).map(Arc::clone)
        };
        if let Some(slot) = known(&self.slots.load()) {
            return slot;
        }
        let new = Arc::new(KeySlot {
            url: remote.url.clone(),
            fetched: ArcSwapOption::empty(),
            state: Mutex::default(),
            ended: watch::Sender::new(()),
        });
        self.slots.rcu(|slots| {
            let mut slots = HashMap::clone(slots);
            if known(&slots).is_none() {
                slots.insert(remote.service.clone(), Arc::clone(&new));
            }
            slots
        });
        // Another worker may have been faster.
        known(&self.slots.load()).unwrap_or(new)
    }

    /// Drops the keys that are not among these.
    pub(crate) fn keep(&self, wanted: &[Arc<RemoteKeys>]) {
        let is_wanted = |id: &ServiceId| wanted.iter().any(|remote| remote.service == *id);
        if self.slots.load().keys().all(is_wanted) {
            return;
        }
        self.slots.rcu(|slots| {
            let mut slots = HashMap::clone(slots);
            slots.retain(|id, _| is_wanted(id));
            slots
        });
    }
}

impl KeySlot {
    /// The turn to fetch the keys, if it is time and nobody else has it.
    pub(crate) fn begin_due(
        self: &Arc<Self>,
        remote: &RemoteKeys,
        now: Instant,
    ) -> Option<FetchTurn> {
        let mut state = self.state();
        let is_due = state.is_due(remote, now);
        is_due.then(|| self.begin(&mut state))
    }

    /// The turn to fetch the keys for a request that misses one, if nobody else has it and it was not asked for too often.
    pub(crate) fn begin_asked(
        self: &Arc<Self>,
        remote: &RemoteKeys,
        now: Instant,
    ) -> Option<FetchTurn> {
        let mut state = self.state();
        let may_ask = state.is_due(remote, now) || state.may_ask(now);
        may_ask.then(|| self.begin(&mut state))
    }

    fn begin(self: &Arc<Self>, state: &mut FetchState) -> FetchTurn {
        state.is_running = true;
        FetchTurn {
            slot: Arc::clone(self),
            keys: None,
        }
    }

    /// Whether somebody fetches the keys.
    pub(crate) fn is_running(&self) -> bool {
        self.state().is_running
    }

    /// Changes when the next fetch ends.
    pub(crate) fn ended(&self) -> watch::Receiver<()> {
        self.ended.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, FetchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FetchState {
    fn is_due(&self, remote: &RemoteKeys, now: Instant) -> bool {
        let pause = |(_, failed)| match failed {
            true => remote.failed_refetch,
            false => remote.cache_duration,
        };
        let is_over = |last: (Instant, bool)| now.saturating_duration_since(last.0) >= pause(last);
        !self.is_running && self.last.is_none_or(is_over)
    }

    fn may_ask(&mut self, now: Instant) -> bool {
        // While it fails, the pause after a failure is the only one.
        if self.is_running || self.last.is_some_and(|(_, failed)| failed) {
            return false;
        }
        let until = self.asked_until.unwrap_or(now).max(now) + ASK_INTERVAL;
        let is_allowed = until - now <= ASK_INTERVAL * ASKS_AT_ONCE;
        if is_allowed {
            self.asked_until = Some(until);
        }
        is_allowed
    }
}

impl FetchTurn {
    /// The fetch has brought these keys.
    pub(crate) fn succeeded(mut self, keys: KeySet) {
        self.keys = Some(keys);
    }

    /// Whether the fetch before did not fail.
    pub(crate) fn is_first_to_fail(&self) -> bool {
        self.slot.state().last.is_none_or(|(_, failed)| !failed)
    }
}

impl Drop for FetchTurn {
    fn drop(&mut self) {
        let (slot, now) = (&self.slot, clock::now());
        let keys = self.keys.take().map(Arc::new);
        let failed = keys.is_none();
        if let Some(keys) = keys {
            let fetched = FetchedKeys { keys, at: now };
            slot.fetched.store(Some(Arc::new(fetched)));
        }
        let mut state = slot.state();
        state.is_running = false;
        state.last = Some((now, failed));
        drop(state);
        slot.ended.send_replace(());
    }
}

#[cfg(test)]
mod tests;
