//! Reads the objects of a cluster, and tells when they have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use egret_config::compile::CompileOptions;
use egret_config::references::ReferenceFinder;
use egret_config::resources::Kind;
use kube::Client;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::connection::{ConnectionState, probe};

mod course;
mod feed;
mod object;
mod scope;
mod source;
mod store;

pub use scope::ReadScope;
pub use store::ClusterObjects;

use feed::{Feed, kinds_of_all};
use source::Source;
use store::Stores;

/// How long nothing must change before what is known is told.
const QUIET: Duration = Duration::from_millis(50);
/// How long a change waits for quiet.
const UNQUIET: Duration = Duration::from_millis(500);

/// More Services are not watched one by one: all are.
const MOST_SERVICES: usize = 32;

/// Reads the objects of a cluster until it is dropped.
pub struct ClusterReader {
    client: Client,
    options: CompileOptions,
    runtime: Handle,
    shared: Arc<Shared>,
    changes: watch::Receiver<u64>,
    /// The number of changes that have been told.
    told: u64,
    feeds: BTreeMap<Source, RunningTask>,
    follows_references: bool,
    references: ReferenceFinder,
    connection: watch::Receiver<ConnectionState>,
    _probe: RunningTask,
}

/// What the feeds write and the reader reads.
#[derive(Debug)]
struct Shared {
    stores: Mutex<Stores>,
    changes: watch::Sender<u64>,
    /// Whether it was told that the server prepares kinds.
    has_told_preparation: AtomicBool,
}

/// A task that ends when this is dropped.
#[derive(Debug)]
struct RunningTask(AbortHandle);

impl ClusterReader {
    /// Begins to read on a runtime. The options decide which Secrets and ConfigMaps are referred to.
    #[must_use]
    pub fn start(
        client: Client,
        scope: ReadScope,
        options: CompileOptions,
        runtime: &Handle,
    ) -> Self {
        let follows_references = scope.follows_references();
        let (changes, changed) = watch::channel(0);
        let shared = Arc::new(Shared {
            stores: Mutex::new(Stores::new(scope)),
            changes,
            has_told_preparation: AtomicBool::new(false),
        });
        let (states, connection) = watch::channel(ConnectionState::Unknown);
        let probe = runtime.spawn(probe(client.clone(), states));
        let mut reader = Self {
            client,
            options,
            runtime: runtime.clone(),
            shared,
            changes: changed,
            told: 0,
            feeds: BTreeMap::new(),
            follows_references,
            references: ReferenceFinder::default(),
            connection,
            _probe: RunningTask(probe.abort_handle()),
        };
        for kind in kinds_of_all(follows_references) {
            reader.follow(Source::all(kind));
        }
        reader
    }

    /// Whether the API server answers, and changes of that.
    #[must_use]
    pub fn connection(&self) -> watch::Receiver<ConnectionState> {
        self.connection.clone()
    }

    /// What is not known yet, so that there are no objects to tell.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let stores = self.shared.stores();
        stores.missing().map(ToString::to_string).collect()
    }

    /// Waits until objects have changed, and tells all of them. The first time is when all are known. It can be dropped at
    /// any time and loses nothing, but waits for quiet from the beginning when it is called again.
    pub async fn changed(&mut self) -> Arc<ClusterObjects> {
        let mut looked_at = self.told;
        loop {
            // The sender is in `self.shared`.
            let _ = self.changes.wait_for(|changes| *changes != looked_at).await;
            self.quiet().await;
            looked_at = *self.changes.borrow_and_update();
            let objects = {
                let stores = self.shared.stores();
                let is_known = kinds_of_all(self.follows_references)
                    .all(|kind| stores.is_known(&Source::all(kind)));
                is_known.then(|| (stores.objects(), stores.is_complete()))
            };
            let Some((objects, is_complete)) = objects else {
                continue;
            };
            let has_more = self.follows_references && self.follow_references(&objects);
            if is_complete && !has_more {
                self.told = looked_at;
                return Arc::new(objects);
            }
        }
    }

    /// Waits until nothing changes, but not for long.
    async fn quiet(&self) {
        let quiet = async {
            loop {
                let before = *self.changes.borrow();
                sleep(QUIET).await;
                if *self.changes.borrow() == before && !self.shared.stores().is_refilling() {
                    return;
                }
            }
        };
        tokio::select! {
            () = quiet => {}
            () = sleep(UNQUIET) => {}
        }
    }

    /// Begins to read what is referred to now, and no longer what was. Returns whether there is anything new.
    fn follow_references(&mut self, objects: &ClusterObjects) -> bool {
        let found = self.references.secrets(objects.resources(), &self.options);
        let named = found.named.keys().map(Source::named);
        let selected = found.selected.keys().map(Source::labelled);
        let mut wanted: BTreeSet<Source> = named.chain(selected).collect();
        let services = objects.services();
        if services.len() <= MOST_SERVICES {
            wanted.extend(services.iter().map(Source::named));
            wanted.extend(services.iter().map(Source::slices_of));
        } else {
            wanted.extend([Kind::Service, Kind::EndpointSlice].map(Source::all));
        }
        let kinds = kinds_of_all(true).map(Source::all);
        let kinds: BTreeSet<Source> = kinds.collect();
        let is_wanted = |source: &Source| kinds.contains(source) || wanted.contains(source);
        let gone: Vec<Source> = self.feeds.keys().cloned().collect();
        for source in gone.into_iter().filter(|source| !is_wanted(source)) {
            self.feeds.remove(&source);
            self.shared.update(|stores| stores.remove(&source));
        }
        let mut has_more = false;
        for source in wanted {
            if !self.feeds.contains_key(&source) {
                self.follow(source);
                has_more = true;
            }
        }
        has_more
    }

    fn follow(&mut self, source: Source) {
        self.shared.update(|stores| stores.add(&source));
        let feed = Feed {
            client: self.client.clone(),
            source: source.clone(),
            shared: self.shared.clone(),
            connection: self.connection.clone(),
        };
        let task = self.runtime.spawn(feed.run());
        self.feeds.insert(source, RunningTask(task.abort_handle()));
    }
}

impl Shared {
    fn stores(&self) -> MutexGuard<'_, Stores> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, update: impl FnOnce(&mut Stores)) {
        let mut stores = self.stores();
        update(&mut stores);
        let changes = stores.changes();
        self.changes.send_if_modified(|known| {
            let is_changed = *known != changes;
            *known = changes;
            is_changed
        });
    }
}

impl Drop for RunningTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}
