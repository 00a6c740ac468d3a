//! The objects that have been made for Gateways, as they are at the API server.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use kube::Client;
use kube::api::Api;
use kube::core::DynamicObject;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::kind::ChildKind;
use super::ledger::{ChildKey, LiveObjects};
use super::metadata::{MANAGED_BY_LABEL, MANAGER};
use crate::backoff::Backoff;
use crate::connection::{ConnectionState, returned};

/// The objects that have the label of the manager, kept up to date by watches until this is dropped.
pub struct Children {
    state: Arc<Mutex<ChildState>>,
    changed: watch::Receiver<()>,
    _watches: JoinSet<()>,
}

#[derive(Default)]
struct ChildState {
    live: LiveObjects,
    /// The kinds of which all objects have been read once.
    complete: BTreeSet<ChildKind>,
}

/// The watch of one kind.
struct KindWatch {
    kind: ChildKind,
    state: Arc<Mutex<ChildState>>,
    changed: watch::Sender<()>,
}

/// The objects of one kind, while they are listed anew.
#[derive(Default)]
struct Listing(BTreeSet<ChildKey>);

impl Children {
    /// Begins to watch all objects of the manager. `connection` is whether the API server answers.
    #[must_use]
    pub fn start(client: &Client, connection: &watch::Receiver<ConnectionState>) -> Self {
        let state = Arc::new(Mutex::new(ChildState::default()));
        let (sender, changed) = watch::channel(());
        let mut watches = JoinSet::new();
        for kind in ChildKind::ALL {
            let watch = KindWatch {
                kind,
                state: state.clone(),
                changed: sender.clone(),
            };
            watches.spawn(watch.run(client.clone(), connection.clone()));
        }
        Self {
            state,
            changed,
            _watches: watches,
        }
    }

    /// Waits until an object has changed since the last call.
    pub async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            // The watches never end while this lives.
            std::future::pending::<()>().await;
        }
    }

    /// The objects as they are; `None` until each kind has been read.
    #[must_use]
    pub fn live(&self) -> Option<LiveObjects> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.complete.len() == ChildKind::ALL.len()).then(|| state.live.clone())
    }
}

impl KindWatch {
    /// Watches for ever. After the API server was away all is read anew, because the watch may have been lost without a
    /// word.
    async fn run(self, client: Client, connection: watch::Receiver<ConnectionState>) {
        let api: Api<DynamicObject> = Api::all_with(client, &self.kind.resource());
        loop {
            tokio::select! {
                () = self.watch(api.clone()) => {}
                () = returned(connection.clone()) => {}
            }
        }
    }

    async fn watch(&self, api: Api<DynamicObject>) {
        let config = watcher::Config::default().labels(&format!("{MANAGED_BY_LABEL}={MANAGER}"));
        let mut events = pin!(watcher(api, config));
        let mut listing = Listing::default();
        let mut backoff = Backoff::default();
        let mut has_told = false;
        // The stream goes on after errors, and has no end.
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    backoff.reset();
                    has_told = false;
                    let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                    state.apply(self.kind, event, &mut listing);
                    drop(state);
                    self.changed.send_replace(());
                }
                // What was read is too old to go on from: it is read anew, at once.
                Err(watcher::Error::WatchError(status)) if status.code == 410 => {}
                Err(error) => {
                    // What the server says itself is told once; that it is away, the probe tells.
                    let is_told = is_answer(&error) && !std::mem::replace(&mut has_told, true);
                    match is_told {
                        true => tracing::warn!("cannot watch {:?}: {error}", self.kind),
                        false => tracing::debug!("cannot watch {:?}: {error}", self.kind),
                    }
                    sleep(backoff.failed(rand::random())).await;
                }
            }
        }
    }
}

/// Whether the server has answered. Answers of a server that starts are none.
fn is_answer(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))
    | watcher::Error::WatchFailed(kube::Error::Api(status))
    | watcher::Error::WatchError(status)) = error
    else {
        return false;
    };
    status.code < 500 && status.code != 429
}

impl ChildState {
    fn apply(&mut self, kind: ChildKind, event: Event<DynamicObject>, listing: &mut Listing) {
        let key = |object: &DynamicObject| ChildKey {
            kind,
            namespace: object
                .metadata
                .namespace
                .as_deref()
                .unwrap_or_default()
                .into(),
            name: object.metadata.name.as_deref().unwrap_or_default().into(),
        };
        match event {
            Event::Apply(object) => {
                self.live.insert(key(&object), Arc::new(object));
            }
            // It is gone, or has lost its label. In both cases it is missing here.
            Event::Delete(object) => {
                self.live.remove(&key(&object));
            }
            Event::Init => listing.0.clear(),
            Event::InitApply(object) => {
                let key = key(&object);
                listing.0.insert(key.clone());
                self.live.insert(key, Arc::new(object));
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut listing.0);
                self.live
                    .retain(|key, _| key.kind != kind || listed.contains(key));
                self.complete.insert(kind);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, version: &str) -> DynamicObject {
        let object = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "infra", "resourceVersion": version},
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn objects_that_went_unseen_are_gone_after_the_next_list() {
        let mut state = ChildState::default();
        let mut listing = Listing::default();
        let kind = ChildKind::Service;
        let mut apply = |events: Vec<Event<DynamicObject>>| {
            for event in events {
                state.apply(kind, event, &mut listing);
            }
            let names = state.live.iter().map(|(key, object)| {
                let version = object.metadata.resource_version.as_deref();
                format!("{}:{}", key.name, version.unwrap_or_default())
            });
            (
                names.collect::<Vec<_>>().join(" "),
                state.complete.contains(&kind),
            )
        };
        let (a, b) = (
            |version| object("a", version),
            |version| object("b", version),
        );
        assert_eq!(
            apply(vec![Event::Init, Event::InitApply(a("1"))]),
            ("a:1".to_owned(), false)
        );
        assert_eq!(
            apply(vec![Event::InitApply(b("2")), Event::InitDone]),
            ("a:1 b:2".to_owned(), true)
        );
        assert_eq!(
            apply(vec![Event::Apply(a("3"))]),
            ("a:3 b:2".to_owned(), true)
        );
        // The list is read anew, and nothing is missing meanwhile.
        assert_eq!(
            apply(vec![Event::Init, Event::InitApply(b("4"))]),
            ("a:3 b:4".to_owned(), true)
        );
        assert_eq!(apply(vec![Event::InitDone]), ("b:4".to_owned(), true));
        assert_eq!(apply(vec![Event::Delete(b("5"))]), (String::new(), true));
    }
}
